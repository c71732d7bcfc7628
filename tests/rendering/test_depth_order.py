"""Who is in front of whom: by the ground under the feet, without flicker."""

import numpy as np
from numpy.typing import NDArray

from dancenow.rendering.depth_order import depth_lines
from dancenow.types import PoseTrack
from helpers.stick_dancers import dance


def walking(z_m: NDArray[np.float64] | float, frames: int = 90, jump_m: float = 0.0, x_m: float = 0.0) -> PoseTrack:
    """Somebody whose distance from the camera in each frame is z_m."""
    distance = np.broadcast_to(z_m, frames)
    track = dance(1.6, frames, x_m=x_m, jump_m=jump_m)
    middle = np.array([track.width_px / 2, track.height_px / 2], np.float32)
    track.pose.xy[:] = (track.pose.xy - middle) * (4.5 / distance).astype(np.float32)[:, None, None] + middle
    return track


def nearest(*tracks: PoseTrack) -> list[int]:
    return [int(number) for number in depth_lines(tracks).argmax(axis=0)]


def test_who_walks_past_in_front_comes_to_the_front_once() -> None:
    order = nearest(walking(np.linspace(6, 3, 90)), walking(4.5))
    changes = np.flatnonzero(np.diff(order))
    assert order[0] == 1
    assert order[-1] == 0
    assert len(changes) == 1
    assert abs(int(changes[0]) - 45) < 8


def test_two_who_stand_equally_far_keep_their_order() -> None:
    noise = np.random.default_rng(0).normal(0, 0.012, (2, 90))
    assert len(set(nearest(walking(4.5 + noise[0]), walking(4.5 + noise[1])))) == 1


def test_at_the_beginning_of_a_tie_who_is_in_front_later_is_in_front() -> None:
    later = np.concatenate([np.full(40, 4.49), np.linspace(4.49, 3.5, 50)])
    assert set(nearest(walking(4.5), walking(later))) == {1}
    assert set(nearest(walking(later), walking(4.5))) == {0}


def test_a_jump_does_not_bring_anybody_behind() -> None:
    assert set(nearest(walking(4.2, jump_m=0.4), walking(4.5))) == {0}


def test_three_dancers_have_different_lines_in_every_frame() -> None:
    lines = depth_lines([walking(5.0), walking(4.0), walking(np.linspace(6, 3, 90))])
    assert (np.diff(np.sort(lines, axis=0), axis=0) >= 0).all()
    assert lines.argsort(axis=0)[:, 0].tolist() == [2, 0, 1]
    assert lines.argsort(axis=0)[:, -1].tolist() == [0, 1, 2]
