"""Choose the frames from which the background is estimated, and align them.

The frames are spread in time and chosen so that every pixel is far from the person in several of them.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import read_masks
from dancenow.subject.camera_motion import BackgroundView, estimate_camera_motions
from dancenow.subject.exposure import Exposure
from dancenow.types import ImageRGB

MIN_SAMPLES: Final = 3
"""A pixel is known when at least this many of the samples show it."""
GOOD_SAMPLES: Final = 9
"""Samples that the choice of frames tries to give every pixel."""
_MAX_CANDIDATES: Final = 256
_MAX_GAIN: Final = 1.8
"""Samples that need more to reach the reference exposure are noisy, and left out if there are enough others."""
_DARKEST, _BRIGHTEST = 2, 253
"""Levels outside of which a pixel may be clipped."""
_MIN_CLIPPED_CHANGE, _MIN_CLIPPED_FRACTION = 3.0, 0.25
"""A clipped pixel is wrong if it is corrected by this many levels; a pixel of a mask if this fraction of it is."""
_MAX_STILL_SHIFT_PX: Final = 0.3
"""Camera shifts below this, in px of a mask, are within the measurement error."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A frame that may be sampled, with maps in the size of its mask.

    clearance: uint8 [h,w], distance in px of the mask to the person and their shadow, 0 = inside. bare: bool [h,w], not
    hidden by the person, but possibly in their shadow. feet: bool [h,w], around the feet of the person.
    """

    index: int
    clearance: NDArray[np.uint8]
    bare: NDArray[np.bool_]
    feet: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """A sampled frame, with the maps of its `Candidate`."""

    index: int
    image_rgb: ImageRGB
    clearance: NDArray[np.uint8]
    bare: NDArray[np.bool_]
    feet: NDArray[np.bool_]


def candidate_frames(masks: Path, measured: NDArray[np.bool_]) -> list[Candidate]:
    """Select 128 to 256 of the measured frames (all of them if there are fewer), evenly spread over a video."""
    usable = measured if measured.sum() >= MIN_SAMPLES else np.ones_like(measured)
    kept: list[Candidate] = []
    step = 1
    position = -1
    for index, person in _joined_with_neighbors(read_masks(masks)):
        if index >= len(usable) or not usable[index]:
            continue
        position += 1
        if position % step:
            continue
        kept.append(Candidate(index, *_clearance(person)))
        if len(kept) >= _MAX_CANDIDATES:
            kept, step = kept[::2], step * 2
    return kept


def choose_samples(candidates: list[Candidate], count: int) -> list[Candidate]:
    """Choose half of the samples evenly in time, then greedily those that uncover most of the rarely visible pixels."""
    if len(candidates) <= count:
        return candidates
    visible = np.stack([c.clearance[::4, ::4] > 0 for c in candidates])
    return [candidates[i] for i in choose_spread(visible, count)]


def choose_spread(visible: NDArray[np.bool_], count: int) -> list[int]:
    """Numbers of `count` of N samples, in order, chosen as in `choose_samples`. visible: bool [N,h,w]."""
    unused = np.ones(len(visible), bool)
    even = np.unique(np.linspace(0, len(visible) - 1, count // 2).round().astype(int))
    unused[even] = False
    seen = visible[even].sum(axis=0)
    while (~unused).sum() < count:
        missing = np.maximum(0, GOOD_SAMPLES - seen)
        gain = np.where(unused, (visible * missing).sum(axis=(1, 2)), -1)
        if gain.max() <= 0:
            break
        best = int(gain.argmax())
        unused[best] = False
        seen = seen + visible[best]
    return [int(i) for i in np.flatnonzero(~unused)]


def correct_exposure(samples: list[Sample], exposure: Exposure) -> list[Sample]:
    """Bring the samples to the reference exposure, without those that cannot be; clipped pixels count as hidden.

    Pixels that are clipped in almost all samples are used nevertheless. Where the exposure is constant, samples stay unchanged.
    """
    if not exposure.changes:
        return samples
    usable = [sample for sample in samples if exposure.usable[sample.index]] or samples
    good = [sample for sample in usable if exposure.table[sample.index, :, 0].max() <= _MAX_GAIN]
    samples = list(good if len(good) >= GOOD_SAMPLES else usable)
    clipped = np.stack([_clipped(sample, exposure) for sample in samples])
    clear = np.stack([sample.clearance > 0 for sample in samples])
    clipped &= (clear & ~clipped).sum(axis=0) >= MIN_SAMPLES
    for position, (sample, wrong) in enumerate(zip(samples, clipped, strict=True)):
        corrected = exposure.correct(sample.image_rgb, sample.index)
        clearance = np.where(wrong, np.uint8(0), sample.clearance)
        samples[position] = Sample(sample.index, corrected, clearance, sample.bare & ~wrong, sample.feet)
    return samples


def _clipped(sample: Sample, exposure: Exposure) -> NDArray[np.bool_]:
    """bool [h,w], in the size of the mask: where the levels are clipped and the correction would change them."""
    gain, offset = exposure.table[sample.index].T
    changed = [np.abs(gain * level + offset - level) > _MIN_CLIPPED_CHANGE for level in (0, 255)]
    image = sample.image_rgb
    outside = ((image < _DARKEST) & changed[0]) | ((image > _BRIGHTEST) & changed[1])
    size = sample.clearance.shape[::-1]
    fraction = cv2.resize(outside.any(axis=2).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(fraction > _MIN_CLIPPED_FRACTION)


def align_samples(samples: list[Sample]) -> list[Sample]:
    """Warp the samples to the camera position of the middle one. With a still camera they stay unchanged."""
    size = samples[0].clearance.shape[::-1]
    views = []
    for sample in samples:
        small = cv2.resize(sample.image_rgb, size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        views.append(BackgroundView(gray, (sample.clearance > 0).astype(np.uint8) * 255))
    aligned = []
    for sample, motion in zip(samples, estimate_camera_motions(views), strict=True):
        if np.isinf(motion.shift_px):  # another scene, which does not show this background
            nothing = np.zeros_like(sample.bare)
            aligned.append(Sample(sample.index, sample.image_rgb, np.zeros_like(sample.clearance), nothing, nothing))
        elif motion.shift_px > _MAX_STILL_SHIFT_PX:
            aligned.append(_warped(sample, motion.to_view))
        else:
            aligned.append(sample)
    return aligned


def _joined_with_neighbors(masks: Iterator[NDArray[np.uint8]], reach: int = 2) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Join each mask with those of the neighboring frames: repairs frames in which the person was missed or is blurred."""
    window: deque[NDArray[np.uint8]] = deque(maxlen=2 * reach + 1)
    count = 0
    for mask in masks:
        window.append(mask)
        count += 1
        if count > reach:
            yield count - 1 - reach, np.maximum.reduce(list(window))
    for index in range(max(0, count - reach), count):
        yield index, np.maximum.reduce(list(window))


def _clearance(person: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Compute (clearance, bare, feet) of `Candidate`, with a margin for what the mask may miss; clearance 255 = no person."""
    body = (person > 25).astype(np.uint8)
    rows = np.flatnonzero(body.any(axis=1))
    if not len(rows):
        return np.full(person.shape, 255, np.uint8), np.ones(person.shape, bool), np.zeros(person.shape, bool)
    person_height_px = int(rows[-1] - rows[0] + 1)
    feet = body.copy()
    feet[: rows[-1] - person_height_px // 8] = 0
    half_width_px, half_height_px = max(1, round(0.14 * person_height_px)), max(1, round(0.05 * person_height_px))
    shadow = cv2.dilate(feet, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * half_width_px + 1, 2 * half_height_px + 1)))
    distance_px = cv2.distanceTransform(1 - np.maximum(body, shadow).astype(np.uint8), cv2.DIST_L2, 3)
    margin_px = max(3.0, 0.035 * person_height_px)
    outline = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(0.6 * margin_px) + 1,) * 2))
    return np.asarray(np.clip(distance_px - margin_px, 0, 254), np.uint8), outline == 0, shadow > 0


def _warped(sample: Sample, to_view: NDArray[np.float64]) -> Sample:
    """Warp a sample by `to_view`, in px of its clearance; pixels from outside the frame count as hidden."""
    height, width = sample.clearance.shape
    full_height, full_width = sample.image_rgb.shape[:2]
    scale = np.array([full_width / width, full_height / height])
    full = to_view.copy()
    full[:, :2] = to_view[:, :2] * scale[:, None] / scale[None]
    # Pixel centers are at integers: the small frame's (0, 0) is the middle of the large frame's first block.
    full[:, 2] = (to_view[:, 2] + 0.5) * scale - 0.5 - full[:, :2] @ (scale / 2 - 0.5)
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(sample.image_rgb, full, (full_width, full_height), flags=inverse, borderMode=cv2.BORDER_REPLICATE)
    clearance = cv2.warpAffine(sample.clearance, to_view, (width, height), flags=inverse)
    bare, feet = (
        np.asarray(cv2.warpAffine(each.astype(np.uint8) * 255, to_view, (width, height), flags=inverse)) == 255
        for each in (sample.bare, sample.feet)
    )
    return Sample(sample.index, np.asarray(image, np.uint8), np.asarray(clearance, np.uint8), bare, feet)
