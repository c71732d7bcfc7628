"""The retargeters by kind: they map a source person's poses to the target's body, position and camera.

Every retargeter is fitted to two whole tracks; `auto` selects the one that measured best for what the two tracks show.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, cast

from dancenow.errors import InputError
from dancenow.pose.retargeting.auto import fit_auto
from dancenow.pose.retargeting.base import IdentityRetargeter, Retargeter, TrackOrStatistics
from dancenow.pose.retargeting.global_scale import GlobalScaleRetargeter, fit_global_scale
from dancenow.pose.retargeting.incomplete_bodies import complete_body, limit_to_footage
from dancenow.pose.retargeting.shots import CameraViews, ShotRetargeter, fit_views
from dancenow.pose.retargeting.skeletal import SkeletalRetargeter, fit_skeletal
from dancenow.pose.retargeting.spatial_transformer import SpatialTransformerRetargeter, fit_spatial_transformer
from dancenow.types import PoseTrack

__all__ = [
    "GlobalScaleRetargeter",
    "IdentityRetargeter",
    "Retargeter",
    "RetargetingKind",
    "SkeletalRetargeter",
    "SpatialTransformerRetargeter",
    "TrackOrStatistics",
    "complete_body",
    "fit_global_scale",
    "fit_retargeter",
    "load_retargeter",
    "retarget",
]

RetargetingKind = Literal["auto", "none", "paper", "stn", "skeletal"]
"""auto: none for one person in one video, else skeletal where the body is visible, else paper. none: poses unchanged.
paper: one scale, which varies from near to far. stn: scale, rotation and translation from a spatial transformer.
skeletal: every body part, the floor and the camera."""
OLD_KINDS: Final[dict[str, RetargetingKind]] = {"bones": "skeletal"}
"""Names of the last version -> today's."""

BY_CAMERA: Final[tuple[RetargetingKind, ...]] = ("auto", "skeletal")
"""Kinds that use whether one camera filmed both."""


def current_kind(kind: str) -> RetargetingKind:
    """The kind itself, or today's name for an old one, with a DeprecationWarning."""
    if kind in OLD_KINDS:
        new = OLD_KINDS[kind]
        warnings.warn(f"the retargeting {kind!r} is now {new!r}; the old name goes in the next version", DeprecationWarning, 3)
        return new
    return cast("RetargetingKind", kind)


def fit_retargeter(
    kind: RetargetingKind,
    source: TrackOrStatistics,
    target: TrackOrStatistics,
    same_camera: bool | None = None,
    views: CameraViews | None = None,
) -> Retargeter:
    """Fit a retargeter of the named kind from source to target; `none` uses neither.

    Only `paper` works with statistics in place of a track. same_camera: whether one still camera filmed both, as
    `subject.same_camera.is_same_camera` tells; if so, `skeletal` keeps positions in the frame and does not rotate. Of a source
    with cuts each of its `views` is fitted on its own; without them, each shot.

    Raises:
        UserError: a track shows too little of the body for this kind.
    """
    fit = FITS[current_kind(kind)]
    if kind != "none" and isinstance(source, PoseTrack) and isinstance(target, PoseTrack) and source.cuts:
        return fit_views(fit, source, target, views or CameraViews.all_different(source))
    return fit(source, target, same_camera)


def retarget(track: PoseTrack, retargeter: Retargeter, target: PoseTrack) -> PoseTrack:
    """Retarget a source track to the target's body and frame, without parts that the target's footage never shows.

    track: completed, see `incomplete_bodies.complete_body`.
    """
    pose = retargeter(track.pose)
    fitted = replace(track, pose=pose, width_px=target.width_px, height_px=target.height_px, aim_px=target.aim_px)
    return fitted if isinstance(retargeter, IdentityRetargeter) else fitted.by_shot(lambda shot: limit_to_footage(shot, target))


def load_retargeter(saved: Mapping[str, Any]) -> Retargeter:
    """Load a retargeter from its `to_json`.

    Raises:
        UserError: its kind is unknown, or it is damaged.
    """
    try:
        return LOADERS[saved["kind"]](saved)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("the saved normalization is damaged or of a newer version; fit it again.") from error


Fit = Callable[[TrackOrStatistics, TrackOrStatistics, bool | None], Retargeter]


def _of_tracks(fit_tracks: Callable[[PoseTrack, PoseTrack, bool | None], Retargeter]) -> Fit:
    """A fit that needs whole tracks, as one that accepts either."""

    def fitted(source: TrackOrStatistics, target: TrackOrStatistics, same_camera: bool | None) -> Retargeter:
        if not (isinstance(source, PoseTrack) and isinstance(target, PoseTrack)):
            raise TypeError("this retargeter measures whole tracks; only `paper` works with statistics")
        return fit_tracks(source, target, same_camera)

    return fitted


FITS: Final[dict[RetargetingKind, Fit]] = {
    "auto": _of_tracks(fit_auto),
    "none": lambda _source, _target, _same: IdentityRetargeter(),
    "paper": lambda source, target, _same: fit_global_scale(source, target),
    "stn": _of_tracks(lambda source, target, _same: fit_spatial_transformer(source, target)),
    "skeletal": _of_tracks(fit_skeletal),
}
LOADERS: Final[dict[str, Callable[[Mapping[str, Any]], Retargeter]]] = {
    "none": IdentityRetargeter.from_json,
    "paper": GlobalScaleRetargeter.from_json,
    "stn": SpatialTransformerRetargeter.from_json,
    "shots": lambda saved: ShotRetargeter.from_json(saved, load_retargeter),
    "skeletal": SkeletalRetargeter.from_json,
    "bones": SkeletalRetargeter.from_json,
}
