"""Align an image with a key frame by all of its edges, not only its corners, to a fraction of a pixel.

The inverse compositional method (Baker and Matthews, 2004) on the pixels with the strongest gradients, with robust weights and
an unknown change of exposure. It works where walls offer no corners, and people who are missed by a mask have little weight.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.camera.homography import Homography, transform

_MAX_PIXELS: Final = 12_000
_BLUR_PX: Final = 1.2
_MIN_GRADIENT: Final = 1.5
"""Gray levels per px below which a pixel says nothing about motion."""
_MIN_PIXELS: Final = 300
_TILES: Final = 12
_ITERATIONS, _CONVERGED_PX = 12, 0.01
_TUKEY: Final = 4.7
_EDGE_TOLERANCE_PX: Final = 0.4
"""Beside the spread of the residuals, which plain walls make small: an edge is not an outlier because it moved a little."""
_MIN_SPREAD: Final = 1.5
"""Gray levels: residuals of noise and compression."""
_EXPLAINED_PX: Final = 1.0
"""A pixel is explained if its residual would vanish by a shift of this much."""
_DAMPING: Final = 1e-4
_PRIOR: Final = 3e-4
"""Weight of the prior for similarities, which decides where the visible background tells nothing: behind a large person."""
_NOT_SIMILAR: Final = np.array([
    [0, 0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 0, 1],
    [1, 0, 0, 0, -1, 0, 0, 0],
    [0, 1, 0, 1, 0, 0, 0, 0],
], np.float64)  # fmt: skip
"""The four combinations of the first eight entries of a homography that are 0 if it only shifts, turns and zooms a picture."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """homography: px of the key frame -> px of the image. visible: fraction of the key frame's pixels that the image shows.
    explained: fraction of these that agree."""

    homography: Homography
    visible: float
    explained: float


@dataclass(frozen=True, eq=False)
class AlignmentKey:
    """A key frame prepared for alignment: its pixels with strong gradients.

    points float64 [N,2] px; values, gradient float64 [N], [N,2] gray levels; slopes float64 [N,8] by the parameters of a
    homography in coordinates from -1 to 1.
    """

    index: int
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    gradient: NDArray[np.float64]
    slopes: NDArray[np.float64]
    normalize: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def is_textured(self) -> bool:
        """Whether it has enough edges to align anything with it."""
        return len(self.points) >= _MIN_PIXELS


def smooth(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An image as it is compared: a little blurred, float32 [h,w]."""
    return np.asarray(cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _BLUR_PX), np.float32)


def prepare_key(index: int, image: NDArray[np.float32], hidden: NDArray[np.bool_]) -> AlignmentKey:
    """Choose the pixels of a smoothed image, spread over its visible part. hidden: bool [h,w], not background."""
    height, width = image.shape
    gradient_x = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=1 / 8)
    gradient_y = cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=1 / 8)
    strength = np.where(hidden, 0, np.hypot(gradient_x, gradient_y))
    strength[[0, 1, -2, -1]] = 0
    strength[:, [0, 1, -2, -1]] = 0
    rows, columns = _strongest(strength)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    gradient = np.stack([gradient_x[rows, columns], gradient_y[rows, columns]], axis=1).astype(np.float64)
    half = max(height, width) / 2
    normalize = np.array([[1 / half, 0, -(width - 1) / 2 / half], [0, 1 / half, -(height - 1) / 2 / half], [0, 0, 1.0]])
    x, y = (points @ normalize[:2, :2].T + normalize[:2, 2]).T
    gx, gy = gradient.T * half  # by normalized coordinates
    toward = gx * x + gy * y
    slopes = np.stack([gx * x, gx * y, gx, gy * x, gy * y, gy, -toward * x, -toward * y], axis=1)
    values = image[rows, columns].astype(np.float64)
    return AlignmentKey(index, points, values, gradient, slopes, normalize, (height, width))


def align(key: AlignmentKey, image: NDArray[np.float32], hidden: NDArray[np.bool_], start: Homography) -> Alignment | None:
    """Align a smoothed image with a key frame; None if it fails. start: px of the key frame -> px of the image, roughly."""
    if not key.is_textured:
        return None
    homography = start.copy()
    inverse_normalize = np.linalg.inv(key.normalize)
    seen_map = np.where(hidden, 0, 255).astype(np.uint8)
    explained = visible_fraction = 0.0
    strength = np.linalg.norm(key.gradient, axis=1)
    for iteration in range(_ITERATIONS):
        places = transform(homography, key.points).astype(np.float32)
        visible = _sample(seen_map, places, cv2.INTER_NEAREST, 0) > 0
        if visible.sum() < _MIN_PIXELS:
            return None
        values, reference = _sample(image, places, cv2.INTER_LINEAR, 0)[visible].astype(np.float64), key.values[visible]
        residual, spread = _without_exposure(values, reference)
        scale = np.hypot(spread, _EDGE_TOLERANCE_PX * strength[visible])
        weights = np.square(np.maximum(1 - np.square(residual / (_TUKEY * scale)), 0))
        slopes = key.slopes[visible]
        weighted = slopes * weights[:, None]
        normal = weighted.T @ slopes
        normal += np.diag(_DAMPING * np.diag(normal) + 1e-6)
        normalized = key.normalize @ homography @ inverse_normalize
        excess = _NOT_SIMILAR @ (normalized / normalized[2, 2]).ravel()[:8]
        prior = _PRIOR * max(normal[0, 0], normal[4, 4]) * _NOT_SIMILAR.T  # a step lowers the entries, to first order
        step = np.linalg.solve(normal + prior @ _NOT_SIMILAR, weighted.T @ residual + prior @ excess)
        change = np.eye(3) + np.append(step, 0.0).reshape(3, 3)
        homography = homography @ inverse_normalize @ np.linalg.inv(change) @ key.normalize
        homography /= homography[2, 2]
        if not np.isfinite(homography).all() or abs(np.linalg.det(homography[:2, :2])) < 0.05:
            return None
        visible_fraction = float(visible.mean())
        explained = float((np.abs(residual) < _EXPLAINED_PX * strength[visible] + 2 * _MIN_SPREAD).mean())
        if np.abs(step).max() * max(key.shape) / 2 < _CONVERGED_PX and iteration:
            break
    return Alignment(homography, visible_fraction, explained)


def _without_exposure(values: NDArray[np.float64], reference: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Residuals after the best gain and offset, and their spread (robust)."""
    low_v, mid_v, high_v = np.percentile(values, (15, 50, 85))
    low_r, mid_r, high_r = np.percentile(reference, (15, 50, 85))
    gain = np.clip((high_r - low_r) / max(high_v - low_v, 1e-3), 0.5, 2.0)
    residual = (values - mid_v) * gain + mid_r - reference
    residual -= np.median(residual)
    return residual, max(_MIN_SPREAD, 1.4826 * float(np.median(np.abs(residual))))


def _sample(
    image: NDArray[np.uint8] | NDArray[np.float32], places: NDArray[np.float32], how: int, outside: float
) -> NDArray[np.float32]:
    """Values of an image at places [N,2] px; `outside` beyond it."""
    x, y = places[None, :, 0], places[None, :, 1]
    return np.asarray(cv2.remap(image, x, y, how, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)[0], np.float32)


def _strongest(strength: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The strongest pixels of each tile of the frame, so that no single pattern has all of them."""
    height, width = strength.shape
    rows, columns = [], []
    quota = _MAX_PIXELS // (_TILES * _TILES)
    for top in np.array_split(np.arange(height), _TILES):
        for left in np.array_split(np.arange(width), _TILES):
            tile = strength[top[0] : top[-1] + 1, left[0] : left[-1] + 1].ravel()
            kept = np.argpartition(tile, -min(quota, len(tile)))[-min(quota, len(tile)) :]
            kept = kept[tile[kept] > _MIN_GRADIENT]
            rows.append(top[0] + kept // len(left))
            columns.append(left[0] + kept % len(left))
    return np.concatenate(rows), np.concatenate(columns)
