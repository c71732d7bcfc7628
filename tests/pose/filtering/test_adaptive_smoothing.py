"""Each keypoint is smoothed as much as its motion allows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.filtering.adaptive_smoothing import FIXED_SIGMA_S, MIN_RATE_HZ, SIGMAS_S, choose_widths, measure_noise
from dancenow.pose.filtering.local_regression import Array
from dancenow.pose.filtering.smoothing import SmoothConfig, damp_jitter
from dancenow.types import Pose, PoseTrack

Swaying = Callable[..., PoseTrack]
FPS = 30.0


def _still_then_fast(noise_px: float, frames: int = 240) -> tuple[Array, Array, Array]:
    """Exact and noisy positions [T,2,2] of two points, and times: both stand for half of the time, then one waves 80 px wide
    three times in two seconds."""
    time_s = np.arange(frames) / FPS
    exact = np.full((frames, 2, 2), 100.0)
    exact[frames // 2 :, 1, 0] += 80 * np.sin(3 * np.pi * (time_s[frames // 2 :] - time_s[frames // 2]))
    return exact, exact + np.random.default_rng(0).normal(0, noise_px, exact.shape), time_s


def _widths(xy: Array, time_s: Array) -> Array:
    return choose_widths(xy, np.ones(xy.shape[:2]), time_s)


def test_a_point_is_smoothed_long_while_it_stands_and_short_while_it_waves() -> None:
    _, noisy, time_s = _still_then_fast(2.0)
    widths = _widths(noisy, time_s)
    half = len(time_s) // 2
    assert np.median(widths[:half]) > 0.1
    assert np.median(widths[half + 10 :, 1]) < 0.6 * np.median(widths[half + 10 :, 0])


@pytest.mark.parametrize("noise_px", [0.5, 3.0])
def test_no_fixed_kernel_is_better_both_for_what_stands_and_for_what_waves(noise_px: float) -> None:
    exact, noisy, time_s = _still_then_fast(noise_px)
    half = len(time_s) // 2
    track = _track(noisy, time_s)

    def errors_px(config: SmoothConfig) -> tuple[float, float]:
        """Of the motion from frame to frame, which is what flickers: in the still and in the fast half."""
        off = np.linalg.norm(np.diff(damp_jitter(track, config).pose.xy[:, 1] - exact[:, 1], axis=0), axis=-1)
        return float(off[5 : half - 5].mean()), float(off[half + 5 : -5].mean())

    still, fast = errors_px(SmoothConfig())
    for sigma_s in (0.035, 0.06, 0.1):
        fixed = errors_px(SmoothConfig(sigma_s=sigma_s))
        assert not (fixed[0] < 0.9 * still and fixed[1] < 0.9 * fast)
    assert still < 0.5 * errors_px(SmoothConfig(sigma_s=0.035))[0]
    assert fast < 0.8 * errors_px(SmoothConfig(sigma_s=0.1))[1]


def _track(xy: Array, time_s: Array) -> PoseTrack:
    """A track with all keypoints at the second of two points but one, which is at the first."""
    from helpers.bodies import swaying_track

    track = swaying_track(len(xy), FPS)
    points = np.repeat(xy[:, 1:], track.pose.xy.shape[1], axis=1)
    points[:, 0] = xy[:, 0]
    return replace(track, pose=Pose(points.astype(np.float32), track.pose.confidence), time_s=time_s)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("noise_px", [0.5, 4.0])
def test_the_noise_is_measured_whatever_the_motion(swaying: Swaying, fps: float, noise_px: float) -> None:
    track = swaying(int(8 * fps), fps, noise_px=noise_px)
    found = measure_noise(track.pose.xy.astype(float), track.pose.confidence > 0, track.time_s)
    assert np.median(found) == pytest.approx(noise_px, rel=0.5)


def test_exact_points_are_hardly_changed() -> None:
    exact, _, time_s = _still_then_fast(0.0)
    assert _widths(exact, time_s)[130:, 1].mean() < 0.03
    xy = damp_jitter(_track(exact, time_s)).pose.xy[:, 1]
    assert np.abs(xy - exact[:, 1])[130:].max() < 1.0


def test_at_low_rates_one_kernel_is_used() -> None:
    _, noisy, time_s = _still_then_fast(2.0)
    slow_s = time_s * FPS / (MIN_RATE_HZ - 2)
    assert (_widths(noisy, slow_s) == FIXED_SIGMA_S).all()


def test_film_of_24_frames_that_is_shown_at_30_is_smoothed_as_well() -> None:
    """Without its repeated frames it has intervals of 1 and of 1.5 frames."""
    _, noisy, time_s = _still_then_fast(2.0)
    shown_s = np.cumsum(np.tile([1, 1, 1.5, 1.5], 60)) / FPS
    noise_px = measure_noise(noisy, np.ones(noisy.shape[:2], bool), shown_s)
    assert np.median(noise_px[: len(time_s) // 2]) == pytest.approx(2.0, rel=0.4)
    assert np.median(_widths(noisy, shown_s)[: len(time_s) // 2]) > 0.1


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6, 7, 40])
def test_a_few_frames_are_enough(frames: int) -> None:
    _, noisy, time_s = _still_then_fast(1.0)
    widths = _widths(noisy[:frames], time_s[:frames])
    assert widths.shape == (frames, 2)
    assert (widths >= SIGMAS_S[0]).all()
    assert (widths <= SIGMAS_S[-1]).all()
