"""Continue straight lines into a hole: the folds of a curtain, a door frame, a rail, the edge of a floor.

Copies of whole parts fit where a picture repeats itself; folds that lean or fade do not. For each main direction around the
hole, pictures are drawn in which what one rim shows is carried along that direction, or what the other shows, or both, each
fading into the other. `shift_map` decides where one of them continues the surroundings better than a copy.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

LINE_PICTURES: Final = 3
"""For each direction."""
_DIRECTIONS: Final = 3
_BINS: Final = 180
_SPREAD: Final = 2.0
"""Standard deviation of the smoothing of the histogram of directions, in degrees."""
_TENSOR_PX: Final = 3.0
_APART: Final = 8
"""Least angle between two directions, in degrees."""
_LEAST_SHARE: Final = 0.15
"""Directions with a smaller peak, of the highest one, are left out."""
_REACH: Final = 0.7
"""Directions count this near to the hole, in sizes of the hole."""
_DEPTH: Final = 0.05
"""How much beyond the rim is averaged into the color that is carried on, in sizes of the hole."""
_RIM: Final = 0.012
"""What is nearer to the hole than this, in its sizes, may show some of the person, and is not carried on."""
_STRAIGHT_DEG: Final = 1.0
"""Directions this near to an axis need no turn of the picture."""


@dataclass(frozen=True, eq=False)
class LinePicture:
    """The image with one continuation in and close around the hole. image: float32 [H,W,3]. valid: bool [H,W], where the
    continuation exists. far: float32 [H,W], px to what is carried on (the nearer one of two), 0 outside of the hole. across:
    float32 [H,W], squared slope of the lightness along the direction where it was taken: high where it crosses an edge."""

    image: FloatArray
    valid: NDArray[np.bool_]
    far: FloatArray
    across: FloatArray


def main_directions(image_rgb: ImageRGB, shown: NDArray[np.bool_], hole: NDArray[np.bool_]) -> list[float]:
    """Angles in degrees, [0,180), against the rows, of the lines around a hole: the strongest ones, upright and level."""
    size_px = math.sqrt(float(hole.sum()))
    near = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5) < _REACH * size_px
    inside = cv2.erode(shown.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    turned, strength = _line_directions(image_rgb)
    use = near & inside
    votes = np.bincount(np.rint(turned[use]).astype(int) % _BINS, weights=strength[use], minlength=_BINS)
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / _SPREAD) ** 2)
    votes = np.convolve(np.concatenate([votes[-6:], votes, votes[:6]]), kernel / kernel.sum(), "valid")
    found: list[float] = []
    highest = float(votes.max())
    while len(found) < _DIRECTIONS and highest > 0:
        best = int(votes.argmax())
        if votes[best] < _LEAST_SHARE * highest:
            break
        found.append(float(best))
        votes[(np.arange(best - _APART, best + _APART + 1)) % _BINS] = 0
    return found + [axis for axis in (0.0, 90.0) if all(_between(axis, each) >= _APART for each in found)]


def _between(one_deg: float, other_deg: float) -> float:
    """The angle between two directions, in degrees."""
    apart = abs(one_deg - other_deg) % 180
    return min(apart, 180 - apart)


def _line_directions(image_rgb: ImageRGB) -> tuple[FloatArray, FloatArray]:
    """Direction of the line at each pixel, in degrees, and how clear it is, [H,W], by the structure tensor."""
    light = cv2.GaussianBlur(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    xx, yy, xy = (cv2.GaussianBlur(each, (0, 0), _TENSOR_PX) for each in (dx * dx, dy * dy, dx * dy))
    turned = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) + 90
    clear = np.sqrt(np.hypot(xx - yy, 2 * xy))
    return turned.astype(np.float32), clear.astype(np.float32)


def continue_lines(
    image_rgb: ImageRGB, shown: NDArray[np.bool_], hole: NDArray[np.bool_], angle_deg: float
) -> tuple[LinePicture, LinePicture, LinePicture]:
    """The image with what lies in one direction of each pixel of the hole, in the other, and both.

    image_rgb: uint8 [H,W,3]. shown: bool [H,W], what may be carried on. hole: bool [H,W]. angle_deg: as in `main_directions`.
    """
    size_px = math.sqrt(float(hole.sum()))
    around = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rim_px = 2 * max(2, round(_RIM * size_px)) + 1
    beside = cv2.dilate(hole.astype(np.uint8), np.ones((rim_px, rim_px), np.uint8)) > 0
    source = (shown & ~beside).astype(np.float32)
    turn = _turn_upright(hole.shape, angle_deg)
    image = np.concatenate([image_rgb.astype(np.float32), _slope_along(image_rgb, angle_deg)[..., None]], axis=2)
    upright, weight = (turn.forward(each) for each in (image, source))
    above, below = _carry_down(upright, weight > 0.999, max(2, round(_DEPTH * size_px)))
    depth = _blend(above, below)
    pictures = []
    for color, far in (above, below, depth):
        back_far = turn.backward(np.where(np.isfinite(far), far, -1e6).astype(np.float32))
        valid = around & (back_far >= 0)
        back = turn.backward(np.where(np.isfinite(far)[..., None], color, upright))
        filled = np.where(valid[..., None], back, image).astype(np.float32)
        own = (np.where(valid & hole, each, 0).astype(np.float32) for each in (back_far, back[..., 3]))
        pictures.append(LinePicture(np.ascontiguousarray(filled[..., :3]), ~around | valid, *own))
    return pictures[0], pictures[1], pictures[2]


def _slope_along(image_rgb: ImageRGB, angle_deg: float) -> FloatArray:
    """The squared slope of the lightness in a direction, [H,W], in CIELAB units per px."""
    light = np.ascontiguousarray(cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0])
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.25)
    turn = math.radians(angle_deg)
    return np.asarray((math.cos(turn) * dx + math.sin(turn) * dy) ** 2, np.float32)


_Carried = tuple[FloatArray, FloatArray]
"""Colors [H,W,C], and px to where they are from, [H,W], infinite where there are none."""


def _carry_down(image: FloatArray, source: NDArray[np.bool_], depth_px: int) -> tuple[_Carried, _Carried]:
    """For each pixel the mean of the last `depth_px` pixels of the source above it, and of the next ones below."""
    above = _carry(image, source, depth_px)
    color, far = _carry(image[::-1], source[::-1], depth_px)
    return above, (np.ascontiguousarray(color[::-1]), np.ascontiguousarray(far[::-1]))


def _carry(image: FloatArray, source: NDArray[np.bool_], depth_px: int) -> _Carried:
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


def _blend(above: _Carried, below: _Carried) -> _Carried:
    """Both, the nearer one more; nothing where one is missing."""
    (one, up), (two, down) = above, below
    both = np.isfinite(up) & np.isfinite(down)
    share = np.where(both, up / np.maximum(np.where(both, up + down, 1), 1), 0)[..., None]
    return (one * (1 - share) + two * share).astype(np.float32), np.where(both, np.minimum(up, down), np.inf).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Turn:
    """Turns a picture so that lines of one direction stand upright, and back. to: float64 [2,3]; sizes: (width, height)."""

    to: NDArray[np.float64] | None
    size: tuple[int, int]
    upright_size: tuple[int, int]
    is_flat: bool

    def forward(self, picture: FloatArray) -> FloatArray:
        if self.to is None:
            return np.ascontiguousarray(picture.swapaxes(0, 1)) if self.is_flat else picture
        return np.asarray(cv2.warpAffine(picture, self.to, self.upright_size, flags=cv2.INTER_LINEAR), np.float32)

    def backward(self, picture: FloatArray) -> FloatArray:
        if self.to is None:
            return np.ascontiguousarray(picture.swapaxes(0, 1)) if self.is_flat else picture
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(picture, self.to, self.size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _turn_upright(shape: tuple[int, ...], angle_deg: float) -> _Turn:
    height, width = shape[:2]
    size = (width, height)
    if abs(angle_deg - 90) <= _STRAIGHT_DEG:
        return _Turn(None, size, size, is_flat=False)
    if min(angle_deg, 180 - angle_deg) <= _STRAIGHT_DEG:
        return _Turn(None, size, (height, width), is_flat=True)
    turn = math.radians(90 - angle_deg)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    upright = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
    middle = (width - 1) / 2, (height - 1) / 2
    to = cv2.getRotationMatrix2D(middle, -math.degrees(turn), 1.0)
    to[:, 2] += np.array([(upright[0] - 1) / 2 - middle[0], (upright[1] - 1) / 2 - middle[1]])
    return _Turn(np.asarray(to, np.float64), size, upright, is_flat=False)


def line_pictures(
    image_rgb: ImageRGB, shown: NDArray[np.bool_], hole: NDArray[np.bool_], angles_deg: list[float]
) -> Iterator[LinePicture]:
    """Three pictures for each direction, in the order of `continue_lines`."""
    for angle_deg in angles_deg:
        yield from continue_lines(image_rgb, shown, hole, angle_deg)
