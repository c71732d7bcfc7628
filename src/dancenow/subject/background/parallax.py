"""Lay the samples of a mosaic onto each other where one homography does not: near things shift before far ones.

A camera that is carried through a scene sees parallax, and a median of its frames blurs railings and trees. Here each sample
follows the median of all by a smooth displacement, measured by optical flow (DIS, Kroeger et al., 2016), and the median becomes
sharper with each round, as in groupwise registration (Joshi et al., 2004). In the mean over the samples nothing moves.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.background_plate import masked_ranks, samples_far_from_person
from dancenow.subject.background.displacements import Displacements
from dancenow.subject.background.frame_sampling import Sample
from dancenow.types import FloatArray, ImageRGB

FLOW_SIDE_PX: Final = 720
"""Longer side of the pictures in which displacements are measured."""
_ROUNDS: Final = 3
_STEPS: Final = 3
_SHORT_STEP_PX: Final = 0.5
"""Steps in which a far displacement is found, at most, and the mean length of one after which little is left to find."""
_NOISE_LEVELS: Final = 0.5
"""By which the mean difference of pictures may grow when one is moved: that it is resampled alone changes it."""
_SMOOTH: Final = 0.02
"""Standard deviation of the smoothing of displacements, of the longer side."""
_WIDER: Final = 0.03
"""Weight of means that are four times as wide."""
_MOST: Final = 0.1
"""Largest displacement that is believed at once, of the longer side."""
_BODY_REACH: Final = 0.01
"""Around the person nothing is measured, of the longer side."""
_SHARP_EDGE: Final = 24.0
"""Gradient of an edge that tells fully about a displacement, in the units of a Sobel filter."""
_COARSE: Final = 4
"""Px of these pictures per px of displacements that are kept: they are smooth."""
_WORTH: Final = 0.9
"""Samples are moved if then they differ from their median by less than this part of what they did: the flow may be wrong."""
_WORTH_PX: Final = 0.25
"""Mean displacement up to which samples stay as they are."""


def without_parallax(
    samples: list[Sample], area: NDArray[np.bool_], reach_frames: float, store: Callable[[ImageRGB], ImageRGB]
) -> tuple[list[Sample], Displacements | None]:
    """The samples, moved onto each other, and by how much; as they are, and None, if a homography has done that.

    Args:
        samples: in one view; the list is emptied, as moved images replace others. area: bool [H,W], what some sample shows.
        reach_frames: as in `Displacements`. store: where moved images are kept.
    """
    height, width = area.shape
    scale = min(1.0, FLOW_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kept_size = (max(2, size[0] // _COARSE), max(2, size[1] // _COARSE))
    small = [np.asarray(cv2.resize(s.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8) for s in samples]
    shown = cv2.resize(area.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    clearance = [s.clearance for s in samples]
    by: list[FloatArray] = [np.zeros((*kept_size[::-1], 2), np.float32) for _ in samples]
    moved = small
    median, known = masked_ranks(moved, samples_far_from_person(np.stack(clearance), shown))
    before = _disagreement(moved, median, known, clearance)
    for number in range(_ROUNDS):
        lengths_px = []
        for i, (image, each) in enumerate(zip(moved, clearance, strict=True)):
            visible = known & (cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) > 0)
            found = displacement(image, median, visible)
            lengths_px += [float(np.linalg.norm(found[visible], axis=1).mean()) / scale] if visible.any() else []
            by[i] = follow(by[i], resized(found, kept_size))
        if number == 0 and (not lengths_px or np.mean(lengths_px) < _WORTH_PX):
            return list(samples), None
        mean = np.mean(by, axis=0, dtype=np.float32)
        by = [each - mean for each in by]
        moved = [move(image, resized(each, size)) for image, each in zip(small, by, strict=True)]
        clearance = [_move_map(sample.clearance, each) for sample, each in zip(samples, by, strict=True)]
        median, known = masked_ranks(moved, samples_far_from_person(np.stack(clearance), shown))
    if _disagreement(moved, median, known, clearance) > _WORTH * before:
        return list(samples), None
    displacements = Displacements.of_fields([s.index for s in samples], by, width, height, reach_frames)
    return [_moved(samples.pop(0), each, store) for each in by], displacements


def _disagreement(
    images: list[ImageRGB], median: ImageRGB, known: NDArray[np.bool_], clearance: list[NDArray[np.uint8]]
) -> float:
    """Mean difference, in levels, between images and their median where they show the background."""
    size = known.shape[::-1]
    errors = []
    for image, each in zip(images, clearance, strict=True):
        visible = known & (cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) > 0)
        if visible.any():
            errors.append(float(cv2.absdiff(image, median)[visible].mean()))
    return float(np.mean(errors)) if errors else 0.0


def displacement(image: ImageRGB, fixed: ImageRGB, visible: NDArray[np.bool_]) -> FloatArray:
    """The smooth displacement float32 [H,W,2] in px by which an image shows what `fixed` does: fixed[p] is like image[p + d].

    visible: bool [H,W], where both show the background; elsewhere it is that of the surroundings.
    """
    gray = [np.asarray(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), np.uint8) for each in (fixed, image)]
    found = np.zeros((*gray[0].shape, 2), np.float32)
    found = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(gray[0], gray[1], found)
    height, width = visible.shape
    side = max(height, width)
    reach = np.ones((2 * round(_BODY_REACH * side) + 1,) * 2, np.uint8)
    weight = cv2.erode(visible.astype(np.uint8), reach).astype(np.float32) * _texture(gray[0])
    x, y = cv2.split(found)
    weight[np.maximum(np.abs(x), np.abs(y)) >= _MOST * side] = 0
    size = (max(2, width // _COARSE), max(2, height // _COARSE))
    values = cv2.resize(cv2.merge([x * weight, y * weight, weight]), size, interpolation=cv2.INTER_AREA)
    # Wider means count where narrower ones have nothing.
    sums: FloatArray = np.zeros((*values.shape,), np.float32)
    for share, factor in ((1.0, 1), (_WIDER, 4), (_WIDER**2, 16)):
        sums = sums + share * cv2.GaussianBlur(values, (0, 0), _SMOOTH * factor * max(size))
    smooth = np.asarray(sums[..., :2] / (sums[..., 2:] + 1e-9), np.float32)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def far_displacement(
    image: ImageRGB, fixed: ImageRGB, shown: NDArray[np.bool_], known: NDArray[np.bool_], steps: int = _STEPS
) -> FloatArray | None:
    """`displacement`, found in steps: an image that is moved shows more of what is near.

    shown, known: bool [H,W], where the image and the fixed one show the background. None if the image then looks less alike, or
    if both show nothing in one place.
    """
    by: FloatArray = np.zeros((*known.shape, 2), np.float32)
    moved, visible = image, np.asarray(known & shown)
    for _ in range(steps):
        if not visible.any():
            return None
        step = displacement(moved, fixed, visible)
        by = follow(by, step)
        there = cv2.remap(shown.astype(np.uint8), *_places(by), cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
        moved, short = move(image, by), float(np.abs(step[visible]).mean()) < _SHORT_STEP_PX
        visible = np.asarray(known & there)
        if short:
            break
    if not visible.any():
        return None
    before, after = (float(cv2.absdiff(each, fixed)[visible].mean()) for each in (image, moved))
    return by if after <= before + _NOISE_LEVELS else None


def follow(by: FloatArray, then: FloatArray) -> FloatArray:
    """The displacement of an image that was moved by `by` and has to move by `then`, both [H,W,2]."""
    there = cv2.remap(by, *_places(then), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(then + there, np.float32)


def move(image: NDArray[np.uint8], by: FloatArray) -> NDArray[np.uint8]:
    """An image whose px p shows what was at p + by[p]; by: float32 [H,W,2]."""
    return np.asarray(cv2.remap(image, *_places(by), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def resized(by: FloatArray, size: Sequence[int]) -> FloatArray:
    """A displacement in px of a picture of another width and height."""
    width, height = size
    factor = np.array([width / by.shape[1], height / by.shape[0]], np.float32)
    kernel = cv2.INTER_AREA if width < by.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(by, (width, height), interpolation=kernel) * factor, np.float32)


def _moved(sample: Sample, by: FloatArray, store: Callable[[ImageRGB], ImageRGB]) -> Sample:
    """A sample moved by a displacement of another size."""
    image = move(np.asarray(sample.image_rgb), resized(by, sample.image_rgb.shape[1::-1]))
    bare, feet = (_move_map(each.astype(np.uint8), by) > 0 for each in (sample.bare, sample.feet))
    return replace(sample, image_rgb=store(image), clearance=_move_map(sample.clearance, by), bare=bare, feet=feet)


def _move_map(values: NDArray[np.uint8], by: FloatArray) -> NDArray[np.uint8]:
    places = _places(resized(by, values.shape[::-1]))
    return np.asarray(cv2.remap(values, *places, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _places(by: FloatArray) -> tuple[FloatArray, FloatArray]:
    height, width = by.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x + by[..., 0], y + by[..., 1]


def _texture(gray: NDArray[np.uint8]) -> FloatArray:
    """How much a picture tells about displacements, float32 [H,W] in [0,1]: nothing on plain walls."""
    soft = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.5)
    edges = cv2.magnitude(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    return np.asarray(np.minimum(edges / _SHARP_EDGE, 1) ** 2, np.float32)
