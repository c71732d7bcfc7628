"""The edge of a cut-out, where the camera mixed the person with the background: left out, or with the colors further inside."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SOLID_ALPHA: Final = 200
"""From it on a px shows the person alone."""
_BLUR: Final = 0.5
"""Of the width of the edge: nearest colors form stripes; they are blurred."""


def without_edge(rgba: NDArray[np.uint8], edge_px: float) -> NDArray[np.uint8]:
    """A picture [h,w,4] with straight alpha, transparent up to `edge_px` inside of its edge."""
    side = 2 * round(edge_px) + 1
    solid = cv2.erode(_solid(rgba), np.ones((side, side), np.uint8))
    alpha = np.minimum(cv2.GaussianBlur(solid, (side, side), 0), rgba[..., 3])
    return np.asarray(np.dstack([rgba[..., :3], alpha]), np.uint8)


def with_inner_colors(rgba: NDArray[np.uint8], edge_px: float) -> NDArray[np.uint8]:
    """A picture [h,w,4] with straight alpha whose colors, from `edge_px` inside of its edge outward, are those of the nearest
    px further inside."""
    side = 2 * max(round(edge_px), 1) + 1
    inside = cv2.erode(_solid(rgba), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    if not inside.any():
        return rgba
    outside = np.where(inside, np.uint8(0), np.uint8(255))
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    index_of = np.zeros(int(labels.max()) + 1, np.int64)
    index_of[labels[inside]] = np.flatnonzero(inside)
    nearest = np.asarray(rgba[..., :3].reshape(-1, 3)[index_of[labels]], np.uint8)
    soft = cv2.GaussianBlur(nearest, (0, 0), _BLUR * edge_px)
    return np.asarray(np.dstack([np.where(inside[..., None], rgba[..., :3], soft), rgba[..., 3]]), np.uint8)


def _solid(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(rgba[..., 3] > SOLID_ALPHA, np.uint8(255), np.uint8(0))
