"""What a phone does to pictures of a person, done to rendered ones: motion blur, exposure, noise, compression, rough mattes."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.generators.references.reference_set import ReferenceSet

_FILMED: Final = 0.6
"""Fraction of the people whose pictures are damaged."""
_MOVING: Final = 0.3
"""Fraction of their pictures in which the person moves while the shutter is open."""
_LONGEST_BLUR: Final = 0.03
"""Of the height of a picture."""
_EXPOSURE: Final = 0.04
"""Standard deviation of the logarithm of the exposure, from picture to picture."""
_MOST_NOISE: Final = 7.0
_QUALITY: Final = (30, 95)
"""Of JPEG."""
_MATTE_SIGMA_PX: Final = 2.0
_MATTE_SHIFT: Final = 0.35
"""How much the alpha of an edge that is blurred rises or falls."""


def damage_pictures(references: ReferenceSet, rng: np.random.Generator) -> ReferenceSet:
    """The pictures of a person as a phone might have filmed them; those of some people stay as they are."""
    if rng.random() > _FILMED:
        return references
    noise, quality = rng.uniform(0, _MOST_NOISE), int(rng.integers(*_QUALITY))
    damaged = [_filmed(picture, noise, quality, rng) for picture in references.rgba]
    return replace(references, rgba=np.stack(damaged))


def _filmed(rgba: NDArray[np.uint8], noise: float, quality: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    picture = _move(rgba, rng) if rng.random() < _MOVING else rgba
    color = picture[..., :3] * np.exp(rng.normal(0, _EXPOSURE)) + rng.normal(0, noise, (*picture.shape[:2], 3))
    _, encoded = cv2.imencode(".jpg", color.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    compressed = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.concatenate([compressed, _roughen(picture[..., 3], rng)[..., None]], axis=2)


def _move(rgba: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture blurred along a random line; the alpha with it."""
    length, angle = rng.uniform(0, _LONGEST_BLUR) * len(rgba), rng.uniform(0, np.pi)
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start, end = (tuple(round(16 * float(x)) for x in side // 2 + sign * along) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(cv2.filter2D(rgba, -1, kernel / kernel.sum()), np.uint8)


def _roughen(alpha: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A matte whose edge is soft and a little outside or inside of the true one."""
    soft = cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), rng.uniform(0.2, _MATTE_SIGMA_PX))
    shift, steepness = rng.uniform(-_MATTE_SHIFT, _MATTE_SHIFT), rng.uniform(1, 2.5)
    at_edge = np.minimum(1, 8 * np.minimum(soft, 1 - soft))
    rough = ((soft + shift * at_edge - 0.5) * steepness + 0.5).clip(0, 1)
    return np.asarray(np.rint(255 * rough), np.uint8)
