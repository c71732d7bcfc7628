"""Compare a frame with its known background: where does it show the background, a shadow on it, or something else?

The exposure may differ, soft shadows may lie around the person, and the background may be wrong in places, because the camera
shook or something moved. So the background is first scaled to the frame, and trusted only where it is right around the person.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.matte.color_sampling import spread
from dancenow.types import FloatArray, ImageRGB

_LIFT: Final = np.float32(8.0)
"""Levels added before ratios are computed, because ratios of nearly black values are unreliable."""
_MIN_NOISE, _MAX_NOISE = 3.0, 20.0
"""Levels of noise of a color channel, at least and at most; a compressed frame has more than it shows in flat areas."""
_SHAKE_PX: Final = 0.5
"""The background may be off by this, in px of the frame."""
_SAME: Final = 6.0
"""Squared difference, in units of its expected value, up to which a pixel shows the background."""
MIN_SHADE: Final = 0.8
"""The darkest soft shadow that may lie anywhere, as a factor."""
MIN_SHADE_AT_FEET: Final = 0.4


@dataclass(frozen=True, eq=False)
class BackgroundMatch:
    """How a frame compares with its background; all maps are float32 [h,w,...].

    gain: [h,w,3], factor from the background to this frame's light, see `relit`. variance: the expected squared difference
    where the background is seen, summed over the channels. trust: in [0,1], whether the background is known and right around
    here. difference, shadow_difference: squared difference to the background, and to a shadow on it, in units of `variance`.
    """

    gain: FloatArray
    variance: FloatArray
    trust: FloatArray
    difference: FloatArray
    shadow_difference: FloatArray


def relit(background: FloatArray, gain: FloatArray) -> FloatArray:
    """The background, float32 [...,3], in the light of the frame."""
    return (background + _LIFT) * gain - _LIFT


def match_background(
    image: FloatArray,
    background: FloatArray,
    known: FloatArray,
    outside: NDArray[np.bool_],
    least_shade: FloatArray,
    *,
    sampled: tuple[ImageRGB, ImageRGB],
    frame_px: int,
    detail_px: float,
) -> BackgroundMatch:
    """Compare image and background, float32 [h,w,3] levels.

    known: float32 [h,w], how far the background was seen. outside: where surely no person is. least_shade: [h,w], the darkest
    shadow that may lie there. sampled: image and background without averaging, uint8 [h,w,3], which show the noise.
    frame_px: px of the frame in a px of these images. detail_px: a px of the detector's mask.
    """
    ring = outside & (known > 0.99)
    # A few thousand pixels give the median well enough.
    some = np.flatnonzero(ring)[:: max(1, int(ring.sum()) // 4000)]
    gain = _gain(image, background, ring, some, detail_px)
    lit = relit(background, gain)
    light = gain.reshape(-1, 3)[some]
    seen, plate = (each.reshape(-1, 3)[some].astype(np.float32) for each in sampled)
    noise = seen - relit(plate, light)
    # The median of a sum of three squares is 2.37 variances.
    variance = float(np.median((noise * noise).sum(axis=1))) / 2.37 if len(some) > 100 else _MAX_NOISE**2
    gray = cv2.transform(background, np.full((1, 3), 1 / 3, np.float32))
    slope_x, slope_y = (cv2.Sobel(gray, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    slope = 3 * (_SHAKE_PX / frame_px) ** 2 * (slope_x * slope_x + slope_y * slope_y)
    least = 3 * np.float32(np.clip(variance, _MIN_NOISE**2, _MAX_NOISE**2))
    expected = np.asarray(least + slope, np.float32)
    square = _square(image - lit)
    shade = np.clip(_sum(image * lit) / np.maximum(_square(lit), 1.0), least_shade, 1 + 0.5 * (MIN_SHADE - least_shade))
    shaded = np.minimum(_square(image - shade[..., None] * lit) / expected, square / expected)
    is_same = (shaded < _SAME).astype(np.float32)
    everywhere = float(is_same.ravel()[some].mean()) if len(some) else 0.0
    right = spread(is_same, ring.astype(np.float32), 5 * detail_px, everywhere)
    trust = np.clip((right - np.float32(0.5)) / np.float32(0.4), 0, 1) * known
    # Where the background moves, as leaves do, a difference means less.
    local = spread(np.minimum(square, np.float32(3 * _MAX_NOISE**2)), ring.astype(np.float32), 4 * detail_px, float(least))
    moving = np.maximum(expected, np.float32(0.7) * local)
    return BackgroundMatch(gain, moving, np.asarray(trust, np.float32), square / moving, shaded * expected / moving)


def _gain(
    image: FloatArray, background: FloatArray, ring: NDArray[np.bool_], some: NDArray[np.int64], detail_px: float
) -> FloatArray:
    """The factor from background to image around each pixel, [h,w,3]: exposure, and soft shadows."""
    ratio = (image + _LIFT) / (background + _LIFT)
    exposure = np.median(ratio.reshape(-1, 3)[some], axis=0) if len(some) > 100 else np.ones(3)
    local = ratio * (1 / exposure).astype(np.float32)
    red, green, blue = cv2.split(np.abs(local - np.float32(1)))
    is_good = ring & (cv2.max(cv2.max(red, green), blue) < 0.4)
    gain = spread(local, is_good.astype(np.float32), 8 * detail_px, 1.0) * exposure.astype(np.float32)
    return np.asarray(gain, np.float32)


def _square(color: NDArray[Any]) -> FloatArray:
    """The squared length of [h,w,3] vectors, [h,w]."""
    return _sum(color * color)


def _sum(color: NDArray[Any]) -> FloatArray:
    return np.asarray(cv2.transform(color, np.ones((1, 3), np.float32)), np.float32)
