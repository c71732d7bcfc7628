"""Pictures of a dance made steadier: each is averaged with its neighbours in time along their motion, where they agree.

Every picture is made by itself from its own pose, so what the pose leaves open trembles: seams, folds, the rim. Averaging along
the motion, as video is denoised (Buades, Lisani and Miladinovic, 2016), takes a part of that away; where limbs cross or the
motion is not found the neighbours do not agree, and the picture stays as it is. Nothing is fed back, so nothing drifts.
"""

from collections import abc
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.motion import sample_at_offset

Picture = NDArray[np.float32]
Box = tuple[slice, slice]
Place = TypeVar("Place")

WEIGHT: Final = 0.5
"""Of either neighbour, where it agrees; the picture itself has 1."""
AGREEING: Final = 8.0
"""Grey levels by which a neighbour differs where a third of its weight is left."""
_MOTION_PX: Final = 256
"""The longer side at which motion is looked for."""
_AROUND_PX: Final = 1.5
_HARDLY: Final = 0.01
"""Alpha below which nothing is seen."""
_LEAST: Final = np.float32(1e-4)
"""Alpha by which colours are divided at least."""
_TO_GREY: Final = np.array([[1 / 3, 1 / 3, 1 / 3, 0]], np.float32)
_MEAN: Final = np.full((1, 4), 1 / 4, np.float32)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture as it is compared: colour times alpha and alpha [S,S,4], and small in grey, uint8."""

    rgba: Picture
    premultiplied: Picture
    grey: NDArray[np.uint8]

    @classmethod
    def of(cls, rgba: Picture) -> Self:
        premultiplied = rgba * rgba[..., 3:]
        premultiplied[..., 3] = rgba[..., 3]
        light = cv2.transform(premultiplied, _TO_GREY)
        small = min(len(rgba), _MOTION_PX)
        if small < len(rgba):
            light = cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA)
        return cls(rgba, premultiplied, np.asarray(cv2.convertScaleAbs(light, alpha=127.5, beta=127.5), np.uint8))


def filter_temporal(
    pictures: abc.Generator[tuple[Place, Picture | None]],
) -> abc.Generator[tuple[Place, Picture | None]]:
    """The same pictures, each one later than it comes: RGBA float32 [S,S,4], colour in [-1,1] and alpha in [0,1]; None where
    nobody is, and then the next one has no neighbour. `pictures` is closed with this."""
    before: _Seen | None = None
    now: tuple[Place, _Seen | None] | None = None
    finder = _motion_finder()
    with closing(pictures):
        for place, picture in pictures:
            after = None if picture is None else _Seen.of(picture)
            if now is not None:
                yield now[0], _averaged(now[1], (before, after), finder)
                before = now[1]
            now = place, after
        if now is not None:
            yield now[0], _averaged(now[1], (before,), finder)


def _averaged(picture: _Seen | None, neighbours: Sequence[_Seen | None], finder: cv2.DISOpticalFlow) -> Picture | None:
    """A picture and what its neighbours show of the same points, where they agree with it."""
    near = [each for each in neighbours if each is not None]
    if picture is None or not near:
        return None if picture is None else picture.rgba
    box = _box(picture.rgba[..., 3])
    if box is None:
        return picture.rgba
    own, corner = picture.premultiplied[box], np.array([box[1].start, box[0].start], np.float32)
    total, weight = own.copy(), np.ones(own.shape[:2], np.float32)
    for other in near:
        to_other = _motion(finder, picture.grey, other.grey, len(picture.rgba))[box] + corner
        moved = sample_at_offset(other.premultiplied, to_other)
        change = cv2.GaussianBlur(cv2.transform(cv2.absdiff(moved, own), _MEAN), (0, 0), _AROUND_PX)
        share = np.float32(WEIGHT) * cv2.exp(-np.square(change * np.float32(127.5 / AGREEING)))
        total += moved * share[..., None]
        weight += share
    alpha = (total[..., 3] / weight).clip(0, 1)
    total *= (1 / (weight * np.maximum(alpha, _LEAST)))[..., None]
    made = picture.rgba.copy()
    np.clip(total, -1, 1, out=made[box])
    made[box][..., 3] = alpha
    return made


def _box(alpha: Picture) -> Box | None:
    """Rows and columns around all that is seen; None where nothing is."""
    left, top, width, height = cv2.boundingRect((alpha > _HARDLY).view(np.uint8))
    return (slice(top, top + height), slice(left, left + width)) if width else None


def _motion_finder() -> cv2.DISOpticalFlow:
    """DIS (Kroeger et al., 2016) without its last refinement, which takes half of its time and makes nothing steadier."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setVariationalRefinementIterations(0)
    return dis


def _motion(finder: cv2.DISOpticalFlow, own: NDArray[np.uint8], other: NDArray[np.uint8], size: int) -> Picture:
    """From every pixel of `own` to where its point is in `other`, float32 [size,size,2] px."""
    flow = finder.calc(own, other, np.zeros((*own.shape, 2), np.float32))
    if len(own) != size:
        flow = cv2.resize(flow, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(size / len(own))
    return np.asarray(flow, np.float32)
