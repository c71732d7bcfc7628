"""Smooth a whole pose track: reject outliers, fill short gaps, damp jitter, and keep fast moves.

Offline and without phase lag, after the confidence-aware smoothing of Everybody Dance Now (section 9, "keypoint smoothing").
Durations are in seconds and distances in body sizes, so that one setting serves 5 to 120 frames per second.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering import adaptive_smoothing, left_right_swaps
from dancenow.pose.filtering.confidence import FILLED_CONFIDENCE
from dancenow.pose.filtering.local_regression import Array, blocks, frame_rate, gaussian, local_parabola, nan_median
from dancenow.skeleton import MIRROR, NUM_OPENPOSE
from dancenow.types import FrameStatus, Pose, PoseTrack

BODY_SIZE_SIGMA_S: Final = 0.5
"""Standard deviation of the Gaussian over a person's size in px."""


@dataclass(frozen=True)
class SmoothConfig:
    """Settings of `smooth`: durations in seconds, distances as fractions of the body's size.

    max_gap_s: longest gap that is filled. jump_size: a keypoint further than this from the median of its neighbors within
    jump_window_s is an outlier. sigma_s: half-width of the smoothing kernel; None for one that adapts to the motion, which
    needs more frames than a live source has.
    """

    max_gap_s: float = 0.5
    jump_size: float = 0.07
    jump_window_s: float = 0.075
    sigma_s: float | None = None


DEFAULT: Final = SmoothConfig()


def smooth(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track repaired and with its jitter damped: see `repair` and `damp_jitter`."""
    repaired = repair(track, config)
    return repaired if repaired is track else damp_jitter(repaired, config)


def repair(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track with left-right swaps undone, outliers rejected and short gaps filled.

    Gaps up to `max_gap_s` are interpolated: FILLED, at half the confidence. Longer ones stay MISSING, with confidence 0 and
    coordinates 0. A track without anybody is returned as it is.
    """
    values = _values(track.pose)
    confidence = track.pose.confidence.astype(np.float64)
    seen = confidence > 0
    if not seen.any():
        return track
    size_px = body_size(track.pose, track.time_s)
    undo = left_right_swaps.swapped_frames(values[..., :2], seen, track.time_s, size_px)
    for array in (values, confidence, seen):
        array[undo] = array[undo][:, MIRROR]
    good = seen & ~_jumps(values[..., :2], seen, track.time_s, size_px, config)
    near = _near_measured(good, track.time_s, config.max_gap_s)
    filled, filled_confidence = _fill(values, confidence, good, near, track.time_s)
    present = filled_confidence > 0
    status = track.status.copy()
    status[(status == FrameStatus.MISSING) & present.any(axis=1)] = FrameStatus.FILLED
    filled[~present] = 0
    return replace(track, pose=_pose(filled, filled_confidence), status=status)


def damp_jitter(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track with damped jitter. Depth is smoothed like the coordinates; keypoints of confidence 0 are unchanged."""
    values, confidence = _values(track.pose), track.pose.confidence.astype(np.float64)
    if config.sigma_s is None:
        smoothed = adaptive_smoothing.smooth_adaptively(values, confidence, track.time_s)
    else:
        smoothed = local_parabola(values, confidence, track.time_s, config.sigma_s)
    return replace(track, pose=_pose(np.where(confidence[..., None] > 0, smoothed, values), confidence))


def _values(pose: Pose) -> Array:
    """x, y and depth, float64 [T,K,3]."""
    return np.concatenate([pose.xy, pose.depth[..., None]], axis=-1).astype(np.float64)


def _pose(values: Array, confidence: Array) -> Pose:
    return Pose(*(each.astype(np.float32) for each in (values[..., :2], confidence, values[..., 2])))


def smooth_lag_frames(config: SmoothConfig, fps: float) -> int:
    """Later frames, at most, that decide a frame's pose in `smooth`: for size, swapped sides, jumps, gaps and the kernel."""
    kernel_s = adaptive_smoothing.lag_s() if config.sigma_s is None else 3 * config.sigma_s
    lag_s = 3 * BODY_SIZE_SIGMA_S + left_right_swaps.LAG_S + config.jump_window_s + config.max_gap_s + kernel_s
    return math.ceil(lag_s * fps) + 4  # gaps and kernels are rounded up to whole frames


def body_size(pose: Pose, time_s: Array) -> Array:
    """float64 [T]: the longer side of the keypoints' bounding box in px, smoothed over about a second: the person's scale."""
    seen = (pose.confidence > 0)[:, :NUM_OPENPOSE, None]
    xy = pose.xy[:, :NUM_OPENPOSE].astype(np.float64)
    low = np.where(seen, xy, np.inf).min(axis=1)
    high = np.where(seen, xy, -np.inf).max(axis=1)
    known = seen.any(axis=(1, 2))
    side = np.interp(time_s, time_s[known], (high - low)[known].max(axis=1))
    return gaussian(side, time_s, BODY_SIZE_SIGMA_S)


def _jumps(xy: Array, seen: NDArray[np.bool_], time_s: Array, size_px: Array, config: SmoothConfig) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints that leave the median of their neighbors in time and come back, which is an error, not motion."""
    reach = int(config.jump_window_s * frame_rate(time_s))
    if reach < 1:
        return np.zeros_like(seen)
    padded = np.pad(np.where(seen[..., None], xy, np.nan), ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
    padded_s = np.pad(time_s, reach, constant_values=np.nan)
    off_px = np.empty(seen.shape)
    for block in blocks(len(xy)):
        around = slice(block.start, block.stop + 2 * reach)
        windows = np.lib.stride_tricks.sliding_window_view(padded[around], 2 * reach + 1, axis=0)
        windows_s = np.lib.stride_tricks.sliding_window_view(padded_s[around], 2 * reach + 1)
        near = np.abs(windows_s - time_s[block, None]) <= config.jump_window_s * 1.01
        median = nan_median(np.where(near[:, None, None], windows, np.nan))
        off_px[block] = np.linalg.norm(xy[block] - median, axis=-1)
    return np.asarray(seen & (np.nan_to_num(off_px) > config.jump_size * size_px[:, None]))


def _near_measured(good: NDArray[np.bool_], time_s: Array, max_gap_s: float) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints between two good ones that are at most `max_gap_s` (and one frame) apart."""
    index = np.where(good, np.arange(len(time_s))[:, None], -1)
    before = np.maximum.accumulate(index, axis=0)
    index = np.where(good, index, len(time_s))
    after = np.minimum.accumulate(index[::-1], axis=0)[::-1]
    inside = (before >= 0) & (after < len(time_s))
    gap_s = time_s[after.clip(max=len(time_s) - 1)] - time_s[before.clip(min=0)]
    return np.asarray(inside & (gap_s <= max_gap_s + 1.5 / frame_rate(time_s)))


def _fill(
    values: Array, confidence: Array, good: NDArray[np.bool_], near: NDArray[np.bool_], time_s: Array
) -> tuple[Array, Array]:
    """Interpolate [T,K,3] in time where `near` but not `good`, with half the confidence of the neighbors."""
    values, confidence = values.copy(), np.where(good, confidence, 0.0)
    for k in np.flatnonzero((near & ~good).any(axis=0)):
        holes, known = near[:, k] & ~good[:, k], good[:, k]
        for c in range(values.shape[2]):
            values[holes, k, c] = np.interp(time_s[holes], time_s[known], values[known, k, c])
        confidence[holes, k] = FILLED_CONFIDENCE * np.interp(time_s[holes], time_s[known], confidence[known, k])
    return values, confidence
