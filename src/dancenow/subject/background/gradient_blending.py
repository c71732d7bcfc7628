"""Copy pixels from elsewhere in an image so that no seam is seen: their gradients are kept, their brightness adapts.

Poisson image editing (Perez, Gangnet and Blake, 2003), with a weak pull to the copied brightness, so that an error at the rim
does not reach far (as in Bhat et al., "Fourier analysis of the 2D screened Poisson equation", 2008).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shift_proposals import Shifts
from dancenow.types import FloatArray, ImageRGB

_REACH: Final = 0.12
"""How far a difference at the rim reaches into the hole, in sizes of the hole."""
_SWEEPS: Final = 30


@dataclass(frozen=True, eq=False)
class Filling:
    """What each pixel of a hole is filled with. shifts: int32 [H,W,2] (y, x), from a pixel to the one that is copied. pictures:
    float32 [H,W,3] each, whose pixels are taken in place instead. number: int32 [H,W], of the picture, -1 for none.
    """

    shifts: Shifts
    pictures: Mapping[int, FloatArray]
    number: NDArray[np.int32]

    def take(self, image: FloatArray, of: NDArray[np.int64], at: NDArray[np.int64]) -> FloatArray:
        """What the fillings of pixels `of` [N,2] (y, x) show at places [N,2]: float32 [N,3]; beyond the border the nearest."""
        y, x = np.clip(of, 0, np.array(self.number.shape) - 1).T
        number = self.number[y, x]
        found = _take(image, at + self.shifts[y, x])
        for each, picture in self.pictures.items():
            own = number == each
            found[own] = _take(picture, at[own])
        return found


def copy_seamlessly(
    image_rgb: ImageRGB, hole: NDArray[np.bool_], known: NDArray[np.bool_], filling: Filling, reach_px: int = 0
) -> ImageRGB:
    """Fill `hole`, bool [H,W], of image_rgb, uint8 [H,W,3], with a filling.

    known: bool [H,W], the pixels that the result has to meet at the rim. reach_px: how well fillings fit together. Where two of
    them meet, the seam is the least difference between them there or so far to either side; an edge that both have is none.
    """
    image = image_rgb.astype(np.float32)
    pixels = np.argwhere(hole)
    copied = image.copy()
    copied[hole] = filling.take(image, pixels, pixels)
    jump = np.zeros_like(image)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = pixels + step
        y, x = np.clip(beside, 0, np.array(hole.shape) - 1).T
        counts = ((beside >= 0) & (beside < hole.shape)).all(axis=1) & (hole | known)[y, x]
        seam = filling.take(image, beside, beside) - filling.take(image, pixels, beside)
        inner = hole[y, x]
        for at in (pixels, beside + reach_px * np.array(step), pixels - reach_px * np.array(step)):
            other = filling.take(image, beside, at) - filling.take(image, pixels, at)
            lesser = inner & (np.abs(other).sum(axis=1) < np.abs(seam).sum(axis=1))
            seam = np.where(lesser[:, None], other, seam)
        jump[hole] += np.where(counts[:, None], seam, 0)
    screen = 1 / (_REACH**2 * float(hole.sum()))
    blended = np.clip(np.rint(copied + solve_poisson(jump, hole, screen)), 0, 255).astype(np.uint8)
    return np.where(hole[..., None], blended, image_rgb)


def solve_poisson(source: FloatArray, hole: NDArray[np.bool_], screen: float) -> FloatArray:
    """Solve Laplace(c) - screen * c = -source, [H,W,C], in the hole with c = 0 around it, coarse to fine by Jacobi steps."""
    height, width = hole.shape
    start = np.zeros_like(source)
    if min(height, width) > 4 and hole.any():
        half = ((width + 1) // 2, (height + 1) // 2)
        small = 4 * cv2.resize(source * hole[..., None].astype(np.float32), half, interpolation=cv2.INTER_AREA)
        small_hole = cv2.resize(hole.astype(np.float32), half, interpolation=cv2.INTER_AREA) > 0.5
        coarse = solve_poisson(np.asarray(small, np.float32), small_hole, 4 * screen)
        start = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    weight = hole[..., None].astype(np.float32) / np.float32(4 + screen)
    around = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    result = start * hole[..., None].astype(np.float32)
    for _ in range(_SWEEPS):
        spread = np.asarray(cv2.filter2D(result, -1, around, borderType=cv2.BORDER_REPLICATE), np.float32)
        result = (spread + source) * weight
    return result


def _take(image: FloatArray, at: NDArray[np.integer]) -> FloatArray:
    """Pixels of an image at [N,2] (y, x); outside of it the nearest ones."""
    y, x = np.clip(at, 0, np.array(image.shape[:2]) - 1).T
    return np.asarray(image[y, x])
