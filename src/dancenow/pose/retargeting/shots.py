"""Retargeting of a dance with cuts: each camera view of the source is fitted on its own.

Another framing, a zoom or a view from the side changes where a body is and how large it looks, but not the dance. So size and
ground line in the target are the same in all views.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.retargeting.base import Retargeter, as_track
from dancenow.types import FrameStatus, Pose, PoseTrack

MIN_VIEW_S: Final = 0.7
"""A view that shows the person for less is not fitted, unless there is no other."""


SCALE_RANGE: Final = (0.8, 1.25)
"""How much the sizes of two views are brought together; more is an error of the fit."""


@dataclass(frozen=True)
class Placement:
    """Brings what a view is mapped to to the size and ground line of the other views: scaled about (x_px, y_px), which moves to
    (x_px, to_y_px).
    """

    scale: float = 1.0
    x_px: float = 0.0
    y_px: float = 0.0
    to_y_px: float = 0.0

    def __call__(self, pose: Pose) -> Pose:
        """The poses [T,K], placed."""
        xy = (pose.xy - [self.x_px, self.y_px]) * self.scale + [self.x_px, self.to_y_px]
        return Pose(xy.astype(np.float32), pose.confidence, (pose.depth * self.scale).astype(np.float32))

    @classmethod
    def like(cls, mapped: PoseTrack, reference: PoseTrack) -> Self:
        """That of a view by the bodies and ground lines of both, if both show the feet."""
        try:
            own, other = body_statistics(mapped), body_statistics(reference)
        except InputError:
            return cls()
        if not (own.feet_seen and other.feet_seen):
            return cls()
        ground_px, wanted_px = ((body.ground_near_px + body.ground_far_px) / 2 for body in (own, other))
        return cls(float(np.clip(other.height_px / own.height_px, *SCALE_RANGE)), own.hip_x_px, ground_px, wanted_px)


@dataclass(frozen=True)
class ShotRetargeter:
    """Retargets the poses of one whole track. starts: first frame of every shot; views: the view of every shot, an index into
    `fitted` and `placements`.
    """

    num_frames: int
    starts: tuple[int, ...]
    views: tuple[int, ...]
    fitted: tuple[Retargeter, ...]
    placements: tuple[Placement, ...]
    kind: ClassVar[str] = "shots"

    def __call__(self, pose: Pose) -> Pose:
        """Map the poses [T,K] of the whole track: a pose alone does not say which shot it is from."""
        track = as_track(pose)
        if len(track) != self.num_frames:
            raise ValueError(f"poses of the whole track of {self.num_frames} frames are needed, got {pose!r}")
        stops = (*self.starts[1:], self.num_frames)
        parts = [
            self.placements[view](self.fitted[view](track[a:b]))
            for a, b, view in zip(self.starts, stops, self.views, strict=True)
        ]
        return Pose(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("xy", "confidence", "depth")))

    def __str__(self) -> str:
        used = list(dict.fromkeys(self.views))
        each = "; ".join(str(self.fitted[view]) for view in used)
        return each if len(used) == 1 else f"{len(used)} camera views, each fitted on its own: {each}"

    def inverse(self) -> None:
        """None: a pose in the target does not say which view it is from."""

    def to_json(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in ("num_frames", "starts", "views")}
        placements = [asdict(each) for each in self.placements]
        return {"kind": self.kind, **fields, "fitted": [each.to_json() for each in self.fitted], "placements": placements}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], load: Callable[[Mapping[str, Any]], Retargeter]) -> Self:
        """Restore from `to_json`. load: of a single retargeter."""
        starts, views = (tuple(int(each) for each in saved[name]) for name in ("starts", "views"))
        fitted = tuple(load(each) for each in saved["fitted"])
        placements = tuple(Placement(**each) for each in saved["placements"])
        if len(starts) != len(views) or len(fitted) != len(placements) or not set(views) <= set(range(len(fitted))):
            raise ValueError("shots and views do not match")
        return cls(int(saved["num_frames"]), starts, views, fitted, placements)


@dataclass(frozen=True)
class CameraViews:
    """Which shots of a source show the same view. of_shot: the number of the view of each shot. same_camera: for each view,
    whether the camera that filmed the target filmed it; None = not known.
    """

    of_shot: tuple[int, ...]
    same_camera: tuple[bool | None, ...]

    @classmethod
    def all_different(cls, source: PoseTrack) -> Self:
        """Each shot shows another view, by another camera than the target's."""
        count = len(source.shots)
        return cls(tuple(range(count)), (False,) * count)


def fit_views(
    fit: Callable[[PoseTrack, PoseTrack, bool | None], Retargeter], source: PoseTrack, target: PoseTrack, views: CameraViews
) -> ShotRetargeter:
    """Fit each camera view of a source with cuts to the target.

    A view that shows too little of the body is mapped as the one that shows most.

    Raises:
        UserError: no view shows enough of the body.
    """
    rows = {view: _frames_of(source, views, view) for view in set(views.of_shot)}
    seen_s = {view: float((source.status[frames] == FrameStatus.MEASURED).sum()) / source.fps for view, frames in rows.items()}
    several = sum(seconds > 0 for seconds in seen_s.values()) > 1
    fitted: dict[int, Retargeter] = {}
    problem: InputError | None = None
    for view in sorted(rows, key=lambda view: -seen_s[view]):
        if fitted and seen_s[view] < MIN_VIEW_S:
            continue
        try:
            # Of several views it is not assumed that they are by the target's camera: the floor is where the person stands.
            same = views.same_camera[view]
            fitted[view] = fit(source.select(rows[view]), target, bool(same) if several else same)
        except InputError as error:
            problem = error
    if not fitted:
        assert problem is not None
        raise problem
    known = list(fitted)
    mapped = [_mapped(source.select(rows[view]), fitted[view], target) for view in known]
    placements = (Placement(), *(Placement.like(each, mapped[0]) for each in mapped[1:]))
    numbers = tuple(known.index(view) if view in fitted else 0 for view in views.of_shot)
    starts = tuple(shot.start for shot in source.shots)
    return ShotRetargeter(len(source), starts, numbers, tuple(fitted.values()), placements)


def _mapped(part: PoseTrack, retargeter: Retargeter, target: PoseTrack) -> PoseTrack:
    return replace(part, pose=retargeter(part.pose), width_px=target.width_px, height_px=target.height_px)


def _frames_of(source: PoseTrack, views: CameraViews, view: int) -> NDArray[np.int64]:
    """Numbers of the frames of all shots of a view."""
    shots = [shot for shot, number in zip(source.shots, views.of_shot, strict=True) if number == view]
    return np.concatenate([np.arange(shot.start, shot.stop) for shot in shots])
