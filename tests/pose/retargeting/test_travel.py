"""A dance that travels farther than the frame is wide."""

from dataclasses import replace

import numpy as np

from dancenow.pose.retargeting.travel import keep_in_frame
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.bodies import swaying_track

HIPS = [INDEX["right_hip"], INDEX["left_hip"]]


def traveling(from_px: float, to_px: float, cuts: tuple[int, ...] = ()) -> PoseTrack:
    """Somebody who sways while they cross from one x to another."""
    track = swaying_track(120)
    path = np.linspace(from_px, to_px, 120) - track.pose.xy[:, HIPS, 0].mean()
    moved = track.pose.xy + np.stack([path, np.zeros(120)], axis=1)[:, None]
    return replace(track, pose=Pose(moved.astype(np.float32), track.pose.confidence, track.pose.depth), cuts=cuts)


def test_a_dance_inside_of_the_frame_stays_as_it_is() -> None:
    track = traveling(0.4 * swaying_track(2).width_px, 0.6 * swaying_track(2).width_px)
    assert keep_in_frame(track) is track


def test_a_long_way_is_shortened_and_the_pose_is_not() -> None:
    track = traveling(-3000, 4000)
    kept = keep_in_frame(track)
    x_px = kept.pose.xy[..., 0]
    assert x_px.min() > -0.1 * track.width_px
    assert x_px.max() < 1.1 * track.width_px
    assert np.ptp(x_px[:, HIPS].mean(axis=1)) > 0.25 * track.width_px, "it still crosses the frame"
    root, root_kept = (each.pose.xy - each.pose.xy[:, HIPS].mean(axis=1, keepdims=True) for each in (track, kept))
    assert np.abs(root - root_kept).max() < 0.01


def test_each_shot_is_shortened_on_its_own() -> None:
    inside = traveling(0.5 * swaying_track(2).width_px, 0.5 * swaying_track(2).width_px, cuts=(60,))
    xy = inside.pose.xy.copy()
    xy[60:, :, 0] += 5000
    kept = keep_in_frame(replace(inside, pose=Pose(xy, inside.pose.confidence, inside.pose.depth)))
    assert (kept.pose.xy[:60] == inside.pose.xy[:60]).all()
    assert kept.pose.xy[60:, :, 0].max() < 1.1 * inside.width_px
