"""The background without the person, from a video of a still camera: a masked median over frames spread in time.

After the temporal median of classic background subtraction, but every pixel takes only frames in which the person is far
from it, so that neither the person nor the shadow at their feet leaves a ghost; longer shadows are taken off (see `shade`).
What was seen only beside the person, in their shadow, gives its pattern but not its light: that is carried in from around it,
as in gradient-domain editing (Perez, Gangnet and Blake, 2003); what was never seen is filled smoothly.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoInput, VideoSource, open_video, read_masks
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.background.shadow_removal import BRIGHT_PERCENTS, FullLight, remove_shadow
from dancenow.subject.camera_motion import BackgroundView, estimate_camera_motions
from dancenow.types import Frame, ImageRGB, Plate

_MEMORY_BYTES: Final = 300_000_000
"""The sampled frames together are kept below this."""
_MOST_SAMPLES: Final = 64
_FEWEST_SAMPLES: Final = 12
_MOST_CANDIDATES: Final = 256
_ENOUGH: Final = 3
"""A pixel is known when at least this many of the samples show it."""
_GOOD: Final = 9
"""Samples that the choice of frames tries to give every pixel."""

_STILL_PX: Final = 0.3
"""Camera shifts below this, in px of a mask, are within the error of measuring them."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A frame that may be sampled. clearance: uint8 [h,w] px of the mask away from the person and their shadow, 0 = within;
    bare: bool [h,w], not hidden by the person, though perhaps shaded by them. feet: bool [h,w], around their feet."""

    index: int
    clearance: NDArray[np.uint8]
    bare: NDArray[np.bool_]
    feet: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Sample:
    """A frame, and what of it is clear, bare and around feet, as in `_Candidate`."""

    image_rgb: ImageRGB
    clearance: NDArray[np.uint8]
    bare: NDArray[np.bool_]
    feet: NDArray[np.bool_]


def estimate_plate(
    video: VideoInput, masks: Path, measured: NDArray[np.bool_], *, on_progress: ProgressCallback = ignore_progress
) -> Plate:
    """The clean background of `video`, in its size, and where it was really seen.

    video: filmed with a still camera. masks: by `MaskWriter`, one per frame, 255 = person, of any size. measured: bool [T],
    the frames in which the person was found; the mask of any other frame is empty though they may well be in view, so it is
    used only if there are hardly any others. Memory does not depend on the length: at most 64 frames, and at most 300 MB
    of them, are held.

    Raises:
        UserError: the video or the masks cannot be read, or have no frame in common.
    """
    source = open_video(video)
    estimator = PlateEstimator(source, masks, measured, on_progress)
    source.feed(estimator)
    return estimator.estimate()


class PlateEstimator:
    """Estimates the plate from the sampled frames that `VideoSource.feed` gives it; else as `estimate_plate`."""

    def __init__(
        self, source: VideoSource, masks: Path, measured: NDArray[np.bool_], on_progress: ProgressCallback = ignore_progress
    ) -> None:
        frame_bytes = source.info.width_px * source.info.height_px * 3
        count = int(np.clip(_MEMORY_BYTES // frame_bytes, _FEWEST_SAMPLES, _MOST_SAMPLES))
        self._chosen = {candidate.index: candidate for candidate in _choose(_candidates(masks, measured), count)}
        self._samples: list[_Sample] = []
        self._source, self._masks, self._on_progress = source, masks, on_progress

    @property
    def indices(self) -> Collection[int]:
        """Numbers of the frames to sample."""
        return self._chosen.keys()

    def take(self, frame: Frame) -> None:
        """Keep a sampled frame."""
        candidate = self._chosen[frame.index]
        self._samples.append(_Sample(frame.image_rgb, candidate.clearance, candidate.bare, candidate.feet))
        self._on_progress(Progress("background", len(self._samples), len(self._chosen) + 1))

    def estimate(self) -> Plate:
        """The plate, once all frames were taken. Raises UserError if the masks and the video have no frame in common."""
        if not self._samples:
            raise InputError(f"{self._masks} does not belong to {self._source}; run `dancenow prepare` again.")
        samples = _aligned(self._samples)
        images, bare = [s.image_rgb for s in samples], np.stack([s.bare for s in samples])
        median, known = _masked_order(images, _farthest(np.stack([s.clearance for s in samples])))
        light = _full_light(images, bare, np.stack([s.feet for s in samples]))
        # Once for what is known, whose light the rest takes on, and once for the rest.
        plate = Plate(remove_shadow(_filled(remove_shadow(median, light), known, images, bare), light), known)
        self._on_progress(Progress("background", len(self._chosen) + 1, len(self._chosen) + 1))
        return plate


def _full_light(images: list[NDArray[np.uint8]], bare: NDArray[np.bool_], feet: NDArray[np.bool_]) -> FullLight:
    """In the size of the masks, known where enough samples lie bare. bare, feet: bool [N,h,w], as in `_Candidate`."""
    size = bare.shape[:0:-1]
    small = [np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    enough = bare.sum(axis=0) >= min(_ENOUGH, len(bare))
    bright, seen = _masked_order(small, bare & enough, BRIGHT_PERCENTS)
    return FullLight(bright, seen, np.asarray(feet.any(axis=0)))


def _filled(
    median: NDArray[np.uint8], known: NDArray[np.bool_], images: list[NDArray[np.uint8]], bare: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The median where it is `known`; elsewhere what lies bare in some of the images, in the light of what is known around.

    bare: bool [N,h,w]. That light is the difference of the two, bridged smoothly from where both are there.
    """
    rows = np.flatnonzero(~known.all(axis=1))
    if not len(rows) or not known.any():
        return median
    enough = bare.sum(axis=0) >= min(_ENOUGH, len(bare))
    # Around the holes only: the median is what costs.
    margin = median.shape[0] // 16
    part = slice(max(0, rows[0] - margin), rows[-1] + 1 + margin)
    places = (np.arange(median.shape[0]) * bare.shape[1]) // median.shape[0]
    shaded, seen = _masked_order([image[part] for image in images], (bare & enough)[:, places[part]])
    if not seen.any():
        return fill_smoothly(median, known)
    pattern = _membrane(shaded.astype(np.float32), seen.astype(np.float32))
    both = (known[part] & seen).astype(np.float32)
    light = _membrane(median[part].astype(np.float32) - pattern, both) if both.any() else np.zeros_like(pattern)
    out = median.copy()
    there = np.clip(np.rint(pattern + light), 0, 255).astype(np.uint8)
    out[part] = np.where(known[part][..., None], median[part], there)
    return out


def fill_smoothly(image_rgb: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """image_rgb uint8 [H,W,3] with the pixels that are not `known` [H,W] bridged as a membrane (Laplace, multigrid)."""
    if known.all() or not known.any():
        return image_rgb
    filled = _membrane(image_rgb.astype(np.float32), known.astype(np.float32))
    return np.where(known[..., None], image_rgb, np.clip(np.rint(filled), 0, 255).astype(np.uint8))


def _candidates(masks: Path, measured: NDArray[np.bool_]) -> list[_Candidate]:
    """Between 128 and 256 of the measured frames (or all of them) evenly spread over a video."""
    usable = measured if measured.sum() >= _ENOUGH else np.ones_like(measured)
    kept: list[_Candidate] = []
    step = 1
    place = -1
    for index, person in _with_neighbours(read_masks(masks)):
        if index >= len(usable) or not usable[index]:
            continue
        place += 1
        if place % step:
            continue
        kept.append(_Candidate(index, *_clearance(person)))
        if len(kept) >= _MOST_CANDIDATES:
            kept, step = kept[::2], step * 2
    return kept


def _with_neighbours(masks: Iterator[NDArray[np.uint8]], reach: int = 2) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Each mask joined with those of the frames around it: mends frames in which the person was overlooked, or is blurred."""
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
    """(clearance, bare, feet) of `_Candidate`: the person is the outline and what it may miss; clearance 255 = nobody."""
    body = (person > 25).astype(np.uint8)
    rows = np.flatnonzero(body.any(axis=1))
    if not len(rows):
        return np.full(person.shape, 255, np.uint8), np.ones(person.shape, bool), np.zeros(person.shape, bool)
    tall_px = int(rows[-1] - rows[0] + 1)
    feet = body.copy()
    feet[: rows[-1] - tall_px // 8] = 0
    wide, high = max(1, round(0.14 * tall_px)), max(1, round(0.05 * tall_px))
    shadow = cv2.dilate(feet, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * wide + 1, 2 * high + 1)))
    away_px = cv2.distanceTransform(1 - np.maximum(body, shadow).astype(np.uint8), cv2.DIST_L2, 3)
    margin_px = max(3.0, 0.035 * tall_px)
    outline = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(0.6 * margin_px) + 1,) * 2))
    return np.asarray(np.clip(away_px - margin_px, 0, 254), np.uint8), outline == 0, shadow > 0


def _choose(candidates: list[_Candidate], count: int) -> list[_Candidate]:
    """Half of the samples evenly in time; the others one by one where they uncover most of what is seen too seldom."""
    if len(candidates) <= count:
        return candidates
    visible = np.stack([c.clearance[::4, ::4] > 0 for c in candidates])
    left = np.ones(len(candidates), bool)
    even = np.unique(np.linspace(0, len(candidates) - 1, count // 2).round().astype(int))
    left[even] = False
    seen = visible[even].sum(axis=0)
    while (~left).sum() < count:
        wanted = np.maximum(0, _GOOD - seen)
        gain = np.where(left, (visible * wanted).sum(axis=(1, 2)), -1)
        if gain.max() <= 0:
            break
        best = int(gain.argmax())
        left[best] = False
        seen = seen + visible[best]
    return [c for c, unused in zip(candidates, left, strict=True) if not unused]


def _aligned(samples: list[_Sample]) -> list[_Sample]:
    """The samples as seen from where the camera was in the middle one. With a still camera they stay as they are."""
    size = samples[0].clearance.shape[::-1]
    views = []
    for sample in samples:
        small = cv2.resize(sample.image_rgb, size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        views.append(BackgroundView(gray, (sample.clearance > 0).astype(np.uint8) * 255))
    aligned = []
    for sample, motion in zip(samples, estimate_camera_motions(views), strict=True):
        if np.isinf(motion.shift_px):  # another scene: it says nothing about this background
            nowhere = np.zeros_like(sample.bare)
            aligned.append(_Sample(sample.image_rgb, np.zeros_like(sample.clearance), nowhere, nowhere))
        elif motion.shift_px > _STILL_PX:
            aligned.append(_warped(sample, motion.to_view))
        else:
            aligned.append(sample)
    return aligned


def _warped(sample: _Sample, to_view: NDArray[np.float64]) -> _Sample:
    """The sample moved by `to_view`, in px of its clearance; what comes from beyond the frame counts as hidden."""
    height, width = sample.clearance.shape
    full_height, full_width = sample.image_rgb.shape[:2]
    scale = np.array([full_width / width, full_height / height])
    full = to_view.copy()
    full[:, :2] = to_view[:, :2] * scale[:, None] / scale[None]
    # Pixel centres are at integers: the small frame's (0, 0) is the middle of the large frame's first block.
    full[:, 2] = (to_view[:, 2] + 0.5) * scale - 0.5 - full[:, :2] @ (scale / 2 - 0.5)
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(sample.image_rgb, full, (full_width, full_height), flags=inverse, borderMode=cv2.BORDER_REPLICATE)
    clearance = cv2.warpAffine(sample.clearance, to_view, (width, height), flags=inverse)
    bare, feet = (
        np.asarray(cv2.warpAffine(each.astype(np.uint8) * 255, to_view, (width, height), flags=inverse)) == 255
        for each in (sample.bare, sample.feet)
    )
    return _Sample(np.asarray(image, np.uint8), np.asarray(clearance, np.uint8), bare, feet)


def _farthest(clearance: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which samples each pixel uses: bool [N,h,w]; the quarter from which the person is farthest, and never one they hide.

    Places that are seen too seldom use none, and neither do gaps so narrow, as between the legs, that they hold shadow only.
    """
    visible = clearance > 0
    count = visible.sum(axis=0)
    use = np.clip(count // 4, min(_GOOD, len(clearance)), None)
    ranked = np.sort(clearance, axis=0)[::-1]
    at_least = np.take_along_axis(ranked, use[None] - 1, axis=0)
    enough = (count >= min(_ENOUGH, len(clearance))).astype(np.uint8)
    radius = round(0.025 * max(enough.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    open_ground = cv2.morphologyEx(enough, cv2.MORPH_OPEN, disc) > 0
    return np.asarray(visible & (clearance >= at_least) & open_ground, np.bool_)


def _masked_order(
    images: list[NDArray[np.uint8]], use: NDArray[np.bool_], percents: tuple[int, ...] = (40, 50, 60)
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The mean of some ranks, dark to bright, of the used samples, and `known`. By default a median with less noise."""
    height, width = images[0].shape[:2]
    rows = (np.arange(height) * use.shape[1]) // height
    columns = (np.arange(width) * use.shape[2]) // width
    found = np.zeros((height, width, 3), np.uint8)
    known = np.zeros((height, width), bool)
    block = max(1, 8_000_000 // (3 * width * len(images)))
    for top in range(0, height, block):
        part = slice(top, min(top + block, height))
        used = use[:, rows[part]][:, :, columns]
        seen = used.sum(axis=0)
        # Unused samples go to the end of the order as 255, where they change nothing among the first `seen`.
        stack = np.stack([image[part] for image in images], axis=-1)
        stack[~np.moveaxis(used, 0, -1)[:, :, None].repeat(3, axis=2)] = 255
        stack.sort(axis=-1)
        picks = [np.clip((seen - 1) * q // 100, 0, None)[:, :, None, None] for q in percents]
        ranked = np.concatenate([np.take_along_axis(stack, pick, axis=-1) for pick in picks], axis=-1)
        found[part] = np.rint(ranked.mean(axis=-1)).astype(np.uint8)
        known[part] = seen > 0
    return found, known


def _membrane(image: NDArray[np.float32], known: NDArray[np.float32], sweeps: int = 30) -> NDArray[np.float32]:
    """float32 [H,W,3] that keeps `image` where `known` (1) and is harmonic elsewhere: coarse solution first, then sweeps."""
    height, width = known.shape
    if min(height, width) <= 2:
        weight = known[..., None]
        mean = (image * weight).sum(axis=(0, 1)) / max(float(known.sum()), 1e-6)
        return np.asarray(np.where(weight > 0, image, mean), np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    share = np.asarray(cv2.resize(known, half, interpolation=cv2.INTER_AREA), np.float32)
    small = cv2.resize(image * known[..., None], half, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    coarse = _membrane(small.astype(np.float32), (share > 0).astype(np.float32), sweeps)
    unknown = known[..., None] == 0
    finer = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    result = np.asarray(np.where(unknown, finer, image), np.float32)
    around = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    for _ in range(sweeps):
        smoothed = np.asarray(cv2.filter2D(result, -1, around, borderType=cv2.BORDER_REPLICATE), np.float32)
        result = np.asarray(np.where(unknown, smoothed, result), np.float32)
    return result
