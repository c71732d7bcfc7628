"""Remove the shadow that the person casts on the background.

A person who hardly moves around shades the same floor in most frames, so a median keeps the shadow. A pixel that is brighter in
a few frames, by the same ratio in all color channels, is in shadow in the others (after Horprasert, Harwood and Davis, 1999).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHT_PERCENTS: Final = (92, 95, 98)
"""Ranks of the samples of a pixel, dark to bright, that show it fully lit; higher ones are noise or errors of a mask."""
DARK_PERCENTS: Final = (10, 20, 30)
"""Ranks that show it in shadow, if a shadow comes and goes there."""
_LIFT: Final = 8.0
"""Levels added before ratios are computed, because ratios of nearly black values are unreliable."""
_MIN_RATIO, _MAX_RATIO, _MAX_TINT = 1.02, 3.0, 1.1
"""Ratios of lit to shaded of a shadow: least, most, and how far the color channels may differ (a ratio of ratios)."""

_MIN_CHANGING_RATIO: Final = 1.03
"""Of the full light to the dark samples, where a shadow comes and goes."""
_MIN_HALF_WIDTH: Final = 0.01
"""Half of the width that a shadow has somewhere, as a fraction of the longer side of the image."""


@dataclass(frozen=True, eq=False)
class FullLight:
    """A background without shadows.

    rgb: uint8 [h,w,3], each pixel at its brightest. seen: bool [h,w], where that is known. feet: bool [h,w], where the feet of
    the person have been: shadows on the floor begin there.
    """

    rgb: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    feet: NDArray[np.bool_]


def remove_shadow(image_rgb: NDArray[np.uint8], light: FullLight) -> NDArray[np.uint8]:
    """Brighten the shadows of a background, uint8 [H,W,3], at least as large as `light`; keep its details."""
    seen = light.seen
    height, width = seen.shape
    if not seen.any():
        return image_rgb
    small = cv2.resize(image_rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    ratio = _ratio_to_light(small, light)
    shaded = _at_feet(seen & _is_shadow(ratio, _MIN_RATIO), light.feet)
    gain = cv2.GaussianBlur(np.where(shaded[..., None], ratio, np.float32(1)), (0, 0), 0.8)
    size = image_rgb.shape[1::-1]
    lit = (image_rgb + np.float32(_LIFT)) * cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR) - np.float32(_LIFT)
    # At the edge of a shadow, limit the result to the input or the brightest value nearby.
    limit = cv2.resize(cv2.dilate(light.rgb, np.ones((3, 3), np.uint8)), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.rint(lit), 0, np.maximum(image_rgb, limit)), np.uint8)


def changing_shadow(dark_rgb: NDArray[np.uint8], light: FullLight) -> NDArray[np.bool_]:
    """Where a shadow comes and goes, bool [h,w], a little enlarged. dark_rgb: uint8 [h,w,3], by `DARK_PERCENTS`."""
    if not light.seen.any():
        return light.seen
    shadow = light.seen & _is_shadow(_ratio_to_light(dark_rgb.astype(np.float32), light), _MIN_CHANGING_RATIO)
    opened = cv2.morphologyEx(shadow.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.dilate(opened, np.ones((5, 5), np.uint8)) > 0)


def _ratio_to_light(small_rgb: NDArray[np.float32], light: FullLight) -> NDArray[np.float32]:
    """Ratio of the full light to an image, float32 [h,w,3], without noise."""
    ratio = (light.rgb + np.float32(_LIFT)) / (small_rgb + np.float32(_LIFT))
    # Without shadow, too, the brightest samples are brighter, by their noise: divide by the median ratio.
    return np.asarray(cv2.medianBlur((ratio / np.median(ratio[light.seen], axis=0)).astype(np.float32), 3), np.float32)


def _is_shadow(ratio: NDArray[np.float32], min_ratio: float) -> NDArray[np.bool_]:
    low, high = ratio.min(axis=2), ratio.max(axis=2)
    return np.asarray((low > min_ratio) & (high < _MAX_RATIO) & (high < _MAX_TINT * low))


def _at_feet(shaded: NDArray[np.bool_], feet: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the components that are broad somewhere and reach the feet; others may be a bright sleeve that a mask missed."""
    radius = max(1, round(_MIN_HALF_WIDTH * max(shaded.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    broad = cv2.morphologyEx(shaded.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    _, parts = cv2.connectedComponents(shaded.astype(np.uint8))
    kept = np.intersect1d(parts[broad], parts[feet & shaded])
    return np.asarray(np.isin(parts, kept) & shaded)
