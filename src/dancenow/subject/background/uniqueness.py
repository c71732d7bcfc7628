"""Find what a picture shows only once: an object, which must not be copied, unlike a texture or the edge of a wall."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shift_proposals import (
    SIDE_PX,
    describe_patches,
    nearest_elsewhere,
    principal_components,
    whole_patches,
)
from dancenow.types import FloatArray

_SCALE: Final = 0.5
"""Of the picture in which patches are compared: they are larger than those by which shifts are found."""
_APART_PX: Final = 2 * SIDE_PX
"""Least distance between patches that are compared, in the shrunken picture."""
_STEP_PX: Final = 2
_MAX_STOCK: Final = 8000


def measure_uniqueness(features: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """The squared difference between the patch around each pixel and the most similar one elsewhere, float32 [H,W].

    features: float32 [H,W,C], see `shift_proposals.features_of`. known: bool [H,W]; elsewhere the result is 0.
    """
    height, width = known.shape
    size = max(1, round(width * _SCALE)), max(1, round(height * _SCALE))
    small = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in np.moveaxis(features, 2, 0)], axis=2)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    whole = whole_patches(share > 0.999)
    if not whole.any():
        return np.zeros(known.shape, np.float32)
    compared = np.zeros_like(whole)
    compared[::_STEP_PX, ::_STEP_PX] = whole[::_STEP_PX, ::_STEP_PX]
    queries, stock = np.argwhere(compared), np.argwhere(whole)
    stock = stock[:: max(1, len(stock) // _MAX_STOCK)]
    basis = principal_components(small, stock)
    described, wanted = (describe_patches(small, each, basis) for each in (stock, queries))
    found, difference = np.zeros(size[::-1], np.float32), np.zeros(len(queries), np.float32)
    for part, _, squared in nearest_elsewhere(described, stock, wanted, queries, _APART_PX):
        difference[part] = squared
    found[compared] = np.where(np.isfinite(difference), np.maximum(difference, 0), 0)
    covered = cv2.dilate(compared.astype(np.uint8), np.ones((SIDE_PX, SIDE_PX), np.uint8)) > 0
    found, beyond = (cv2.dilate(found, np.ones((side, side), np.uint8)) for side in (SIDE_PX, 3 * SIDE_PX))
    found = np.where(covered, found, beyond)  # no whole patch lies there
    return np.where(known, cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), 0).astype(np.float32)
