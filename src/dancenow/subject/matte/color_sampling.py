"""Spread colors and values from pixels where they are certain to those where they are not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray


def disc(radius_px: float) -> NDArray[np.uint8]:
    """A round structuring element of at least 3x3 px."""
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def nearest_colors(image: FloatArray, certain: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Give every pixel the color of the nearest `certain` one, averaged over its certain neighbors.

    image: [h,w,3]; at least one pixel must be certain. Returns the colors [h,w,3] and the distances [h,w] in px.
    """
    distance_px, labels = cv2.distanceTransformWithLabels(
        (~certain).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at = np.flatnonzero(certain)
    position = np.zeros(int(labels.max()) + 1, np.int64)
    position[labels.ravel()[at]] = at
    weight = certain.astype(np.float32)
    smooth = cv2.blur(image * weight[..., None], (3, 3)) / np.maximum(cv2.blur(weight, (3, 3)), 1e-3)[..., None]
    return np.asarray(smooth.reshape(-1, 3)[position[labels]], np.float32), np.asarray(distance_px, np.float32)


def spread(values: FloatArray, weight: FloatArray, sigma_px: float, otherwise: float | FloatArray = 0.0) -> FloatArray:
    """Average `values` [h,w] or [h,w,C] with a Gaussian, counting each as much as its weight [h,w].

    otherwise: what is taken far from every weight. Computed on a smaller grid.
    """
    height, width = weight.shape
    step = max(1, int(sigma_px / 2))
    size = (max(1, width // step), max(1, height // step))
    is_color = values.ndim == 3
    planes = np.dstack([values * (weight[..., None] if is_color else weight), weight])
    small = cv2.GaussianBlur(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), (0, 0), sigma_px / step)
    few = np.float32(0.02)
    mean = (small[..., :-1] + few * np.float32(otherwise)) / (small[..., -1:] + few)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def sample_grid(grid: FloatArray, rows: NDArray[np.int64], columns: NDArray[np.int64], step: int) -> FloatArray:
    """Interpolate a coarse grid [h,w,C] linearly at places of a fine one, whose px are 1/step as large: [C,N]."""
    height, width, channels = grid.shape
    y, x = ((each.astype(np.float32) + np.float32(0.5)) / step - np.float32(0.5) for each in (rows, columns))
    top, left = (np.floor(each).astype(np.int64) for each in (y, x))
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    flat = grid.reshape(-1, channels)
    total = np.zeros((channels, len(rows)), np.float32)
    for dy, share_y in ((0, 1 - down), (1, down)):
        for dx, share_x in ((0, 1 - right), (1, right)):
            at = np.clip(top + dy, 0, height - 1) * width + np.clip(left + dx, 0, width - 1)
            total += flat[at].T * (share_y * share_x)
    return total
