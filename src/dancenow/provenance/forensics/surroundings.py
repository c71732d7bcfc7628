"""The surroundings of a person in a sample, and how the body differs from them.

Body and surroundings passed through the same camera and the same encoder, so that what both show is no sign of a synthesized
person. What a picture shows of detail and noise is measured as a ratio of the two.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

MIN_SURROUNDINGS: Final = 0.03
"""Smaller fractions of the image are not judged."""
_CLEARANCE = 6
"""Between the drawn body and its surroundings, in pixels of the body map: clothes and hair are wider than the drawing."""
_EDGE = 2
"""Half the width of the body's edge, in pixels of the body map."""
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 1.0, 2.0
_LEAST_LEVEL: Final = 0.05
"""Added to levels of 255 before a ratio: less than this is not seen in 8 bits."""
_FLAT_FRACTION: Final = 0.5
"""Noise is measured in this fraction of the pixels, those with the least structure."""


def surroundings_map(images: NDArray[np.uint8], body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The surroundings uint8 [S/4,S/4], 255 beside the body and within the frame, from a pair uint8 [2,S,S,3] and its body map
    uint8 [S/4,S/4]."""
    side = 2 * _CLEARANCE + 1
    around = np.asarray(cv2.dilate(body, np.ones((side, side), np.uint8)), np.uint8)
    stride = images.shape[1] // len(body)
    top, bottom = _filled(images[0])
    left, right = _filled(images[0].swapaxes(0, 1))
    inside = np.zeros_like(body)
    inside[-(-top // stride) : bottom // stride, -(-left // stride) : right // stride] = 255
    return np.asarray(np.where(around > 127, 0, inside), np.uint8)


def _filled(image: NDArray[np.uint8]) -> tuple[int, int]:
    """First and last row (exclusive) of an image [H,W,3] before its first or last row is only repeated, as beyond a frame."""
    changes = np.flatnonzero((image[1:] != image[:-1]).any(axis=(1, 2)))
    return (int(changes[0]), int(changes[-1]) + 2) if len(changes) else (0, 0)


def edge_map(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outline of a body map uint8 [S/4,S/4], 255 near its edge."""
    square = np.ones((2 * _EDGE + 1, 2 * _EDGE + 1), np.uint8)
    return np.asarray(cv2.dilate(body, square) - cv2.erode(body, square), np.uint8)


def pool_patches(logits: FloatArray, where: NDArray[np.uint8]) -> float:
    """The mean of patch logits [h,w] over a map uint8 [S/4,S/4]; NaN if the map covers less than `MIN_SURROUNDINGS`."""
    weight = cv2.resize(where, logits.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    if float(weight.mean()) < MIN_SURROUNDINGS:
        return float("nan")
    return float((logits * weight).sum() / weight.sum())


@dataclass(frozen=True)
class Contrast:
    """The body against its surroundings, in octaves: 0 if both are alike, -1 if the body has half as much; NaN if there is too
    little of either.

    detail: fine structure relative to coarser structure. noise: fine structure in the flat half of the pixels. flicker: the
    same for the change of fine structure between two frames.
    """

    detail: float
    noise: float
    flicker: float

    @classmethod
    def measure(cls, images: NDArray[np.uint8], body: NDArray[np.uint8], around: NDArray[np.uint8]) -> Self:
        """Of a pair uint8 [2,S,S,3], its body map and its `surroundings_map` uint8 [S/4,S/4]."""
        size = images.shape[2:0:-1]
        regions = [cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) > 127 for each in (body, around)]
        if min(float(region.mean()) for region in regions) < MIN_SURROUNDINGS:
            return cls(*[float("nan")] * 3)
        luma = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in images]
        soft, softer = ([cv2.GaussianBlur(y, (0, 0), s) for y in luma] for s in (_FINE_SIGMA_PX, _COARSE_SIGMA_PX))
        fine = [np.abs(y - s) for y, s in zip(luma, soft, strict=True)]
        coarse = [np.abs(s - c) for s, c in zip(soft, softer, strict=True)]
        change = np.abs((luma[1] - soft[1]) - (luma[0] - soft[0]))
        structure = cv2.GaussianBlur(coarse[1], (0, 0), _COARSE_SIGMA_PX)
        detail, noise, flicker = [], [], []
        for region in regions:
            flat = region & (structure <= np.quantile(structure[region], _FLAT_FRACTION))
            detail.append(_octaves(fine[1][region]) - _octaves(coarse[1][region]))
            noise.append(_octaves(fine[1][flat]))
            flicker.append(_octaves(change[flat]))
        return cls(*(own - beside for own, beside in (detail, noise, flicker)))


def _octaves(levels: NDArray[Any]) -> float:
    return float(np.log2(levels.mean() + _LEAST_LEVEL))
