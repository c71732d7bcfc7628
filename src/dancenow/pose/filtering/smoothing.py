"""Smooth a whole pose track: reject outliers, fill short gaps, damp jitter, and keep fast moves.

Offline and without phase lag, after the confidence-aware smoothing of Everybody Dance Now (section 9, "keypoint smoothing").
Durations are in seconds and distances in body sizes, so that one setting serves 5 to 120 frames per second.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering import left_right_swaps
from dancenow.pose.filtering.confidence import FILLED_CONFIDENCE
from dancenow.skeleton import MIRROR, NUM_OPENPOSE
from dancenow.types import FrameStatus, Pose, PoseTrack

Array = NDArray[np.float64]
_BLOCK: Final = 4096


JITTER_SIGMA_S: Final = 0.06
"""Half-width in seconds of the kernel that damps the jitter which `smooth` leaves: it moves the whole body, and most of the
flicker in rendered video comes from it."""
BODY_SIZE_SIGMA_S: Final = 0.5
"""Standard deviation of the Gaussian over a person's size in px."""


@dataclass(frozen=True)
class SmoothConfig:
    """Settings of `smooth`: durations in seconds, distances as fractions of the body's size.

    max_gap_s: longest gap that is filled. jump_size: a keypoint further than this from the median of its neighbors within
    jump_window_s is an outlier. sigma_s: half-width of the smoothing kernel. At 0.035 rendered people have no more jitter than
    the ground truth (1.4 times as much without), and their fastest moves are slightly more accurate; from 0.05 they blunt.
    """

    max_gap_s: float = 0.5
    jump_size: float = 0.07
    jump_window_s: float = 0.075
    sigma_s: float = 0.035


DEFAULT: Final = SmoothConfig()


def smooth(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track with left-right swaps undone, outliers rejected, short gaps filled and jitter damped.

    Gaps up to `max_gap_s` are interpolated: FILLED, at half the confidence. Longer ones stay MISSING, with confidence 0 and
    coordinates 0. Depth is smoothed like the coordinates.
    """
    values = np.concatenate([track.pose.xy, track.pose.depth[..., None]], axis=-1).astype(np.float64)
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
    smoothed = local_parabola(filled, filled_confidence, track.time_s, config.sigma_s)
    present = filled_confidence > 0
    status = track.status.copy()
    status[(status == FrameStatus.MISSING) & present.any(axis=1)] = FrameStatus.FILLED
    smoothed[~present] = 0
    pose = Pose(*(a.astype(np.float32) for a in (smoothed[..., :2], filled_confidence, smoothed[..., 2])))
    return replace(track, pose=pose, status=status)


def smooth_jitter(track: PoseTrack, sigma_s: float = JITTER_SIGMA_S) -> PoseTrack:
    """The track with jitter damped by a kernel of half-width `sigma_s`; keypoints of confidence 0 are unchanged."""
    pose = track.pose
    values = np.concatenate([pose.xy, pose.depth[..., None]], axis=-1).astype(np.float64)
    smoothed = local_parabola(values, pose.confidence.astype(np.float64), track.time_s, sigma_s)
    kept = np.asarray(np.where(pose.confidence[..., None] > 0, smoothed, values), np.float32)
    return replace(track, pose=Pose(kept[..., :2], pose.confidence, kept[..., 2]))


def smooth_jitter_lag_frames(sigma_s: float, fps: float) -> int:
    """Later frames that decide a frame's pose in `smooth_jitter`."""
    return math.ceil(3 * sigma_s * fps)


def smooth_lag_frames(config: SmoothConfig, fps: float) -> int:
    """Later frames, at most, that decide a frame's pose in `smooth`: for size, swapped sides, jumps, gaps and the kernel."""
    lag_s = 3 * BODY_SIZE_SIGMA_S + left_right_swaps.LAG_S + config.jump_window_s + config.max_gap_s + 3 * config.sigma_s
    return math.ceil(lag_s * fps) + 3  # gaps and both kernels are rounded up to whole frames


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
    reach = int(config.jump_window_s * _rate(time_s))
    if reach < 1:
        return np.zeros_like(seen)
    padded = np.pad(np.where(seen[..., None], xy, np.nan), ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
    padded_s = np.pad(time_s, reach, constant_values=np.nan)
    off_px = np.empty(seen.shape)
    for block in _blocks(len(xy)):
        around = slice(block.start, block.stop + 2 * reach)
        windows = np.lib.stride_tricks.sliding_window_view(padded[around], 2 * reach + 1, axis=0)
        windows_s = np.lib.stride_tricks.sliding_window_view(padded_s[around], 2 * reach + 1)
        near = np.abs(windows_s - time_s[block, None]) <= config.jump_window_s * 1.01
        median = _nanmedian(np.where(near[:, None, None], windows, np.nan))
        off_px[block] = np.linalg.norm(xy[block] - median, axis=-1)
    return np.asarray(seen & (np.nan_to_num(off_px) > config.jump_size * size_px[:, None]))


def _nanmedian(windows: Array) -> Array:
    """Median over the last axis without NaN; NaN where all values are NaN."""
    ordered = np.sort(windows, axis=-1)  # NaN goes last
    count = np.isfinite(windows).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0)[..., None].clip(max=windows.shape[-1] - 1), axis=-1)
    return np.asarray(np.where(count > 0, (low + high)[..., 0] / 2, np.nan))


def _near_measured(good: NDArray[np.bool_], time_s: Array, max_gap_s: float) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints between two good ones that are at most `max_gap_s` (and one frame) apart."""
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
    """Interpolate [T,K,3] in time where `near` but not `good`, with half the confidence of the neighbors."""
    values, confidence = values.copy(), np.where(good, confidence, 0.0)
    for k in np.flatnonzero((near & ~good).any(axis=0)):
        holes, known = near[:, k] & ~good[:, k], good[:, k]
        for c in range(values.shape[2]):
            values[holes, k, c] = np.interp(time_s[holes], time_s[known], values[known, k, c])
        confidence[holes, k] = FILLED_CONFIDENCE * np.interp(time_s[holes], time_s[known], confidence[known, k])
    return values, confidence


def gaussian(values: Array, time_s: Array, sigma_s: float) -> Array:
    """Gaussian mean over time of values [T], at the frames' own times."""
    total, norm = np.zeros_like(values), np.zeros_like(values)
    for closeness, neighbor in _neighbors(np.arange(len(time_s)), time_s, sigma_s):
        total += closeness * values[neighbor]
        norm += closeness
    return total / norm


def local_parabola(values: Array, weight: Array, time_s: Array, sigma_s: float) -> Array:
    """Local quadratic regression of values [T,K,C] over time, weighted by `weight` [T,K] and a Gaussian of `sigma_s`.

    A parabola follows the turning points of a move, which a mean cuts off (Savitzky and Golay, 1964; frames at uneven times).
    """
    out = values.copy()
    ridge = np.diag([1e-9, 1e-2, 1e-2])  # with a single neighbor: a mean instead of an unstable curve
    for block in _blocks(len(values)):
        frames = np.arange(block.start, block.stop)
        normal = np.zeros((len(frames), values.shape[1], 3, 3)) + ridge
        right = np.zeros((len(frames), values.shape[1], 3, values.shape[2]))
        for closeness, neighbor in _neighbors(frames, time_s, sigma_s):
            powers = ((time_s[neighbor] - time_s[frames]) / sigma_s)[:, None] ** np.arange(3)
            share = closeness[:, None] * weight[neighbor]
            normal += share[..., None, None] * (powers[:, :, None] * powers[:, None, :])[:, None]
            change = values[neighbor] - values[frames]
            right += (share[..., None] * change)[:, :, None, :] * powers[:, None, :, None]
        out[block] += np.linalg.solve(normal, right)[:, :, 0]
    return out


def _neighbors(frames: NDArray[np.int64], time_s: Array, sigma_s: float) -> Iterator[tuple[Array, NDArray[np.int64]]]:
    """For each frame offset within three sigma: Gaussian weight [N] in (0,1], 0 beyond the ends, and neighbor frames [N]."""
    reach = int(np.ceil(3 * sigma_s * _rate(time_s)))
    for offset in range(-reach, reach + 1):
        neighbor = (frames + offset).clip(0, len(time_s) - 1)
        closeness = np.exp(-0.5 * ((time_s[neighbor] - time_s[frames]) / sigma_s) ** 2)
        yield np.where(neighbor == frames + offset, closeness, 0.0), neighbor


def _blocks(count: int) -> Iterator[slice]:
    """Slices of a long track: values per frame and neighbor would not fit in memory for an hour of video."""
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def _rate(time_s: Array) -> float:
    return float(1 / np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
