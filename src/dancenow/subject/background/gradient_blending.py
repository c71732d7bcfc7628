"""Copy pixels from elsewhere in an image so that no seam is seen: their gradients are kept, their brightness adapts.

Poisson image editing (Perez, Gangnet and Blake, 2003), with a weak pull to the copied brightness, so that an error at the rim
does not reach far (as in Bhat et al., "Fourier analysis of the 2D screened Poisson equation", 2008).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shift_proposals import Shifts
from dancenow.types import FloatArray, ImageRGB

_REACH: Final = 0.12
"""How far a difference at the rim reaches into the hole, in sizes of the hole."""
_SWEEPS: Final = 30


def copy_seamlessly(image_rgb: ImageRGB, hole: NDArray[np.bool_], known: NDArray[np.bool_], shifts: Shifts) -> ImageRGB:
    """Fill `hole`, bool [H,W], with the pixels of image_rgb, uint8 [H,W,3], that lie by `shifts`, int32 [H,W,2] (y, x), away.

    known: bool [H,W], the pixels that the result has to meet at the rim.
    """
    image = image_rgb.astype(np.float32)
    pixels = np.argwhere(hole)
    own = shifts[hole]
    copied = image.copy()
    copied[hole] = _take(image, pixels + own)
    jump = np.zeros_like(image)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = pixels + step
        y, x = np.clip(beside, 0, np.array(hole.shape) - 1).T
        counts = ((beside >= 0) & (beside < hole.shape)).all(axis=1) & (hole | known)[y, x]
        # What the neighbor would be by this pixel's shift, and this pixel by the neighbor's; wanted is the mean of both slopes.
        wanted = _take(image, beside + own) - copied[hole]
        backward = copied[y, x] - _take(image, pixels + shifts[y, x])
        wanted = np.where(hole[y, x][:, None], (wanted + backward) / 2, wanted)
        jump[hole] += np.where(counts[:, None], copied[y, x] - copied[hole] - wanted, 0)
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
