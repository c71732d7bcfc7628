"""Carry colors down and up a picture into a hole, in blocks of columns, and turn pictures so that any direction is down."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

_STRAIGHT_DEG: Final = 0.25
"""Directions this near to an axis need no interpolation."""
_BLOCK_COLUMNS: Final = 256
_MARGIN_PX: Final = 3

Carried = tuple[FloatArray, FloatArray]
"""Colors [H,W,C], and px to where they are from, [H,W], infinite where there are none."""


def carry_both_ways(image: FloatArray, source: NDArray[np.bool_], depth_px: int) -> tuple[Carried, Carried]:
    """For each pixel the mean of the last `depth_px` pixels of the source above it, and of the next ones below.

    image: float32 [H,W,C]. source: bool [H,W].
    """
    above = _carry(image, source, depth_px)
    color, far = _carry(image[::-1], source[::-1], depth_px)
    return above, (np.ascontiguousarray(color[::-1]), np.ascontiguousarray(far[::-1]))


def _carry(image: FloatArray, source: NDArray[np.bool_], depth_px: int) -> Carried:
    color, far = np.empty(image.shape, np.float32), np.empty(source.shape, np.float32)
    for start in range(0, source.shape[1], _BLOCK_COLUMNS):
        block = np.s_[:, start : start + _BLOCK_COLUMNS]
        color[block], far[block] = _carry_block(image[block], source[block], depth_px)
    return color, far


def _carry_block(image: FloatArray, source: NDArray[np.bool_], depth_px: int) -> Carried:
    height, width = source.shape
    row = np.arange(height)[:, None]
    last = np.maximum.accumulate(np.where(source, row, -1), axis=0)
    count = np.concatenate([np.zeros((1, width)), np.cumsum(source, axis=0)])
    sums = np.cumsum(np.where(source[..., None], image, 0), axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros((1, *sums.shape[1:])), sums])
    end, start = last + 1, np.maximum(last + 1 - depth_px, 0)
    column = np.arange(width)[None]
    number = count[end, column] - count[start, column]
    color = (total[end, column] - total[start, column]) / np.maximum(number, 1)[..., None]
    return color.astype(np.float32), np.where(last >= 0, row - last, np.inf).astype(np.float32)


def blend(above: Carried, below: Carried) -> Carried:
    """Both, the nearer one more; nothing where one is missing."""
    (one, up), (two, down) = above, below
    both = np.isfinite(up) & np.isfinite(down)
    share = np.where(both, up / np.maximum(np.where(both, up + down, 1), 1), 0)[..., None].astype(np.float32)
    return one * (1 - share) + two * share, np.where(both, np.minimum(up, down), np.inf).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Turn:
    """Turns a picture so that lines of one direction stand upright, cut to the columns that matter, and back.

    to: float64 [2,3], None for a picture that is at most transposed: is_flat. size, upright_size: (width, height). columns: of
    the upright picture.
    """

    to: NDArray[np.float64] | None
    size: tuple[int, int]
    upright_size: tuple[int, int]
    columns: slice
    is_flat: bool = False

    def forward(self, picture: FloatArray) -> FloatArray:
        """The upright columns of a picture [H,W] or [H,W,C]."""
        if self.to is None:
            return np.ascontiguousarray(self._straight(picture)[:, self.columns])
        size = self.columns.stop - self.columns.start, self.upright_size[1]
        return np.asarray(cv2.warpAffine(picture, self.to, size, flags=cv2.INTER_LINEAR), np.float32)

    def backward(self, columns: FloatArray) -> FloatArray:
        """The picture of upright columns; what lies beside them has no meaning."""
        if self.to is None:
            width, height = self.upright_size
            picture = np.zeros((height, width, *columns.shape[2:]), np.float32)
            picture[:, self.columns] = columns
            return np.ascontiguousarray(self._straight(picture))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(columns, self.to, self.size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def _straight(self, picture: FloatArray) -> FloatArray:
        return picture.swapaxes(0, 1) if self.is_flat else picture


def turn_upright(needed: NDArray[np.bool_], angle_deg: float) -> Turn:
    """The turn by which lines of a direction, in degrees against the rows, stand upright. needed: bool [H,W], what matters."""
    height, width = needed.shape
    size = (width, height)
    if abs(angle_deg - 90) <= _STRAIGHT_DEG:
        return Turn(None, size, size, _span(np.flatnonzero(needed.any(axis=0)), width))
    if min(angle_deg, 180 - angle_deg) <= _STRAIGHT_DEG:
        return Turn(None, size, (height, width), _span(np.flatnonzero(needed.any(axis=1)), height), is_flat=True)
    turn = math.radians(90 - angle_deg)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    upright = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
    middle = (width - 1) / 2, (height - 1) / 2
    to = np.asarray(cv2.getRotationMatrix2D(middle, -math.degrees(turn), 1.0), np.float64)
    to[:, 2] += np.array([(upright[0] - 1) / 2 - middle[0], (upright[1] - 1) / 2 - middle[1]])
    y, x = np.nonzero(needed)
    columns = _span(to[0, 0] * x + to[0, 1] * y + to[0, 2], upright[0])
    to[0, 2] -= columns.start
    return Turn(to, size, upright, columns)


def _span(places: NDArray[np.floating] | NDArray[np.integer], length: int) -> slice:
    """The numbers from the least to the greatest place, with a margin, below `length`."""
    least, greatest = math.floor(float(places.min())), math.ceil(float(places.max()))
    return slice(max(0, least - _MARGIN_PX), min(length, greatest + 1 + _MARGIN_PX))
