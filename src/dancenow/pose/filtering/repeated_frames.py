"""Filter the poses of a video with repeated frames: once without them, and then they get the pose of the frame they repeat."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dancenow.types import FrameStatus, PoseTrack


def filter_without_repeats(track: PoseTrack, change: Callable[[PoseTrack], PoseTrack]) -> PoseTrack:
    """The track with the poses and status that `change` gives to it without its repeated frames.

    Otherwise smoothing would let a person move between two frames that are the same. A frame that is shown twice has the mean
    of both times. Where the person is not found, frames that are the same show only an empty room.
    """
    seen = track.status == FrameStatus.MEASURED
    repeated = [frame for frame in track.repeated if seen[frame] and seen[frame - 1]]
    if not repeated:
        return change(track)
    first = np.setdiff1d(np.arange(len(track)), repeated)
    if len(first) < 2:
        return change(track)
    shown_frame = np.searchsorted(first, np.arange(len(track)), side="right") - 1
    times_shown = np.bincount(shown_frame)
    time_s = np.bincount(shown_frame, weights=track.time_s) / times_shown
    changed = change(replace(track.select(first), time_s=time_s))
    return replace(track, pose=changed.pose[shown_frame], status=changed.status[shown_frame])
