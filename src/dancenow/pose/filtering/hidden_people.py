"""Poses of people who were hidden behind each other for a moment: interpolated from before to after.

The filters of one track fill gaps of half a second at most, because nothing is known about longer ones. Of several people who
are followed together it is known that one stood behind another.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FrameStatus, Pose, PoseTrack

MAX_HIDDEN_S: Final = 1.5
"""Longer gaps stay: the dance behind somebody cannot be guessed."""


def fill_while_hidden(tracks: Sequence[PoseTrack]) -> list[PoseTrack]:
    """The tracks of several people in one video, of equally many frames, with such gaps FILLED."""
    return [_filled(track, [other for other in tracks if other is not track]) for track in tracks]


def _filled(track: PoseTrack, others: Sequence[PoseTrack]) -> PoseTrack:
    found = track
    for shot in track.shots:
        for start, stop in _gaps(track, shot):
            is_short = track.time_s[stop] - track.time_s[start - 1] <= MAX_HIDDEN_S
            if is_short and any(_meets(track, other, start, stop) for other in others):
                found = _interpolated(found, start, stop)
    return found


def _gaps(track: PoseTrack, shot: slice) -> list[tuple[int, int]]:
    """First and end (exclusive) frame of the gaps between two frames of a shot in which the person is found."""
    runs = [(missing, [*frames]) for missing, frames in groupby(range(shot.start, shot.stop), lambda i: _is_missing(track, i))]
    return [(run[0], run[-1] + 1) for missing, run in runs if missing and run[0] > shot.start and run[-1] + 1 < shot.stop]


def _is_missing(track: PoseTrack, frame: int) -> bool:
    return bool(track.status[frame] == FrameStatus.MISSING)


def _meets(track: PoseTrack, other: PoseTrack, start: int, stop: int) -> bool:
    """Whether another person is, in some frame of the gap, where this one must be."""
    ends = [_box(track, start - 1), _box(track, stop)]
    for frame in range(start, stop):
        share = (frame - start + 1) / (stop - start + 1)
        own, box = ends[0] * (1 - share) + ends[1] * share, _box(other, frame)
        if bool((own[:2] < box[2:]).all() and (box[:2] < own[2:]).all()):
            return True
    return False


def _box(track: PoseTrack, frame: int) -> NDArray[np.float64]:
    """Left, top, right, bottom of the keypoints that are present; an empty box far away if none is."""
    xy = track.pose.xy[frame][track.pose.confidence[frame] > 0]
    return np.concatenate([xy.min(axis=0), xy.max(axis=0)]).astype(np.float64) if len(xy) else np.full(4, -1e9)


def _interpolated(track: PoseTrack, start: int, stop: int) -> PoseTrack:
    before, after, status = track.pose[start - 1], track.pose[stop], track.status.copy()
    share = np.linspace(0, 1, stop - start + 2)[1:-1].astype(np.float32)
    share = share * share * (3 - 2 * share)
    xy, confidence, depth = track.pose.xy.copy(), track.pose.confidence.copy(), track.pose.depth.copy()
    xy[start:stop] = before.xy + share[:, None, None] * (after.xy - before.xy)
    depth[start:stop] = before.depth + share[:, None] * (after.depth - before.depth)
    confidence[start:stop] = np.minimum(before.confidence, after.confidence)
    status[start:stop] = FrameStatus.FILLED
    return replace(track, pose=Pose(xy, confidence, depth), status=status)
