"""Footage with cuts: which of its shots show one camera view, and are used, for the background plate as well as for training.

A plate of several views would be a collage, and a person who is trained in several would be placed by the wrong floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dancenow.media.shots import Shot, describe_cuts
from dancenow.media.source import VideoSource
from dancenow.subject.same_camera import background_views, group_views
from dancenow.types import FrameStatus, Pose, PoseTrack


@dataclass(frozen=True, eq=False)
class ShotSelection:
    """What is used of footage. track: of the whole footage, with nobody in unused frames. used: bool [T], the frames of the
    used shots. warnings: one sentence if there are cuts.
    """

    track: PoseTrack
    used: NDArray[np.bool_]
    warnings: tuple[str, ...] = ()

    @property
    def used_track(self) -> PoseTrack:
        """The track of the used frames alone; the whole one if all are used."""
        return self.track if self.used.all() else self.track.select(np.flatnonzero(self.used))


def select_shots(source: VideoSource, track: PoseTrack) -> ShotSelection:
    """Select the shots of the camera view that shows the person for longest.

    Raises:
        UserError: the video cannot be read.
    """
    used = np.ones(len(track), bool)
    if not track.cuts:
        return ShotSelection(track, used)
    measured = track.status == FrameStatus.MEASURED
    shown = [shot for shot in track.shots if measured[shot].any()]
    of_shot = group_views(background_views(source, track, shown))
    if of_shot:
        seen = np.zeros(max(of_shot) + 1)
        for shot, view in zip(shown, of_shot, strict=True):
            seen[view] += measured[shot].sum()
        chosen = [shot for shot, view in zip(shown, of_shot, strict=True) if view == seen.argmax()]
        used[:] = False
        for shot in chosen:
            used[shot] = True
    pose = Pose(track.pose.xy, np.where(used[:, None], track.pose.confidence, np.float32(0)), track.pose.depth)
    status = np.where(used, track.status, np.uint8(FrameStatus.MISSING))
    return ShotSelection(replace(track, pose=pose, status=status), used, _warnings(source.shots, track, used, measured))


def _warnings(shots: Sequence[Shot], track: PoseTrack, used: NDArray[np.bool_], measured: NDArray[np.bool_]) -> tuple[str, ...]:
    cuts = describe_cuts(shots, track.time_s)
    if cuts is None:
        return ()
    if not (measured & ~used).any():
        return (f"there {cuts}, but the person is seen in one camera view, and all of it is used.",)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(int))).reshape(-1, 2)
    ends_s = np.append(track.time_s, track.time_s[-1] + 1 / track.fps)
    parts = ", ".join(f"{ends_s[start]:.1f} to {ends_s[stop]:.1f} s" for start, stop in edges)
    return (
        f"there {cuts}, and only the part in one camera view is used ({parts}): film one uncut shot from one place to use it"
        " all.",
    )
