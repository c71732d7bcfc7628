"""Where the background was seen in the person's shadow alone, at the rim of what was never seen: a stain, if it were kept.

Beside it the shadow comes and goes, so that its full light is known; at the rim even the brightest samples are darker than
that. Without the rim, the completion continues the lit background. Where nothing changes over time, dark things are dark.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shadow_removal import FullLight
from dancenow.types import FloatArray, ImageRGB

_LIFT: Final = 8.0
"""Levels added before ratios are computed, because ratios of nearly black values are unreliable."""
_CHANGES: Final = 1.15
"""Ratio of bright to dark samples of a pixel in and out of the shadow."""
_SHADED: Final = 1.1
"""Ratio of the brightest place nearby where that happens to a place that is only seen in the shadow."""
_DEEP: Final = 1.3
"""The same somewhere in each stain: less may be the grain of a wooden floor."""
_FLAT, _DETAIL_PX = 5.0, 2.0
"""Median difference, in levels, of a stain from itself blurred by so many px: in a mirror other things come and go."""
_REACH, _FAR, _BLUR = 0.03, 0.1, 0.006
"""Nearby; how far from the rim a stain reaches; and the size of details that do not count. Fractions of the longer side."""


def shaded_rim(dark_rgb: ImageRGB, light: FullLight, never: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rim, bool [h,w], to be taken for unseen.

    dark_rgb: uint8 [h,w,3], the dark samples of each pixel; its bright ones are `light`. never: bool [h,w], what was not seen.
    """
    side_px = max(never.shape)
    seen = light.seen
    bright = light.rgb.astype(np.float32) + np.float32(_LIFT)
    ratio = np.where(seen, bright.mean(axis=2) / (dark_rgb.astype(np.float32).mean(axis=2) + _LIFT), 1)
    differs = ((cv2.medianBlur(ratio.astype(np.float32), 5) > _CHANGES) & seen).astype(np.uint8)
    changes = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    nearby = _disc(_REACH * side_px)
    level = _mean_level(bright, seen, _BLUR * side_px)
    depth = cv2.dilate(level * changes, nearby) / np.maximum(level, 1)
    near = cv2.distanceTransform((~never).astype(np.uint8), cv2.DIST_L2, 5) < _FAR * side_px
    stains = seen & near & (depth > _SHADED)
    _, parts = cv2.connectedComponents(stains.astype(np.uint8))
    rim = cv2.dilate(never.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    detail = np.abs(bright.mean(axis=2) - _mean_level(bright, seen, _DETAIL_PX))
    found = np.intersect1d(parts[stains & rim], parts[stains & (depth > _DEEP)])
    flat = [number for number in found if np.median(detail[parts == number]) < _FLAT]
    return np.asarray(stains & np.isin(parts, flat))


def _mean_level(image: FloatArray, seen: NDArray[np.bool_], sigma_px: float) -> FloatArray:
    """The blurred lightness of what is seen, [h,w]; 0 elsewhere."""
    weight = seen.astype(np.float32)
    blurred, share = (cv2.GaussianBlur(each, (0, 0), sigma_px) for each in (image.mean(axis=2) * weight, weight))
    return np.where(seen, blurred / np.maximum(share, 1e-3), 0).astype(np.float32)


def _disc(radius_px: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
