"""Find the few shifts by which the seen background resembles itself: from places a shift away, a hole can be filled.

After He and Sun, "Statistics of patch offsets for image completion" (2012): similar patches of a picture lie at few distances
from each other, which form peaks in a histogram. Structured patches near the hole count most: flat ones resemble anything.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

RADIUS_PX: Final = 3
"""Of a patch."""
SIDE_PX: Final = 2 * RADIUS_PX + 1
_COMPONENTS: Final = 20
_FIT_PATCHES: Final = 4000
_QUERIES: Final = 2000
_MAX_SOURCES: Final = 40_000
_REACH: Final = 1.0
"""Patches this near to the hole are looked up, in sizes of the hole."""
_MIN_SHIFT: Final = 0.2
"""Least shift, in sizes of the hole: a patch always resembles itself shifted a little."""
_CANDIDATES: Final = 500
_SAMPLED_HOLE_PX: Final = 800

Shifts = NDArray[np.int32]
"""int32 [K,2]: (y, x) from a pixel to the one that is copied to it."""


def features_of(image_rgb: ImageRGB) -> FloatArray:
    """What seams are judged by: CIELAB and the two derivatives of the lightness, float32 [H,W,5]."""
    lab = cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    light = np.ascontiguousarray(lab[..., 0])
    slopes = [cv2.Sobel(light, cv2.CV_32F, dx, 1 - dx, scale=0.25) for dx in (1, 0)]
    return np.concatenate([lab, *(slope[..., None] for slope in slopes)], axis=2)


def whole_patches(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the patch around a pixel is known and one pixel more, since the rim may show some of the person: bool [H,W]."""
    unknown = cv2.copyMakeBorder((~known).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    hidden = np.asarray(cv2.dilate(unknown, np.ones((SIDE_PX + 2, SIDE_PX + 2), np.uint8)))[1:-1, 1:-1] > 0
    whole = np.zeros(known.shape, bool)
    inner = np.s_[RADIUS_PX:-RADIUS_PX, RADIUS_PX:-RADIUS_PX]
    whole[inner] = ~hidden[inner]
    return whole


def propose_shifts(features: FloatArray, known: NDArray[np.bool_], sources: NDArray[np.bool_], count: int) -> Shifts:
    """Propose at most `count` shifts, best first, that lead from the hole to `sources`, bool [H,W], and suit what is around."""
    hole = ~known
    size_px = float(np.sqrt(hole.sum()))
    votes = _vote(features, known, sources, size_px)
    histogram = np.asarray(cv2.GaussianBlur(votes, (0, 0), 1.0), np.float32)
    y, x = np.nonzero((histogram == cv2.dilate(histogram, np.ones((5, 5), np.uint8))) & (histogram > 0))
    strength = histogram[y, x]
    order = np.argsort(-strength, kind="stable")[:_CANDIDATES]
    shifts = np.stack([y[order] - known.shape[0], x[order] - known.shape[1]], axis=1).astype(np.int32)
    pixels = np.argwhere(hole)
    pixels = pixels[:: max(1, len(pixels) // _SAMPLED_HOLE_PX)]
    return _most_useful(shifts, strength[order], lands_in(sources, pixels, shifts), count)


def lands_in(sources: NDArray[np.bool_], pixels: NDArray[np.int64], shifts: Shifts) -> NDArray[np.bool_]:
    """Whether each pixel [N,2] (y, x), moved by each shift, lies in `sources`: bool [K,N]."""
    moved = pixels[None] + shifts[:, None]
    inside = np.asarray(((moved >= 0) & (moved < sources.shape)).all(axis=2))
    y, x = np.where(inside[..., None], moved, 0).transpose(2, 0, 1)
    return np.asarray(inside & sources[y, x], np.bool_)


def _vote(features: FloatArray, known: NDArray[np.bool_], sources: NDArray[np.bool_], size_px: float) -> FloatArray:
    """Histogram [2H+1,2W+1] of the shifts from patches near the hole to the patches most similar to them."""
    height, width = known.shape
    stock = np.argwhere(sources)
    stock = stock[:: max(1, len(stock) // _MAX_SOURCES)]
    distance_px = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    queries = np.argwhere(sources & (distance_px < _REACH * size_px))
    queries = queries[:: max(1, len(queries) // _QUERIES)]
    if not len(queries):  # nothing near the hole was filmed
        return np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    basis = principal_components(features, stock)
    described, wanted = (describe_patches(features, each, basis) for each in (stock, queries))
    weight = np.sqrt((wanted[:, :_COMPONENTS] ** 2).sum(axis=1)) + np.float32(0.1)
    weight *= np.exp(-distance_px[queries[:, 0], queries[:, 1]] * np.float32(2 / size_px))
    least_px = max(SIDE_PX, _MIN_SHIFT * size_px)
    votes = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    for part, nearest, _ in nearest_elsewhere(described, stock, wanted, queries, least_px):
        shift = stock[nearest] - queries[part]
        for sign in (1, -1):  # what resembles is resembled
            np.add.at(votes, (height + sign * shift[:, 0], width + sign * shift[:, 1]), weight[part])
    return votes


def _most_useful(shifts: Shifts, strength: FloatArray, lands: NDArray[np.bool_], count: int) -> Shifts:
    """Choose strong shifts, one by one, so that every pixel of the hole has several: what it has counts the less."""
    covered = np.zeros(lands.shape[1], np.float32)
    left, chosen = strength.copy(), []
    for _ in range(min(count, len(shifts))):
        gain = left * (lands / (1 + covered)).mean(axis=1)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        chosen.append(best)
        left[best] = 0
        covered += lands[best]
    return shifts[chosen]


def nearest_elsewhere(
    described: FloatArray, stock: NDArray[np.int64], wanted: FloatArray, queries: NDArray[np.int64], least_px: float
) -> Iterator[tuple[slice, NDArray[np.int64], FloatArray]]:
    """For a part of the queries at a time, the patch of the stock most similar to each, at least `least_px` away.

    described, wanted: float32 [S,D], [Q,D], the patches around `stock` [S,2] and `queries` [Q,2]. Yields the part, numbers in
    the stock, and squared differences, infinite if there is no patch so far away.
    """
    squares = (described**2).sum(axis=1)
    for start in range(0, len(queries), 256):
        part = slice(start, start + 256)
        cost = squares - 2 * (wanted[part] @ described.T)
        cost[(np.abs(stock[None] - queries[part][:, None]) < least_px).all(axis=2)] = np.inf
        yield part, np.asarray(cost.argmin(axis=1)), cost.min(axis=1) + (wanted[part] ** 2).sum(axis=1)


def principal_components(features: FloatArray, centers: NDArray[np.int64]) -> FloatArray:
    """The first principal components of the patches around `centers` [N,2], one per column."""
    patches = _patches(features, centers[:: max(1, len(centers) // _FIT_PATCHES)])
    flat = (patches - patches.mean(axis=2, keepdims=True)).reshape(len(patches), -1)
    vectors = np.linalg.eigh(flat.T @ flat)[1]
    return np.ascontiguousarray(vectors[:, : -_COMPONENTS - 1 : -1], np.float32)


def describe_patches(features: FloatArray, centers: NDArray[np.int64], basis: FloatArray) -> FloatArray:
    """The principal components of the patches around `centers` [N,2], then their mean color, which light may change."""
    parts = []
    for chunk in np.array_split(centers, len(centers) // 10_000 + 1):
        patches = _patches(features, chunk)
        means = patches.mean(axis=2)
        detail = (patches - means[:, :, None]).reshape(len(chunk), -1) @ basis / np.float32(SIDE_PX)
        parts.append(np.concatenate([detail, np.float32(0.7) * means[:, :3]], axis=1))
    return np.concatenate(parts)


def _patches(features: FloatArray, centers: NDArray[np.int64]) -> FloatArray:
    """Copy the patches around `centers`, [N,2] (y, x): [N,C,SIDE*SIDE]."""
    windows = sliding_window_view(features, (SIDE_PX, SIDE_PX), axis=(0, 1))
    y, x = centers.T - RADIUS_PX
    return np.asarray(windows[y, x].reshape(len(centers), features.shape[2], -1), np.float32)
