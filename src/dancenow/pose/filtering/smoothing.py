"""Smooth a whole pose track: reject outliers, fill short gaps, damp jitter, and keep fast moves.

Offline and without phase lag, after the confidence-aware smoothing of Everybody Dance Now (section 9, "keypoint smoothing").
Durations are in seconds and distances in body sizes, so that one setting serves 5 to 120 frames per second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering import adaptive_smoothing, left_right_swaps
from dancenow.pose.filtering.confidence import FILLED_CONFIDENCE
from dancenow.pose.filtering.local_regression import Array, blocks, frame_rate, gaussian, local_parabola, nan_median
from dancenow.skeleton import MIRROR, NUM_OPENPOSE
from dancenow.types import FloatArray, FrameStatus, Pose, PoseTrack

BODY_SIZE_SIGMA_S: Final = 0.5
"""Standard deviation of the Gaussian over a person's size in px."""

_GROUP, _GROUP_OF_LONG, _LONG_FRAMES = 7, 4, 30_000
"""Keypoints that are smoothed together, and of a track of so many frames, of which fewer fit in memory; fewer take longer."""
_BLOCK: Final = 1024
"""Frames whose keypoints are compared with their neighbors at once."""


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
    seen = track.pose.confidence > 0
    if not seen.any():
        return track
    size_px = body_size(track.pose, track.time_s)
    undo = left_right_swaps.swapped_frames(track.pose.xy, seen, track.time_s, size_px)
    xy, confidence, depth = (each.copy() for each in (track.pose.xy, track.pose.confidence, track.pose.depth))
    for array in (xy, confidence, depth, seen):
        array[undo] = array[undo][:, MIRROR]
    good = seen & ~_jumps(xy, seen, track.time_s, size_px, config)
    _fill((xy[..., 0], xy[..., 1], depth), confidence, good, track.time_s, config.max_gap_s)
    present = confidence > 0
    status = track.status.copy()
    status[(status == FrameStatus.MISSING) & present.any(axis=1)] = FrameStatus.FILLED
    for values in (xy, depth):
        values[~present] = 0
    return replace(track, pose=Pose(xy, confidence, depth), status=status)


def damp_jitter(track: PoseTrack, config: SmoothConfig = DEFAULT) -> PoseTrack:
    """The track with damped jitter. Depth is smoothed like the coordinates; keypoints of confidence 0 are unchanged."""
    pose, time_s = track.pose, track.time_s
    groups = list(blocks(pose.confidence.shape[1], _GROUP if len(pose) < _LONG_FRAMES else _GROUP_OF_LONG))
    widths_s = np.full(pose.confidence.shape if config.sigma_s is None else (len(pose), 1), config.sigma_s or 0.0)
    if config.sigma_s is None:
        for group in groups:
            places, weight = pose.xy[:, group].astype(np.float64), pose.confidence[:, group].astype(np.float64)
            widths_s[:, group] = adaptive_smoothing.choose_widths(places, weight, time_s)
    xy, depth = pose.xy.copy(), pose.depth.copy()
    for group in groups:
        values = np.concatenate([pose.xy[:, group], pose.depth[:, group, None]], axis=-1).astype(np.float64)
        weight = pose.confidence[:, group].astype(np.float64)
        sigma_s = widths_s if config.sigma_s is not None else widths_s[:, group]
        smoothed = local_parabola(values, weight, time_s, sigma_s, float(widths_s.max()))
        present = weight > 0
        np.copyto(xy[:, group], smoothed[..., :2], where=present[..., None], casting="same_kind")
        np.copyto(depth[:, group], smoothed[..., 2], where=present, casting="same_kind")
    return replace(track, pose=Pose(xy, pose.confidence, depth))


def smooth_lag_frames(config: SmoothConfig, fps: float) -> int:
    """Later frames, at most, that decide a frame's pose in `smooth`: for size, swapped sides, jumps, gaps and the kernel."""
    kernel_s = adaptive_smoothing.lag_s() if config.sigma_s is None else 3 * config.sigma_s
    lag_s = 3 * BODY_SIZE_SIGMA_S + left_right_swaps.LAG_S + config.jump_window_s + config.max_gap_s + kernel_s
    return math.ceil(lag_s * fps) + 4  # gaps and kernels are rounded up to whole frames


def body_size(pose: Pose, time_s: Array) -> Array:
    """float64 [T]: the longer side of the keypoints' bounding box in px, smoothed over about a second: the person's scale."""
    side, known = np.zeros(len(pose)), (pose.confidence[:, :NUM_OPENPOSE] > 0).any(axis=1)
    for frames in blocks(len(pose)):
        seen = (pose.confidence[frames] > 0)[:, :NUM_OPENPOSE, None]
        xy = pose.xy[frames, :NUM_OPENPOSE].astype(np.float64)
        low = np.where(seen, xy, np.inf).min(axis=1)
        high = np.where(seen, xy, -np.inf).max(axis=1)
        side[frames] = (high - low).max(axis=1)  # -inf where nobody is
    return gaussian(np.interp(time_s, time_s[known], side[known]), time_s, BODY_SIZE_SIGMA_S)


def _jumps(xy: FloatArray, seen: NDArray[np.bool_], time_s: Array, size_px: Array, config: SmoothConfig) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints that leave the median of their neighbors in time and come back, which is an error, not motion."""
    reach = int(config.jump_window_s * frame_rate(time_s))
    if reach < 1:
        return np.zeros_like(seen)
    jumps = np.zeros_like(seen)
    for block in blocks(len(xy), _BLOCK):
        around = slice(max(block.start - reach, 0), min(block.stop + reach, len(xy)))
        beyond = (reach - (block.start - around.start), reach - (around.stop - block.stop))
        known = np.where(seen[around, :, None], xy[around].astype(np.float64), np.nan)
        padded = np.pad(known, (beyond, (0, 0), (0, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
        padded_s = np.pad(time_s[around], beyond, constant_values=np.nan)
        windows_s = np.lib.stride_tricks.sliding_window_view(padded_s, 2 * reach + 1)
        near = np.abs(windows_s - time_s[block, None]) <= config.jump_window_s * 1.01
        median = nan_median(np.where(near[:, None, None], windows, np.nan))
        off_px = np.nan_to_num(np.linalg.norm(xy[block].astype(np.float64) - median, axis=-1))
        jumps[block] = seen[block] & (off_px > config.jump_size * size_px[block, None])
    return jumps


def _near_measured(good: NDArray[np.bool_], time_s: Array, max_gap_s: float) -> NDArray[np.bool_]:
    """bool [T]: frames of a keypoint between two good ones [T] that are at most `max_gap_s` (and one frame) apart."""
    index = np.where(good, np.arange(len(time_s)), -1)
    before = np.maximum.accumulate(index)
    index = np.where(good, index, len(time_s))
    after = np.minimum.accumulate(index[::-1])[::-1]
    inside = (before >= 0) & (after < len(time_s))
    gap_s = time_s[after.clip(max=len(time_s) - 1)] - time_s[before.clip(min=0)]
    return np.asarray(inside & (gap_s <= max_gap_s + 1.5 / frame_rate(time_s)))


def _fill(
    coordinates: Sequence[FloatArray], confidence: FloatArray, good: NDArray[np.bool_], time_s: Array, max_gap_s: float
) -> None:
    """Interpolate coordinates [T,K] in time in short gaps between good keypoints, with half the confidence of the neighbors, in
    place; elsewhere the confidence of what is not good becomes 0."""
    confidence[~good] = 0
    for k in np.flatnonzero(~good.all(axis=0)):
        known = good[:, k]
        holes = _near_measured(known, time_s, max_gap_s) & ~known
        if holes.any():
            for values in coordinates:
                values[holes, k] = np.interp(time_s[holes], time_s[known], values[known, k])
            confidence[holes, k] = FILLED_CONFIDENCE * np.interp(time_s[holes], time_s[known], confidence[known, k])
