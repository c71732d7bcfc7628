"""Smoothing removes jitter, jumps, left-right swaps and short gaps, and keeps the motion."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.filtering.smoothing import SmoothConfig, damp_jitter, smooth
from dancenow.skeleton import INDEX, MIRROR
from dancenow.types import FrameStatus, Pose, PoseTrack

Swaying = Callable[..., PoseTrack]


def _error_px(track: PoseTrack, truth: PoseTrack) -> np.ndarray:
    return np.asarray(np.linalg.norm(track.pose.xy - truth.pose.xy, axis=-1))


def _without(track: PoseTrack, frames: slice) -> PoseTrack:
    """The track as if the detector had lost the person in these frames."""
    xy, confidence, status = track.pose.xy.copy(), track.pose.confidence.copy(), track.status.copy()
    xy[frames], confidence[frames], status[frames] = 0, 0, FrameStatus.MISSING
    return replace(track, pose=Pose(xy, confidence), status=status)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_jitter_is_damped_at_any_frame_rate(swaying: Swaying, fps: float) -> None:
    truth, noisy = swaying(int(3 * fps), fps), swaying(int(3 * fps), fps, noise_px=3.0)
    assert _error_px(smooth(noisy), truth).mean() < 0.85 * _error_px(noisy, truth).mean()


def test_fast_motion_keeps_its_amplitude(swaying: Swaying) -> None:
    truth = swaying()
    wrist = _error_px(smooth(truth), truth)[:, INDEX["right_wrist"]]
    assert wrist.max() < 0.02 * 180, "the wrist goes 180 px up and down twice a second"


def test_low_frame_rates_are_not_smoothed(swaying: Swaying) -> None:
    slow = swaying(40, 5.0, noise_px=3.0)
    assert np.abs(smooth(slow).pose.xy - slow.pose.xy).max() < 0.1


def test_a_jump_of_one_keypoint_is_corrected(swaying: Swaying) -> None:
    truth = swaying()
    xy = truth.pose.xy.copy()
    xy[40, INDEX["left_ankle"]] += 150
    smoothed = smooth(replace(truth, pose=Pose(xy, truth.pose.confidence)))
    assert _error_px(smoothed, truth).max() < 6
    assert 0 < smoothed.pose.confidence[40, INDEX["left_ankle"]] < 0.5, "it is a guess and says so"


def test_swapped_sides_are_corrected(swaying: Swaying) -> None:
    truth = swaying()
    xy = truth.pose.xy.copy()
    xy[30:45] = xy[30:45][:, MIRROR]
    assert _error_px(smooth(replace(truth, pose=Pose(xy, truth.pose.confidence))), truth).max() < 6


def test_a_real_turn_is_not_undone(swaying: Swaying) -> None:
    still = swaying()
    turn = np.cos(np.pi * np.clip((still.time_s - 1.0) / 0.5, 0, 1))  # half a turn in half a second
    centre = still.pose.xy[..., :1].mean(axis=1, keepdims=True)
    xy = still.pose.xy.copy()
    xy[..., :1] = centre + turn[:, None, None] * (xy[..., :1] - centre)
    turned = replace(still, pose=Pose(xy.astype(np.float32), still.pose.confidence))
    shoulders = smooth(turned).pose.xy[:, [INDEX["right_shoulder"], INDEX["left_shoulder"]], 0]
    assert (shoulders[:28, 0] < shoulders[:28, 1]).all()
    assert (shoulders[48:, 0] > shoulders[48:, 1]).all()


def test_short_gaps_are_filled_and_marked_and_long_ones_stay_missing(swaying: Swaying) -> None:
    truth = swaying()
    smoothed = smooth(_without(_without(truth, slice(20, 26)), slice(50, 80)))
    assert (smoothed.status[20:26] == FrameStatus.FILLED).all()
    assert (smoothed.pose.confidence[20:26] > 0).all()
    assert (smoothed.pose.confidence[20:26] < 0.5).all()
    assert _error_px(smoothed, truth)[20:26, INDEX["neck"]].max() < 8
    assert (smoothed.status[50:80] == FrameStatus.MISSING).all()
    assert not smoothed.pose.confidence[50:80].any()
    assert not smoothed.pose.xy[50:80].any()
    assert (smoothed.status == FrameStatus.MEASURED).sum() == 90 - 6 - 30


def test_ends_without_the_person_stay_missing(swaying: Swaying) -> None:
    smoothed = smooth(_without(swaying(), slice(0, 5)))
    assert (smoothed.status[:5] == FrameStatus.MISSING).all()
    assert (smoothed.status[5:] == FrameStatus.MEASURED).all()


def test_a_track_without_a_person_is_returned_unchanged(swaying: Swaying) -> None:
    empty = _without(swaying(), slice(None))
    assert smooth(empty) is empty


def test_uneven_times_are_respected(swaying: Swaying) -> None:
    """Dropping two of three frames between 1 s and 2 s gives about the same poses at the remaining times."""
    truth = swaying(90, 60.0)
    kept = np.r_[0:30, 30:60:3, 60:90]
    thinned = replace(truth, pose=truth.pose[kept], time_s=truth.time_s[kept], status=truth.status[kept])
    assert np.linalg.norm(smooth(thinned).pose.xy - truth.pose.xy[kept], axis=-1).max() < 8


def test_jitter_is_damped_at_valid_keypoints_only(swaying: Swaying) -> None:
    track = swaying()
    exact = track.pose
    noise = np.random.default_rng(0).normal(0, 1.0, exact.xy.shape).astype(np.float32)
    confidence = exact.confidence.copy()
    confidence[10:20, 3] = 0
    calm = damp_jitter(replace(track, pose=Pose(exact.xy + noise, confidence, exact.depth))).pose
    known = confidence > 0
    before, after = (np.abs(xy - exact.xy)[known].mean() for xy in (exact.xy + noise, calm.xy))
    assert after < 0.7 * before
    np.testing.assert_array_equal(calm.xy[10:20, 3], (exact.xy + noise)[10:20, 3])
    np.testing.assert_array_equal(calm.confidence, confidence)


def test_a_fixed_kernel_is_used_where_it_is_asked_for(swaying: Swaying) -> None:
    track = swaying(noise_px=2.0)
    narrow, wide = (damp_jitter(track, SmoothConfig(sigma_s=sigma_s)).pose.xy for sigma_s in (0.02, 0.2))
    change = [np.abs(np.diff(xy, 2, axis=0)).mean() for xy in (track.pose.xy, narrow, wide)]
    assert change[0] > change[1] > 2 * change[2]
