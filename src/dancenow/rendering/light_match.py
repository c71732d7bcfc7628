"""Match the brightness and color of a person to the light of another place.

The color of a light is estimated from a picture as in "Shades of gray and colour constancy" (Finlayson and Trezzi, 2004): the
mean of a high power of its levels. The brightest things of most places are white or nearly so.
"""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.rendering.layer import Layer
from dancenow.types import ImageRGB

Gain = tuple[float, float, float]
"""Factors of R, G and B in linear light."""
NO_GAIN: Final[Gain] = (1.0, 1.0, 1.0)
_POWER: Final = 6
_STRENGTH: Final = 0.5
"""How much of the estimated difference is applied: another place has other things in it, too."""
_LIMITS: Final = (0.7, 1.4)
_GAMMA: Final = 2.2
_SIDE_PX: Final = 128
_NOTICEABLE: Final = 0.02


def match_light(own_rgb: ImageRGB, other_rgb: ImageRGB) -> Gain:
    """The gain from the light of a person's own background to that of another, both uint8 [H,W,3]."""
    ratio = (_light(other_rgb) / _light(own_rgb)) ** _STRENGTH
    red, green, blue = np.clip(ratio, *_LIMITS).tolist()
    return NO_GAIN if np.abs(ratio - 1).max() < _NOTICEABLE else (red, green, blue)


def _light(image_rgb: ImageRGB) -> NDArray[np.float64]:
    """The estimated color of the light, [3], in linear light."""
    scale = min(1.0, _SIDE_PX / max(image_rgb.shape[:2]))
    small = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    linear = ((small.astype(np.float64) + 1) / 256) ** _GAMMA
    return np.asarray((linear.reshape(-1, 3) ** _POWER).mean(axis=0) ** (1 / _POWER), np.float64)


def relight(layer: Layer, gain: Gain) -> Layer:
    """The layer in another light."""
    factor = np.array(gain) ** (1 / _GAMMA)
    rgba = layer.rgba.copy()
    if rgba.dtype == np.uint8:
        rgba[..., :3] = np.clip(np.rint(rgba[..., :3] * factor), 0, 255)
    else:  # color in [-1,1]
        rgba[..., :3] = np.clip((rgba[..., :3] + 1) * factor.astype(np.float32) - 1, -1, 1)
    return replace(layer, rgba=rgba)
