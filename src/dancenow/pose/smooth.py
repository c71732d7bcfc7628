"""Smoothing of a whole track: jumps out, short gaps filled, jitter damped, and fast moves left alone.

Offline and without lag, after the confidence-aware smoothing of Everybody Dance Now (section 9, "keypoint smoothing");
all lengths are in seconds and parts of the body's size, so that one setting serves 5 to 120 frames a second.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import NUM_OPENPOSE
from dancenow.types import FrameStatus, Pose, PoseTrack

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothConfig:
    """max_gap_s: longest gap that is filled. jump_size: a keypoint further than this part of the body's size from the median
    of its neighbours within jump_window_s is taken for an error. sigma_s: width of the smoothing kernel."""

    max_gap_s: float = 0.5
    jump_size: float = 0.07
    jump_window_s: float = 0.075
    sigma_s: float = 0.02


DEFAULT: Final = SmoothConfig()


def smooth(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track with outliers rejected, gaps up to `max_gap_s` filled (FILLED, at half the confidence) and jitter damped.

    Longer gaps stay MISSING, with confidence 0. Depth is treated as the coordinates are.
    """
    values = np.concatenate([track.pose.xy, track.pose.depth[..., None]], axis=-1).astype(np.float64)
    confidence = track.pose.confidence.astype(np.float64)
    seen = confidence > 0
    if not seen.any():
        return track
    size_px = body_size(track.pose, track.time_s)
    good = seen & ~_jumps(values[..., :2], seen, track.time_s, size_px, config)
    near = _near_measured(good, track.time_s, config.max_gap_s)
    filled, filled_confidence = _fill(values, confidence, good, near, track.time_s)
    smoothed = _gaussian(filled, filled_confidence, track.time_s, config.sigma_s)
    present = filled_confidence > 0
    status = track.status.copy()
    status[(status == FrameStatus.MISSING) & present.any(axis=1)] = FrameStatus.FILLED
    smoothed[~present] = 0
    pose = Pose(*(a.astype(np.float32) for a in (smoothed[..., :2], filled_confidence, smoothed[..., 2])))
    return replace(track, pose=pose, status=status)


def body_size(pose: Pose, time_s: Array) -> Array:
    """float64 [T]: the longer side of the keypoints' box in px, over about a second; a measure of the person's scale."""
    seen = (pose.confidence > 0)[:, :NUM_OPENPOSE, None]
    xy = pose.xy[:, :NUM_OPENPOSE].astype(np.float64)
    low = np.where(seen, xy, np.inf).min(axis=1)
    high = np.where(seen, xy, -np.inf).max(axis=1)
    known = seen.any(axis=(1, 2))
    side = np.interp(time_s, time_s[known], (high - low)[known].max(axis=1))
    return np.asarray(_gaussian(side[:, None, None], np.ones((len(side), 1)), time_s, 0.5)[:, 0, 0])


def _jumps(xy: Array, seen: NDArray[np.bool_], time_s: Array, size_px: Array, config: SmoothConfig) -> NDArray[np.bool_]:
    """Keypoints [T,K] that leave their neighbours' median and come back: errors, not movement."""
    reach = int(config.jump_window_s * _rate(time_s))
    if reach < 1:
        return np.zeros_like(seen)
    padded = np.pad(np.where(seen[..., None], xy, np.nan), ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    median = _nanmedian(windows)
    off = np.linalg.norm(xy - median, axis=-1)
    return np.asarray(seen & (np.nan_to_num(off) > config.jump_size * size_px[:, None]))


def _nanmedian(windows: Array) -> Array:
    """Median over the last axis, NaN left out; NaN where there is nothing."""
    ordered = np.sort(windows, axis=-1)  # NaN goes last
    count = np.isfinite(windows).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0)[..., None].clip(max=windows.shape[-1] - 1), axis=-1)
    return np.asarray(np.where(count > 0, (low + high)[..., 0] / 2, np.nan))


def _near_measured(good: NDArray[np.bool_], time_s: Array, max_gap_s: float) -> NDArray[np.bool_]:
    """[T,K]: whether a keypoint lies between two good ones that are at most `max_gap_s` (and one frame) apart."""
    index = np.where(good, np.arange(len(time_s))[:, None], -1)
    before = np.maximum.accumulate(index, axis=0)
    index = np.where(good, index, len(time_s))
    after = np.minimum.accumulate(index[::-1], axis=0)[::-1]
    inside = (before >= 0) & (after < len(time_s))
    gap_s = time_s[after.clip(max=len(time_s) - 1)] - time_s[before.clip(min=0)]
    return np.asarray(inside & (gap_s <= max_gap_s + 1.5 / _rate(time_s)))


def _fill(
    values: Array, confidence: Array, good: NDArray[np.bool_], near: NDArray[np.bool_], time_s: Array
) -> tuple[Array, Array]:
    """Interpolate [T,K,3] in time where `near` but not `good`, with half the confidence of the neighbours."""
    values, confidence = values.copy(), np.where(good, confidence, 0.0)
    for k in np.flatnonzero((near & ~good).any(axis=0)):
        holes, known = near[:, k] & ~good[:, k], good[:, k]
        for c in range(values.shape[2]):
            values[holes, k, c] = np.interp(time_s[holes], time_s[known], values[known, k, c])
        confidence[holes, k] = 0.5 * np.interp(time_s[holes], time_s[known], confidence[known, k])
    return values, confidence


def _gaussian(values: Array, weight: Array, time_s: Array, sigma_s: float) -> Array:
    """Weighted Gaussian mean over time of values [T,K,C] with weight [T,K], at the frames' own times."""
    reach = int(np.ceil(3 * sigma_s * _rate(time_s)))
    total, norm = np.zeros_like(values), np.zeros_like(weight)
    for offset in range(-reach, reach + 1):
        there = np.arange(len(time_s)) + offset
        inside = (there >= 0) & (there < len(time_s))
        there = there.clip(0, len(time_s) - 1)
        closeness = np.where(inside, np.exp(-0.5 * ((time_s[there] - time_s) / sigma_s) ** 2), 0.0)
        share = closeness[:, None] * weight[there]
        total += share[..., None] * values[there]
        norm += share
    return np.where(norm[..., None] > 1e-12, total / np.maximum(norm, 1e-12)[..., None], values)


def _rate(time_s: Array) -> float:
    return float(1 / np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
