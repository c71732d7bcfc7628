"""Images with straight alpha: from premultiplied layers, and changes of their color alone."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

_SURE_ALPHA: Final = np.float32(0.1)
"""From this on a pixel's own color is used; below, more and more that of its surroundings, because dividing by a small alpha
only amplifies rounding."""
_TINY: Final = np.float32(1e-6)


def straight_alpha(premultiplied: FloatArray) -> NDArray[np.uint8]:
    """An image uint8 [H,W,4] with straight alpha from one float32 [H,W,4] whose color, in levels, is multiplied by alpha.

    Where nothing is visible, the color of what is nearest continues, so that neither filtering nor a codec mixes a dark fringe
    into the edges: it is pulled up a pyramid and pushed down into the gaps (Gortler et al., "The Lumigraph", 1996).
    """
    levels = [premultiplied]
    while min(levels[-1].shape[:2]) > 1:
        height, width = levels[-1].shape[:2]
        size = (width + 1) // 2, (height + 1) // 2
        levels.append(np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA), np.float32))
    color = _own_color(levels[-1])
    for level in reversed(levels):
        behind = cv2.resize(color, level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        share = np.clip(level[..., 3:] / _SURE_ALPHA, 0, 1)
        color = np.asarray(behind + (_own_color(level) - behind) * share, np.float32)
    alpha = np.clip(premultiplied[..., 3:] * 255, 0, 255)
    return np.asarray(np.rint(np.concatenate([np.clip(color, 0, 255), alpha], axis=2)), np.uint8)


def premultiply(rgba: NDArray[np.uint8]) -> FloatArray:
    """The inverse: float32 [H,W,4] from an image uint8 [H,W,4] with straight alpha."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.asarray(np.concatenate([rgba[..., :3] * alpha, alpha], axis=2), np.float32)


def _own_color(premultiplied: FloatArray) -> FloatArray:
    return np.asarray(premultiplied[..., :3] / np.maximum(premultiplied[..., 3:], _TINY), np.float32)


def change_color(image: NDArray[np.uint8], change: Callable[[ImageRGB], ImageRGB]) -> NDArray[np.uint8]:
    """The image uint8 [H,W,3] or [H,W,4] with another color and the same alpha. change: of an image [H,W,3]."""
    if image.shape[2] == 3:
        return change(image)
    return np.dstack([change(np.ascontiguousarray(image[..., :3])), image[..., 3]])
