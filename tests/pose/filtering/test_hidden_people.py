"""Who is hidden behind another for a moment goes on; who leaves, or is away for long, does not."""

from dataclasses import replace

import numpy as np

from dancenow.pose.filtering.hidden_people import fill_while_hidden
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.stick_dancers import dance


def gone(track: PoseTrack, start: int, stop: int) -> PoseTrack:
    status, confidence = track.status.copy(), track.pose.confidence.copy()
    status[start:stop], confidence[start:stop] = FrameStatus.MISSING, 0
    return replace(track, status=status, pose=Pose(track.pose.xy, confidence, track.pose.depth))


def test_who_is_behind_another_for_a_second_goes_on() -> None:
    track, other = dance(1.6), dance(1.6, z_m=(4.0, 4.0))
    hidden, same = fill_while_hidden([gone(track, 30, 60), other])
    assert same is other
    assert (hidden.status[30:60] == FrameStatus.FILLED).all()
    assert (hidden.pose.confidence[30:60] > 0).all()
    assert np.abs(hidden.pose.xy[30:60, 1] - track.pose.xy[30:60, 1]).max() < 12
    steps = np.linalg.norm(np.diff(hidden.pose.xy[:, 1], axis=0), axis=1)
    assert steps[29:31].max() < 3 + steps[:29].max()


def test_other_gaps_stay() -> None:
    track, away, near = dance(1.6), dance(1.6, x_m=3.0), dance(1.6, z_m=(4.0, 4.0))
    for start, stop, other in ((30, 60, away), (20, 80, near), (0, 20, near), (70, 90, near)):
        left = fill_while_hidden([gone(track, start, stop), other])[0]
        assert (left.status[start:stop] == FrameStatus.MISSING).all()
    alone = gone(track, 30, 60)
    assert fill_while_hidden([alone])[0] is alone
