"""Smooth each keypoint over as long a time as its motion allows: long where it is slow, short where it is fast.

A kernel of one width either blunts fast moves or lets a standing person shiver. Here several widths are tried for each keypoint
and frame, from narrow to wide, as long as their results differ by no more than the detector's noise: the intersection of
confidence intervals (Goldenshluger and Nemirovski, 1997; Katkovnik, 1999). The noise is measured in the track itself.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import (
    Array,
    blocks,
    frame_rate,
    gaussian,
    local_parabola_with_noise,
    nan_median,
)

SIGMAS_S: Final = (0.02, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2)
"""Half-widths of the kernels that are tried."""
TOLERANCE: Final = 1.0
"""In standard deviations of what noise is left in a result: how far another width may be from it. Larger ones blunt moves."""
MIN_RATE_HZ: Final = 20.0
"""At lower frame rates fast motion cannot be told from noise."""
FIXED_SIGMA_S: Final = 0.05
"""Half-width of the kernel where that is so, or where a track is too short or too uneven to measure its noise."""
_EVEN_SIGMA_S: Final = 0.08
"""Widths are averaged over this time: a kernel that changes from frame to frame shivers itself."""
_NOISE_WINDOW_S: Final = 3.0
"""On either side: noise is a median over so many frames that most of them show no fast move."""
_NOISE_STEP_S: Final = 0.5
"""Between two such medians."""
_ORDER: Final = 5
"""Of the differences that show noise: third ones still show fast moves."""
_MOST_UNEVEN: Final = 3.0
"""Largest over smallest interval between the frames of a difference, up to which it shows noise."""
_MEDIAN_OF_DISTANCE: Final = 1.177
"""Median of the length of a two-dimensional normal variable of standard deviation 1 (Rayleigh distribution)."""


def lag_s() -> float:
    """Seconds of later frames that decide a frame's values."""
    return 3 * SIGMAS_S[-1] + 3 * _EVEN_SIGMA_S + _NOISE_STEP_S + _NOISE_WINDOW_S


def choose_widths(xy: Array, weight: Array, time_s: Array) -> Array:
    """The kernel's half-width in seconds for each frame and keypoint, [T,K], each of them by itself.

    xy: [T,K,2] px. weight: [T,K], of each in what is smoothed. time_s: [T], increasing.
    """
    if frame_rate(time_s) < MIN_RATE_HZ:
        return np.full(weight.shape, FIXED_SIGMA_S)
    level, agrees = np.zeros(weight.shape, np.uint8), np.ones(weight.shape, np.bool_)
    noise_px = measure_noise(xy, weight > 0, time_s)
    low, high = np.full_like(xy, -np.inf), np.full_like(xy, np.inf)
    for index, sigma_s in enumerate(SIGMAS_S):
        smoothed, left = local_parabola_with_noise(xy, weight, time_s, sigma_s)
        reach_px = (TOLERANCE * np.nan_to_num(noise_px) * left)[..., None]
        np.maximum(low, smoothed - reach_px, out=low)
        smoothed += reach_px
        np.minimum(high, smoothed, out=high)
        agrees &= (low <= high).all(axis=-1)
        level[agrees] = index
        del smoothed, left, reach_px  # before the next ones are made
    del low, high
    even = np.stack([gaussian(each.astype(np.float64), time_s, _EVEN_SIGMA_S) for each in level.T], axis=1)
    widths_s = np.exp(np.interp(even, np.arange(len(SIGMAS_S)), np.log(SIGMAS_S)))
    return np.asarray(np.where(np.isnan(noise_px), FIXED_SIGMA_S, widths_s))


def measure_noise(xy: Array, seen: NDArray[np.bool_], time_s: Array) -> Array:
    """Standard deviation of a detector's noise in xy [T,K,2] along each axis in px, [T,K]; NaN if unknown.

    The median length of high differences over some seconds; a smooth move has small ones. seen: [T,K].
    """
    if len(xy) <= _ORDER:
        return np.full(seen.shape, np.nan)
    windows_s = sliding_window_view(time_s, _ORDER + 1)
    step_s = np.diff(windows_s, axis=1)
    even = step_s.max(axis=1) < _MOST_UNEVEN * step_s.min(axis=1)
    known = sliding_window_view(seen, _ORDER + 1, axis=0).all(axis=-1) & even[:, None]
    windows_px, length_px = sliding_window_view(xy, _ORDER + 1, axis=0), np.empty(known.shape)
    for block in blocks(len(known)):
        differences = np.einsum("tkcw,tw->tkc", windows_px[block], _difference_weights(windows_s[block]))
        length_px[block] = np.where(known[block], np.linalg.norm(differences, axis=-1), np.nan)
    at_s, centers_s = windows_s.mean(axis=1), np.arange(time_s[0], time_s[-1] + _NOISE_STEP_S, _NOISE_STEP_S)
    first, last = (np.searchsorted(at_s, centers_s + side * _NOISE_WINDOW_S).tolist() for side in (-1, 1))
    nothing = np.full(xy.shape[1], np.nan)
    medians = np.stack([nan_median(length_px[a:b].T) if a < b else nothing for a, b in zip(first, last, strict=True)])
    medians = np.where(np.isnan(medians), nan_median(length_px.T), medians) / _MEDIAN_OF_DISTANCE
    return np.stack([np.interp(time_s, centers_s, each) for each in medians.T], axis=1)


def _difference_weights(windows_s: Array) -> Array:
    """Weights [N,W] of divided differences at times [N,W], whatever their intervals: noise of 1 px has a difference of 1 px."""
    apart = windows_s[:, :, None] - windows_s[:, None, :] + np.eye(windows_s.shape[1])
    weights = 1 / apart.prod(axis=2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True))
