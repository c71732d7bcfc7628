"""Retargeting of a dance with cuts: each camera view of the source is fitted on its own.

Another framing, a zoom or a view from the side changes where a body is and how large it looks, but not the dance. So size and
ground line in the target are the same in all views.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.pose.retargeting.base import Retargeter, as_track
from dancenow.types import FrameStatus, Pose, PoseTrack

MIN_VIEW_S: Final = 0.7
"""A view that shows the person for less is not fitted, unless there is no other."""


@dataclass(frozen=True)
class ShotRetargeter:
    """Retargets the poses of one whole track. starts: first frame of every shot; views: the view of every shot, an index into
    `fitted`.
    """

    num_frames: int
    starts: tuple[int, ...]
    views: tuple[int, ...]
    fitted: tuple[Retargeter, ...]
    kind: ClassVar[str] = "shots"

    def __call__(self, pose: Pose) -> Pose:
        """Map the poses [T,K] of the whole track: a pose alone does not say which shot it is from."""
        track = as_track(pose)
        if len(track) != self.num_frames:
            raise ValueError(f"poses of the whole track of {self.num_frames} frames are needed, got {pose!r}")
        stops = (*self.starts[1:], self.num_frames)
        parts = [self.fitted[view](track[a:b]) for a, b, view in zip(self.starts, stops, self.views, strict=True)]
        return Pose(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("xy", "confidence", "depth")))

    def __str__(self) -> str:
        used = list(dict.fromkeys(self.views))
        each = "; ".join(str(self.fitted[view]) for view in used)
        return each if len(used) == 1 else f"{len(used)} camera views, each fitted on its own: {each}"

    def inverse(self) -> None:
        """None: a pose in the target does not say which view it is from."""

    def to_json(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in ("num_frames", "starts", "views")}
        return {"kind": self.kind, **fields, "fitted": [each.to_json() for each in self.fitted]}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], load: Callable[[Mapping[str, Any]], Retargeter]) -> Self:
        """Restore from `to_json`. load: of a single retargeter."""
        starts, views = (tuple(int(each) for each in saved[name]) for name in ("starts", "views"))
        fitted = tuple(load(each) for each in saved["fitted"])
        if len(starts) != len(views) or not set(views) <= set(range(len(fitted))):
            raise ValueError("shots and views do not match")
        return cls(int(saved["num_frames"]), starts, views, fitted)


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
    numbers = tuple(known.index(view) if view in fitted else 0 for view in views.of_shot)
    return ShotRetargeter(len(source), tuple(shot.start for shot in source.shots), numbers, tuple(fitted.values()))


def _frames_of(source: PoseTrack, views: CameraViews, view: int) -> NDArray[np.int64]:
    """Numbers of the frames of all shots of a view."""
    shots = [shot for shot, number in zip(source.shots, views.of_shot, strict=True) if number == view]
    return np.concatenate([np.arange(shot.start, shot.stop) for shot in shots])
