"""Means, medians and parabolas over time, at the frames' own times: what all filters of a track are made of."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_BLOCK: Final = 4096
_RIDGE: Final = (1e-9, 1e-2, 1e-2)
"""With a single neighbor: a mean instead of an unstable curve."""


def gaussian(values: Array, time_s: Array, sigma_s: float) -> Array:
    """Gaussian mean over time of values [T], at the frames' own times."""
    total, norm = np.zeros_like(values), np.zeros_like(values)
    for closeness, neighbor in _neighbors(np.arange(len(time_s)), time_s, np.full((len(time_s), 1), sigma_s)):
        total += closeness[:, 0] * values[neighbor]
        norm += closeness[:, 0]
    return total / norm


def local_parabola(values: Array, weight: Array, time_s: Array, sigma_s: float | Array, widest_s: float | None = None) -> Array:
    """Local quadratic regression of values [T,K,C] over time, weighted by `weight` [T,K] and a Gaussian of `sigma_s`, one or
    [T,K]. widest_s: the largest width, if these are not all keypoints that are smoothed.

    A parabola follows the turning points of a move, which a mean cuts off (Savitzky and Golay, 1964; frames at uneven times).
    """
    return _fit(values, weight, time_s, sigma_s, widest_s)[0]


def local_parabola_with_noise(values: Array, weight: Array, time_s: Array, sigma_s: float) -> tuple[Array, Array]:
    """As `local_parabola`; also which fraction of white noise in the values is left in the result, [T,K]."""
    return _fit(values, weight, time_s, sigma_s)


def _fit(
    values: Array, weight: Array, time_s: Array, sigma_s: float | Array, widest_s: float | None = None
) -> tuple[Array, Array]:
    """The parabolas at all frames [T,K,C], and the norm of the weights that they give to the values, [T,K]."""
    width = np.broadcast_to(sigma_s, (len(values), 1)) if np.ndim(sigma_s) == 0 else np.asarray(sigma_s)
    smoothed, noise = values.copy(), np.ones(values.shape[:2])
    for block in blocks(len(values)):
        frames = np.arange(block.start, block.stop)
        # Sums of weights, and of squared weights, times powers 0 to 4 of the time; and of changes times powers 0 to 2.
        moments, squares = np.zeros((2, 5, len(frames), values.shape[1]))
        right = np.zeros((3, len(frames), values.shape[1], values.shape[2]))
        for closeness, neighbor in _neighbors(frames, time_s, width, widest_s):
            step = (time_s[neighbor] - time_s[frames])[:, None] / width[frames]
            powers = step ** np.arange(5)[:, None, None]
            share = closeness * weight[neighbor]
            moments += share * powers
            squares += share**2 * powers
            right += (share * powers[:3])[..., None] * (values[neighbor] - values[frames])
        first = _first_row_of_inverse(moments)
        smoothed[block] += (first[..., None] * right).sum(axis=0)
        variance = sum(first[i] * first[j] * squares[i + j] for i in range(3) for j in range(3))
        noise[block] = np.sqrt(np.maximum(variance, 0.0))
    return smoothed, noise


def _first_row_of_inverse(moments: Array) -> Array:
    """Of the symmetric 3x3 matrices of moments [5,...] with a ridge: [3,...]."""
    a, b, c = moments[0] + _RIDGE[0], moments[1], moments[2]
    d, e, f = moments[2] + _RIDGE[1], moments[3], moments[4] + _RIDGE[2]
    cofactors = np.stack([d * f - e * e, c * e - b * f, b * e - c * d])
    return np.asarray(cofactors / (a * cofactors[0] + b * cofactors[1] + c * cofactors[2]))


def _neighbors(
    frames: NDArray[np.int64], time_s: Array, sigma_s: Array, widest_s: float | None = None
) -> Iterator[tuple[Array, NDArray[np.int64]]]:
    """For each frame offset within three sigma ([T,K], the largest): Gaussian weight [N,K] in (0,1], 0 beyond the ends, and
    neighbor frames [N]."""
    reach = int(np.ceil(3 * (sigma_s.max() if widest_s is None else widest_s) * frame_rate(time_s)))
    for offset in range(-reach, reach + 1):
        neighbor = (frames + offset).clip(0, len(time_s) - 1)
        closeness = np.exp(-0.5 * ((time_s[neighbor] - time_s[frames])[:, None] / sigma_s[frames]) ** 2)
        yield np.where((neighbor == frames + offset)[:, None], closeness, 0.0), neighbor


def nan_median(values: Array) -> Array:
    """Median over the last axis without NaN; NaN where all values are NaN."""
    ordered = np.sort(values, axis=-1)  # NaN goes last
    count = np.isfinite(values).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0)[..., None].clip(max=values.shape[-1] - 1), axis=-1)
    return np.asarray(np.where(count > 0, (low + high)[..., 0] / 2, np.nan))


def nearest_in(increasing: Array | NDArray[np.int64], wanted: Array | NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices [T] of the increasing values [N], N > 0, that are nearest to wanted ones [T]; of two as near the smaller."""
    after = np.searchsorted(increasing, wanted).clip(max=len(increasing) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(increasing[before] - wanted) <= np.abs(increasing[after] - wanted)
    return np.asarray(np.where(is_before, before, after), np.int64)


def blocks(count: int, size: int = _BLOCK) -> Iterator[slice]:
    """Slices of a long track: values per frame and neighbor would not fit in memory for an hour of video."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def frame_rate(time_s: Array) -> float:
    """Frames a second, 30 for a single frame."""
    return float(1 / np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
