"""What a frame shows, region by region, on a coarse grid: light and trust of the background, trimap, colors of the person."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.matte.background_match import (
    MIN_SHADE,
    MIN_SHADE_AT_FEET,
    BackgroundMatch,
    match_background,
    relit,
)
from dancenow.subject.matte.color_sampling import nearest_colors, spread
from dancenow.subject.matte.mixing import dot
from dancenow.subject.matte.regions import OUTSIDE_DETAILS, Regions, distance_outside, find_regions
from dancenow.types import FloatArray, ImageRGB

_DETECTOR_PX: Final = 256
_DETECTOR_REGION: Final = 1.25
"""Side of the square that the detector looks at, relative to the person, and its side in px."""
_GRID_PER_DETAIL: Final = 1.5
"""The coarse grid has about this many px per px of the detector's mask."""
_FEET: Final = (0.16, 0.10)
"""Shadows of the feet begin gradually between these heights, as fractions of the person's size."""
_CONTRAST_RADII: Final = (2.0, 5.0)
"""In px of the detector, how far around a pixel the person's colors are compared with the background."""


@dataclass(frozen=True, eq=False)
class View:
    """The part of a frame around the person.

    frame, plate: uint8 [h,w,3], both sides multiples of `step`. mask: uint8 [h,w], the detector's. known: bool [h,w].
    person_px: the longer side of the person. step: px of the frame per px of the coarse grid.
    """

    frame: ImageRGB
    mask: NDArray[np.uint8]
    plate: ImageRGB
    known: NDArray[np.bool_]
    person_px: int
    step: int

    @property
    def detail_px(self) -> float:
        """A px of the detector's mask, in px of the frame."""
        return _DETECTOR_REGION * self.person_px / _DETECTOR_PX


@dataclass(frozen=True, eq=False)
class Analysis:
    """Maps on the coarse grid [h,w].

    image: [h,w,3], the frame. match, regions: see there. least_shade: the darkest shadow that may lie on the background, as a
    factor. nearest_person, average_person: [h,w,3] colors of the person nearby. nearest_background: [h,w,3], of the frame.
    distance: in px of the detector, to the nearer of the sampled colors. contrast: the least squared difference between the
    background here, or a shadow on it, and the person's colors nearby. scatter: variance of the frame's background around here,
    summed over the channels.
    """

    image: FloatArray
    match: BackgroundMatch
    regions: Regions
    least_shade: FloatArray
    nearest_person: FloatArray
    average_person: FloatArray
    nearest_background: FloatArray
    distance: FloatArray
    contrast: FloatArray
    scatter: FloatArray


def grid_step(person_px: int) -> int:
    """px of the frame per px of the coarse grid, for a person of this size."""
    return max(1, round(_DETECTOR_REGION * person_px / _DETECTOR_PX / _GRID_PER_DETAIL))


def analyze(view: View) -> Analysis | None:
    """Analyze a frame; None if nothing in it is surely the person."""
    step = view.step
    height, width = (side // step for side in view.mask.shape)
    detail = view.detail_px / step

    def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    image, plate = (shrink(each).astype(np.float32) for each in (view.frame, view.plate))
    mask, known = shrink(view.mask), shrink(view.known.view(np.uint8) * np.uint8(255)) * np.float32(1 / 255)
    away = distance_outside(mask)
    least_shade = np.repeat(_least_shade(mask, view.person_px / step)[:, None], width, axis=1)
    match = match_background(
        image, plate, known, away > OUTSIDE_DETAILS * detail, least_shade,
        sampled=(view.frame[::step, ::step], view.plate[::step, ::step]), frame_px=step, detail_px=detail,
    )  # fmt: skip
    regions = find_regions(mask, away, match, detail)
    outside = ~(regions.band | regions.person)
    if not regions.person.any() or not outside.any():
        return None
    nearest_person, to_person = nearest_colors(image, regions.colored)
    average_person = spread(image, regions.colored.astype(np.float32), 4 * detail)
    nearest_background, to_background = nearest_colors(image, outside)
    contrast = _contrast(nearest_person, relit(plate, match.gain), least_shade, regions.band, detail)
    distance = np.asarray(np.minimum(to_person, to_background) / detail, np.float32)
    visible = outside.astype(np.float32)
    mean = spread(image, visible, 3 * detail)
    square = spread(np.asarray(cv2.transform(image * image, np.ones((1, 3), np.float32)), np.float32), visible, 3 * detail)
    scatter = np.maximum(square - np.asarray(cv2.transform(mean * mean, np.ones((1, 3), np.float32)), np.float32), 0)
    return Analysis(
        image, match, regions, least_shade, nearest_person, average_person, nearest_background, distance, contrast, scatter
    )


def _least_shade(mask: NDArray[np.uint8], person_px: float) -> FloatArray:
    """The darkest shadow that may lie in each row, float32 [h]: dark ones begin at the feet."""
    rows = np.flatnonzero((mask > 128).any(axis=1))
    feet_y = rows[-1] if len(rows) else len(mask)
    above = (feet_y - np.arange(len(mask), dtype=np.float32)) / np.float32(person_px)
    at_feet = np.clip((_FEET[0] - above) / np.float32(_FEET[0] - _FEET[1]), 0, 1)
    return np.asarray(MIN_SHADE + (MIN_SHADE_AT_FEET - MIN_SHADE) * at_feet, np.float32)


def brightest_shade(least_shade: FloatArray) -> FloatArray:
    """The brightest factor of the background: above 1 where its own color may have been seen in the shadow of the feet."""
    return np.asarray(1 + np.float32(0.5) * (np.float32(MIN_SHADE) - least_shade), np.float32)


def _contrast(
    person: FloatArray, background: FloatArray, least_shade: FloatArray, band: NDArray[np.bool_], detail: float
) -> FloatArray:
    """`Analysis.contrast`: compares with the colors in eight directions at two distances."""
    height, width = band.shape
    rows, columns = np.nonzero(band)
    behind = np.ascontiguousarray(background[rows, columns].T)
    darkest = least_shade[rows, columns]
    brightest, per_square = brightest_shade(darkest), 1 / np.maximum(dot(behind, behind), 1)
    least = np.full(len(rows), np.inf, np.float32)
    for radius in _CONTRAST_RADII:
        for angle in np.arange(8) * (np.pi / 4):
            y = np.clip(rows + round(radius * detail * np.sin(angle)), 0, height - 1)
            x = np.clip(columns + round(radius * detail * np.cos(angle)), 0, width - 1)
            color = np.ascontiguousarray(person[y, x].T)
            rest = color - np.clip(dot(color, behind) * per_square, darkest, brightest) * behind
            least = np.minimum(least, dot(rest, rest))
    contrast = np.zeros(band.shape, np.float32)
    contrast[band] = least
    return contrast
