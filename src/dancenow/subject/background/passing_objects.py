"""Round things that pass in front of a dancer, such as a ball, although the dancer's mask takes them for a part of the body.

Every spot of the body, by the pose, has a usual color in a video. What differs from it, is round, and too thick for a hand or a
foot, is something else. Heads are left out: they show hair where the face was when they turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX, LIMBS
from dancenow.types import FloatArray, ImageRGB, Pose

_SIZE_PX: Final = 160
"""People are made as large before they are looked at."""
_ALONG, _ACROSS = 8, 7
"""Spots along and across a bone."""
_SPOT_WIDTH: Final = 0.035
"""Width of a spot; this and all below are fractions of the person's size."""
_CELLS: Final = len(LIMBS) * _ALONG * _ACROSS
_MIN_FRAMES: Final = 10
_MIN_LEVELS: Final = 30.0
"""Difference to the usual color, beyond three times its spread, that shows something else."""
_MIN_RADIUS: Final = 0.035
_MAX_RADIUS: Final = 0.11
_MIN_ROUNDNESS: Final = 0.7
"""Area of the object by that of the circle around it."""
_MIN_SHARE: Final = 0.2
"""Least share of the frames in which it must be seen, alike in color and size: a fold, a shadow or a hand is not taken for
it."""
_ALIKE_LEVELS: Final = 20.0
"""Difference of its color in two frames. A ball: under 12; a hand and a face in the light of a gym: up to 50."""
_OWN_LEVELS: Final = 45.0
"""What differs by less from the color of the object may be a part of it."""
_RIM_PX: Final = 1.2
"""What is taken off around it, in px of a person of `_SIZE_PX`: colors are compared after a blur."""
_SMALLER, _LARGER = 0.7, 1.5
"""How much its radius may differ from the usual one."""
_MIN_BEFORE_BODY: Final = 0.002
"""Least part that lies in the person's mask; fraction of the squared size."""
_HEAD_RADIUS: Final = 0.1
_HEAD: Final = [index for name, index in INDEX.items() if name == "nose" or name.endswith(("eye", "ear"))]
_Image = NDArray[np.uint8]
_Map = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PassingObject:
    """A round thing that is seen again and again. usual: colors of the body. lab: float32 [3], its own. radius: fraction of the
    person's size.
    """

    usual: "_UsualColors"
    lab: FloatArray
    radius: float

    @classmethod
    def learn(cls, frames: Iterable[tuple[ImageRGB, _Image, Pose]]) -> Self | None:
        """From some frames uint8 [H,W,3] with masks uint8 of any size and poses in frame px; None if there is no such thing."""
        people = []
        for image_rgb, mask, pose in frames:
            person = np.asarray(cv2.resize(mask, image_rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
            x, y, width, height = cv2.boundingRect((person > 64).view(np.uint8))
            if width:
                part, corner = np.s_[y : y + height, x : x + width], np.array([x, y], np.float32)
                moved = Pose(pose.xy - corner, pose.confidence)
                people.append(_Small.of(image_rgb[part], person[part], moved, max(width, height)))
        if len(people) < _MIN_FRAMES:
            return None
        usual = _UsualColors.of(people)
        radii, colors, numbers = list[float](), list[FloatArray](), list[int]()
        for number, seen in enumerate(people):
            unusual = usual.missing_in(seen)
            for outline in _round_things(unusual, _MIN_RADIUS, _MAX_RADIUS):
                if not seen.is_head(outline):
                    radii.append(cv2.minEnclosingCircle(outline)[1] / _SIZE_PX)
                    colors.append(np.median(seen.lab[_inside(outline, unusual.shape) & unusual], axis=0))
                    numbers.append(number)
        if not numbers:
            return None
        lab, radius = np.asarray(np.median(colors, axis=0), np.float32), float(np.median(radii))
        is_alike = (np.linalg.norm(np.array(colors) - lab, axis=1) < _ALIKE_LEVELS) & _is_as_large(np.array(radii), radius)
        if len(set(np.array(numbers)[is_alike].tolist())) < _MIN_SHARE * len(people):
            return None
        return cls(usual, lab, radius)

    def alpha(self, image_rgb: ImageRGB, person: _Image, other: FloatArray, pose: Pose, size_px: int) -> FloatArray | None:
        """Where it is in front of the person, float32 [h,w]; None if it is not.

        person: the mask, uint8 [h,w]. other: how surely each pixel beside the person shows something else, float32 [h,w].
        """
        seen = _Small.of(image_rgb, person, pose, size_px)
        alike = np.linalg.norm(cv2.blur(seen.lab, (3, 3)) - self.lab, axis=2) < _OWN_LEVELS
        before = (self.usual.missing_in(seen) | alike) & (seen.person > 100)
        beside = (cv2.resize(other, seen.person.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5) & (seen.person <= 100)
        found = np.zeros(person.shape, np.uint8)
        for outline in _round_things(before | beside, _SMALLER * self.radius, _LARGER * self.radius):
            inside = _inside(outline, before.shape)
            is_it = np.linalg.norm(np.median(seen.lab[inside], axis=0) - self.lab) < _OWN_LEVELS
            if is_it and (inside & before).sum() > _MIN_BEFORE_BODY * _SIZE_PX**2:
                (x, y), radius_px = cv2.minEnclosingCircle(outline)
                middle = np.array([x, y])
                hull = middle + (cv2.convexHull(outline) - middle) * max(0.0, 1 - _RIM_PX / radius_px)
                hull = (hull + 0.5) * (size_px / _SIZE_PX) - 0.5
                cv2.fillConvexPoly(found, hull.round().astype(np.int32), 255)
        if not found.any():
            return None
        return np.asarray(cv2.GaussianBlur(found.astype(np.float32) / 255, (0, 0), 1.0), np.float32)


@dataclass(frozen=True, eq=False)
class _UsualColors:
    """lab, spread: float32 [C,3], the median color of each spot of a body, and how far the median frame is from it."""

    lab: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, people: list["_Small"]) -> Self:
        found = []
        for seen in people:
            cells, lab = seen.cells[seen.person > 200], seen.lab[seen.person > 200]
            count = np.bincount(cells, minlength=_CELLS)
            total = np.stack([np.bincount(cells, lab[:, channel], minlength=_CELLS) for channel in range(3)], axis=1)
            found.append(np.where(count[:, None] >= 3, total / np.maximum(count, 1)[:, None], np.nan))
        colors = np.stack(found)
        is_seen = np.isfinite(colors).any(axis=0)
        colors[:, ~is_seen] = 0
        usual = np.nanmedian(colors, axis=0)
        spread = np.where(is_seen, np.nanmedian(np.abs(colors - usual), axis=0), 255)
        return cls(usual.astype(np.float32), spread.astype(np.float32))

    def missing_in(self, seen: "_Small") -> _Map:
        """What is in the person's mask and does not have the usual color, bool [h,w]."""
        difference = np.abs(cv2.blur(seen.lab, (3, 3)) - self.lab[seen.cells]) - 3 * self.spread[seen.cells]
        return np.asarray((np.linalg.norm(np.maximum(difference, 0), axis=2) > _MIN_LEVELS) & (seen.person > 100))


@dataclass(frozen=True, eq=False)
class _Small:
    """A picture whose person is `_SIZE_PX` large. cells: int [h,w], the nearest spot of the body. lab: float32 [h,w,3]."""

    lab: FloatArray
    person: _Image
    cells: NDArray[np.int64]
    xy: FloatArray

    @classmethod
    def of(cls, image_rgb: ImageRGB, person: _Image, pose: Pose, size_px: int) -> Self:
        scale = _SIZE_PX / size_px
        size = tuple(max(1, round(side * scale)) for side in person.shape[::-1])
        image, mask = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (image_rgb, person))
        lab = cv2.cvtColor(np.asarray(image, np.uint8), cv2.COLOR_RGB2LAB).astype(np.float32)
        xy = np.asarray(pose.xy * scale, np.float32)
        return cls(lab, np.asarray(mask, np.uint8), _nearest_cells(xy, size), xy)

    def is_head(self, outline: NDArray[np.int32]) -> bool:
        """Whether an outline lies where the head is."""
        middle, _ = cv2.minEnclosingCircle(outline)
        return float(np.linalg.norm(self.xy[_HEAD] - np.array(middle), axis=1).min()) < _HEAD_RADIUS * _SIZE_PX


def _nearest_cells(xy: FloatArray, size: tuple[int, ...]) -> NDArray[np.int64]:
    """The spot of the nearest bone for each pixel, int [h,w]."""
    x, y = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size))
    nearest, cells = np.full(x.shape, np.inf, np.float32), np.zeros(x.shape, np.int64)
    for bone, (start, end) in enumerate(LIMBS):
        direction = xy[end] - xy[start]
        length = max(float(np.linalg.norm(direction)), 1.0)
        (along_x, along_y), (from_x, from_y) = direction / length, (x - xy[start][0], y - xy[start][1])
        along, across = from_x * along_x + from_y * along_y, from_y * along_x - from_x * along_y
        away = np.hypot(along - np.clip(along, 0, length), across)
        step = np.clip(along / length * _ALONG, 0, _ALONG - 1).astype(np.int64)
        side = np.clip(np.rint(across / (_SPOT_WIDTH * _SIZE_PX)) + _ACROSS // 2, 0, _ACROSS - 1).astype(np.int64)
        is_nearer = away < nearest
        nearest[is_nearer] = away[is_nearer]
        cells[is_nearer] = ((bone * _ALONG + step) * _ACROSS + side)[is_nearer]
    return cells


def _round_things(shown: _Map, min_radius: float, max_radius: float) -> list[NDArray[np.int32]]:
    """The outlines of the round things in a map; radii: fractions of the person's size."""
    closed = cv2.morphologyEx(shown.astype(np.uint8), cv2.MORPH_CLOSE, _disc(0.5 * _MIN_RADIUS))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(min_radius))
    outlines = []
    for outline in cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        _, radius_px = cv2.minEnclosingCircle(outline)
        if cv2.contourArea(outline) > _MIN_ROUNDNESS * np.pi * radius_px**2 and radius_px <= max_radius * _SIZE_PX:
            outlines.append(np.asarray(outline, np.int32))
    return outlines


def _is_as_large(radii: NDArray[np.float64], radius: float) -> _Map:
    return np.asarray((radii > _SMALLER * radius) & (radii < _LARGER * radius))


def _inside(outline: NDArray[np.int32], shape: tuple[int, ...]) -> _Map:
    return np.asarray(cv2.drawContours(np.zeros(shape, np.uint8), [outline], -1, 1, cv2.FILLED) > 0)


def _disc(radius: float) -> _Image:
    """A structuring element; radius: fraction of the person's size."""
    side = 2 * round(radius * _SIZE_PX) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
