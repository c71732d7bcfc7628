"""Smoothing takes jitter, jumps, swaps and short gaps away, and leaves the dance as it is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.filtering.smoothing import smooth, smooth_jitter
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


def test_a_fast_move_is_not_blunted(swaying: Swaying) -> None:
    truth = swaying()
    wrist = _error_px(smooth(truth), truth)[:, INDEX["right_wrist"]]
    assert wrist.max() < 0.02 * 180, "the wrist goes 180 px up and down twice a second"


def test_few_frames_a_second_are_left_alone(swaying: Swaying) -> None:
    slow = swaying(40, 5.0, noise_px=3.0)
    assert np.abs(smooth(slow).pose.xy - slow.pose.xy).max() < 0.1


def test_a_jump_of_one_keypoint_is_put_back(swaying: Swaying) -> None:
    truth = swaying()
    xy = truth.pose.xy.copy()
    xy[40, INDEX["left_ankle"]] += 150
    smoothed = smooth(replace(truth, pose=Pose(xy, truth.pose.confidence)))
    assert _error_px(smoothed, truth).max() < 6
    assert 0 < smoothed.pose.confidence[40, INDEX["left_ankle"]] < 0.5, "it is a guess and says so"


def test_exchanged_sides_are_put_right(swaying: Swaying) -> None:
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


def test_a_track_without_anybody_comes_back_unchanged(swaying: Swaying) -> None:
    empty = _without(swaying(), slice(None))
    assert smooth(empty) is empty


def test_uneven_times_are_respected(swaying: Swaying) -> None:
    """With every frame between 1 s and 2 s but each third left out, the same moments must give about the same poses."""
    truth = swaying(90, 60.0)
    kept = np.r_[0:30, 30:60:3, 60:90]
    thinned = replace(truth, pose=truth.pose[kept], time_s=truth.time_s[kept], status=truth.status[kept])
    assert np.linalg.norm(smooth(thinned).pose.xy - truth.pose.xy[kept], axis=-1).max() < 8


def test_a_pose_is_damped_where_it_is_known_and_only_there(swaying: Swaying) -> None:
    track = swaying()
    exact = track.pose
    noise = np.random.default_rng(0).normal(0, 1.0, exact.xy.shape).astype(np.float32)
    confidence = exact.confidence.copy()
    confidence[10:20, 3] = 0
    calm = smooth_jitter(replace(track, pose=Pose(exact.xy + noise, confidence, exact.depth))).pose
    known = confidence > 0
    before, after = (np.abs(xy - exact.xy)[known].mean() for xy in (exact.xy + noise, calm.xy))
    assert after < 0.7 * before
    np.testing.assert_array_equal(calm.xy[10:20, 3], (exact.xy + noise)[10:20, 3])
    np.testing.assert_array_equal(calm.confidence, confidence)


def test_a_calmed_dance_trembles_less_and_is_the_same_dance(swaying: Swaying) -> None:
    truth, noisy = swaying(72, 24.0), smooth(swaying(72, 24.0, noise_px=2.0))
    calm = smooth_jitter(noisy)

    def trembling_px(track: PoseTrack) -> float:
        return float(np.abs(np.diff(track.pose.xy - truth.pose.xy, axis=0)).mean())

    assert trembling_px(calm) < 0.75 * trembling_px(noisy)
    assert _error_px(calm, truth).mean() < _error_px(noisy, truth).mean()
    np.testing.assert_array_equal(calm.status, noisy.status)
    np.testing.assert_array_equal(calm.pose.confidence, noisy.pose.confidence)
