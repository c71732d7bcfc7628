"""Continue straight lines into a hole: the folds of a curtain, a door frame, a rail, the edge of a floor.

Copies of whole parts fit where a picture repeats itself; folds that lean or fade do not. For each main direction around the
hole, pictures are drawn in which what one rim shows is carried along that direction, or what the other shows, or both, each
fading into the other. `shift_map` decides where one of them continues the surroundings better than a copy.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.carried_colors import blend, carry_both_ways, turn_upright
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
_NOWHERE_PX: Final = -1e6
"""Stands for a distance where there is nothing to carry on; below 0 after any interpolation."""


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
    """Angles in degrees, [0,180), against the rows, of the lines around a hole: the strongest ones, then upright and level ones
    unless a strong one is near to these."""
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
        found.append((best + _peak_offset(votes, best)) % 180)
        votes[(np.arange(best - _APART, best + _APART + 1)) % _BINS] = 0
    return found + [axis for axis in (0.0, 90.0) if all(_between(axis, each) >= _APART for each in found)]


def _peak_offset(votes: NDArray[Any], best: int) -> float:
    """Where between its neighbors the peak of a histogram lies, by a parabola through the three: -.5 to .5."""
    before, peak, after = votes[best - 1], votes[best], votes[(best + 1) % len(votes)]
    bend = before - 2 * peak + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


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
    image_rgb: ImageRGB,
    shown: NDArray[np.bool_],
    hole: NDArray[np.bool_],
    angle_deg: float,
    kinds: Sequence[int] = range(LINE_PICTURES),
) -> Iterator[LinePicture]:
    """The image with what lies in one direction of each pixel of the hole, in the other, and both, each fading into the other.

    image_rgb: uint8 [H,W,3]. shown: bool [H,W], what may be carried on. hole: bool [H,W]. angle_deg: as in `main_directions`.
    kinds: which of the three, by number, increasing.
    """
    size_px = math.sqrt(float(hole.sum()))
    around = np.asarray(cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    rim_px = 2 * max(2, round(_RIM * size_px)) + 1
    beside = cv2.dilate(hole.astype(np.uint8), np.ones((rim_px, rim_px), np.uint8)) > 0
    source = (shown & ~beside).astype(np.float32)
    turn = turn_upright(around, angle_deg)
    image = np.concatenate([image_rgb.astype(np.float32), _slope_along(image_rgb, angle_deg)[..., None]], axis=2)
    upright, weight = (turn.forward(each) for each in (image, source))
    carried = carry_both_ways(upright, weight > 0.999, max(2, round(_DEPTH * size_px)))
    for kind in kinds:
        color, far = carried[kind] if kind < len(carried) else blend(*carried)
        back_far = turn.backward(np.where(np.isfinite(far), far, _NOWHERE_PX).astype(np.float32))
        valid = np.asarray(around & (back_far >= 0))
        back = turn.backward(np.where(np.isfinite(far)[..., None], color, upright))
        filled = np.ascontiguousarray(np.where(valid[..., None], back, image)[..., :3])
        own = (np.where(valid & hole, each, 0).astype(np.float32) for each in (back_far, back[..., 3]))
        yield LinePicture(filled, np.asarray(~around | valid), *own)


def _slope_along(image_rgb: ImageRGB, angle_deg: float) -> FloatArray:
    """The squared slope of the lightness in a direction, [H,W], in CIELAB units per px."""
    light = np.ascontiguousarray(cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0])
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.25)
    turn = math.radians(angle_deg)
    return np.asarray((math.cos(turn) * dx + math.sin(turn) * dy) ** 2, np.float32)


def line_pictures(
    image_rgb: ImageRGB, shown: NDArray[np.bool_], hole: NDArray[np.bool_], angles_deg: list[float]
) -> Iterator[LinePicture]:
    """Three pictures for each direction, in the order of `continue_lines`."""
    for angle_deg in angles_deg:
        yield from continue_lines(image_rgb, shown, hole, angle_deg)
