"""A person on two grounds is told from one who stands, jumps and walks on one."""

from dataclasses import replace

import numpy as np

from dancenow.pose.retargeting.grounds import share_on_other_ground
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.stick_dancers import Camera, dance


def moved_down(track: PoseTrack, start: int, by_px: float) -> PoseTrack:
    xy = track.pose.xy.copy()
    xy[start:, :, 1] += by_px
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def test_a_second_ground_is_seen() -> None:
    track = dance(1.6, frames=120, camera=Camera())
    height_px = float(np.ptp(track.pose.xy[..., 1], axis=1).mean())
    assert share_on_other_ground(track) == 0
    assert share_on_other_ground(moved_down(track, 90, height_px)) > 0.1


def test_without_feet_nothing_is_said() -> None:
    track = dance(1.6, frames=60, camera=Camera())
    confidence = track.pose.confidence.copy()
    confidence[:, track.pose.xy[0, :, 1] > np.median(track.pose.xy[0, :, 1])] = 0
    assert share_on_other_ground(replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))) == 0


def test_feet_in_the_air_stand_on_nothing() -> None:
    """A handstand that is held."""
    track = dance(1.6, frames=120, camera=Camera())
    xy = track.pose.xy.copy()
    middle = (xy[90:, :, 1].min() + xy[90:, :, 1].max()) / 2
    xy[90:, :, 1] = 2 * middle - xy[90:, :, 1]
    assert share_on_other_ground(replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))) == 0


def test_hips_that_are_never_seen_together_are_no_error() -> None:
    track = dance(1.6, frames=60, camera=Camera())
    confidence = track.pose.confidence.copy()
    confidence[::2, INDEX["left_hip"]] = 0
    confidence[1::2, INDEX["right_hip"]] = 0
    assert share_on_other_ground(replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))) == 0
