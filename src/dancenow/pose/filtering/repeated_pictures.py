"""Filter the poses of a video whose frames repeat pictures: one pose per picture, and the same for each of its frames."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dancenow.types import FrameStatus, PoseTrack


def filter_pictures(track: PoseTrack, change: Callable[[PoseTrack], PoseTrack]) -> PoseTrack:
    """The track with the poses and status that `change` gives to its pictures alone.

    Otherwise smoothing would let a person move between two frames that show one picture. A picture that is shown twice has the
    mean of both times. Where the person is not found, a picture that stays the same is only an empty room.
    """
    seen = track.status == FrameStatus.MEASURED
    repeated = [frame for frame in track.repeated if seen[frame] and seen[frame - 1]]
    if not repeated:
        return change(track)
    first = np.setdiff1d(np.arange(len(track)), repeated)
    if len(first) < 2:
        return change(track)
    picture_of = np.searchsorted(first, np.arange(len(track)), side="right") - 1
    shown = np.bincount(picture_of)
    time_s = np.bincount(picture_of, weights=track.time_s) / shown
    changed = change(replace(track.select(first), time_s=time_s))
    return replace(track, pose=changed.pose[picture_of], status=changed.status[picture_of])
