"""Slightly different crops of one region, and the mean of their masks: test-time augmentation, which steadies a detector.

What a landmark network finds moves by some tenths of a percent of the body with the position of its pixel grid. The crops are
fixed, not random, so that a video always gives the same track.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.regions import RotatedRect, pixels_to_unit
from dancenow.types import FloatArray


@dataclass(frozen=True)
class CropOffset:
    """How a crop differs from the region: shift as a fraction of its side, in its own axes; factor on its side; rotation."""

    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    turn_deg: float = 0.0


CROP_OFFSETS: Final[dict[int, tuple[CropOffset, ...]]] = {
    1: (CropOffset(),),
    2: (CropOffset(0.02, 0.02, 0.98, 3.0), CropOffset(-0.02, -0.02, 1.02, -3.0)),
    4: (
        CropOffset(0.02, 0.02, 0.97, 3.0),
        CropOffset(-0.02, 0.02, 1.0, -3.0),
        CropOffset(-0.02, -0.02, 1.02, 3.0),
        CropOffset(0.02, -0.02, 1.04, -3.0),
    ),
}
"""Number of crops -> their offsets, which cancel out on average."""


def offset_regions(roi: RotatedRect, num_crops: int) -> list[RotatedRect]:
    """The regions to crop in place of `roi`: itself alone if `num_crops` is 1."""
    return [_moved(roi, offset) for offset in CROP_OFFSETS[num_crops]]


def _moved(roi: RotatedRect, offset: CropOffset) -> RotatedRect:
    cos, sin = math.cos(roi.angle_rad), math.sin(roi.angle_rad)
    right_px, down_px = offset.right * roi.size_px, offset.down * roi.size_px
    return RotatedRect(
        roi.x_px + cos * right_px - sin * down_px,
        roi.y_px + sin * right_px + cos * down_px,
        roi.size_px * offset.scale,
        roi.angle_rad + math.radians(offset.turn_deg),
    )


def average_masks(logits: FloatArray, regions: Sequence[RotatedRect], roi: RotatedRect) -> FloatArray:
    """The mean of mask logits [N,M,M] of N regions, resampled to `roi`, float32 [M,M]; edges are continued beyond a region."""
    if len(regions) == 1:
        return np.asarray(logits[0], np.float32)
    size = logits.shape[1]
    to_frame = _square(roi.to_frame @ pixels_to_unit(size))
    total = np.zeros((size, size), np.float32)
    for own, region in zip(logits, regions, strict=True):
        to_crop = np.linalg.inv(_square(region.to_frame @ pixels_to_unit(size))) @ to_frame
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        total += cv2.warpAffine(own, to_crop[:2], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(total / len(regions), np.float32)


def _square(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([affine, [0.0, 0.0, 1.0]])
