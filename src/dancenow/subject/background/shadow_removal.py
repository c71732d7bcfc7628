"""Remove the shadow that the person casts on the background.

Somebody who hardly leaves their place shades the same floor in most frames, so a median keeps the shadow. What was brighter in
a few frames, and by one ratio in all colours, was in shadow in the others (after Horprasert, Harwood and Davis, 1999).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHT_PERCENTS: Final = (92, 95, 98)
"""Ranks of the samples of a pixel, dark to bright, that show it in full light; above them noise and what a mask misses."""
_LIFT: Final = 8.0
"""Levels added before ratios are taken: of what is nearly black they say nothing."""
_LEAST, _MOST, _TINT = 1.02, 3.0, 1.1
"""Ratios of light between these are a shadow's, if those of the colours differ by less than the third."""

_BROAD: Final = 0.01
"""Half the width of a shadow, somewhere, over the longer side of the image."""


@dataclass(frozen=True, eq=False)
class FullLight:
    """What a background looks like where no shadow falls: rgb uint8 [h,w,3], each pixel at its brightest. seen: bool [h,w],
    where that is known. feet: bool [h,w], where the person's feet have been: shadows on the floor begin there."""

    rgb: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    feet: NDArray[np.bool_]


def remove_shadow(image_rgb: NDArray[np.uint8], light: FullLight) -> NDArray[np.uint8]:
    """A background uint8 [H,W,3], at least as large as `light`, with its shadows lit and its details as they were."""
    seen = light.seen
    height, width = seen.shape
    if not seen.any():
        return image_rgb
    small = cv2.resize(image_rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    ratio = (light.rgb + np.float32(_LIFT)) / (small + np.float32(_LIFT))
    # Where nothing is shaded the brightest samples are brighter, too, by their noise.
    ratio = np.asarray(cv2.medianBlur((ratio / np.median(ratio[seen], axis=0)).astype(np.float32), 3))
    low, high = ratio.min(axis=2), ratio.max(axis=2)
    shaded = _at_feet(seen & (low > _LEAST) & (high < _MOST) & (high < _TINT * low), light.feet)
    gain = cv2.GaussianBlur(np.where(shaded[..., None], ratio, np.float32(1)), (0, 0), 0.8)
    size = image_rgb.shape[1::-1]
    lit = (image_rgb + np.float32(_LIFT)) * cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR) - np.float32(_LIFT)
    # Beside the edge of a shadow nothing is brighter than it was, or than the brightest around it.
    most = cv2.resize(cv2.dilate(light.rgb, np.ones((3, 3), np.uint8)), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.rint(lit), 0, np.maximum(image_rgb, most)), np.uint8)


def _at_feet(shaded: NDArray[np.bool_], feet: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of it that are broad somewhere and reach the feet: others are a bright sleeve that a mask missed."""
    radius = max(1, round(_BROAD * max(shaded.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    broad = cv2.morphologyEx(shaded.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    _, parts = cv2.connectedComponents(shaded.astype(np.uint8))
    kept = np.intersect1d(parts[broad], parts[feet & shaded])
    return np.asarray(np.isin(parts, kept) & shaded)
