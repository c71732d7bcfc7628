"""Estimate the background plate, without the person, from a video of a still camera: a masked median over spread frames.

After the temporal median of classic background subtraction, but every pixel uses only frames in which the person is far
from it, so that neither the person nor the shadow at their feet leaves a ghost. Longer shadows are removed (`shadow_removal`).
Pixels that were seen only close to the person, in their shadow, give texture but not brightness: that is propagated from the
surroundings, as in gradient-domain editing (Perez, Gangnet and Blake, 2003). Pixels that were never seen are completed from
parts of what was seen (`completion`).
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.background.completion import add_structure
from dancenow.subject.background.frame_sampling import (
    GOOD_SAMPLES,
    MIN_SAMPLES,
    Sample,
    align_samples,
    candidate_frames,
    choose_samples,
    correct_exposure,
)
from dancenow.subject.background.hole_filling import fill_smoothly, interpolate_membrane
from dancenow.subject.background.overlay_exclusion import in_whole_frame, without_overlays
from dancenow.subject.background.passers_by import samples_of_more_moments
from dancenow.subject.background.shaded_rim import shaded_rim
from dancenow.subject.background.shadow_removal import BRIGHT_PERCENTS, DARK_PERCENTS, FullLight, changing_shadow, remove_shadow
from dancenow.subject.background.standing_shadow import remove_standing_shadow
from dancenow.subject.exposure import Exposure
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.subject.overlays import Overlays
from dancenow.types import Frame, ImageRGB, Plate

_MEMORY_BYTES: Final = 300_000_000
"""The sampled frames together are kept below this."""
Fill = Callable[[ImageRGB, NDArray[np.bool_]], ImageRGB]
"""Improves an image that is filled smoothly where it is not known."""
_MAX_COUNT: Final = 64
_MIN_COUNT: Final = 12
_RIM: Final = 0.015
"""Width of the rim of what was never seen, as a fraction of the longer side."""
_MIDDLE_PERCENTS: Final = (40, 50, 60)
_CLOSE_PERCENTS: Final = _MIDDLE_PERCENTS, DARK_PERCENTS, BRIGHT_PERCENTS
"""Ranks of which one is chosen where the background was seen close to the person only."""
_BLUR_PX: Final = 9
"""Side of the square in which they are compared with the surroundings."""


def estimate_plate(
    video: VideoInput, masks: Path, measured: NDArray[np.bool_], *, on_progress: ProgressCallback = ignore_progress
) -> Plate:
    """Estimate the background plate of `video`, in its size, and which of its pixels were seen.

    video: filmed with a still camera. masks: by `MaskWriter`, one per frame, 255 = person, of any size. measured: bool [T],
    the frames in which the person was found; the mask of any other frame is empty although they may be in view, so such
    frames are used only if almost none are measured. Memory does not depend on the length: at most 64 frames are held, and at
    most 300 MB of them unless 12 frames need more.

    Raises:
        UserError: the video or the masks cannot be read, or have no frame in common.
    """
    source = open_video(video)
    estimator, meter = PlateEstimator(source, masks, measured, on_progress), ExposureMeter(masks, measured)
    source.feed(estimator, meter)
    return estimator.estimate(meter.exposure())


class PlateEstimator:
    """Estimates the plate from the sampled frames that `VideoSource.feed` gives it; see `estimate_plate`."""

    def __init__(
        self, source: VideoSource, masks: Path, measured: NDArray[np.bool_], on_progress: ProgressCallback = ignore_progress
    ) -> None:
        frame_bytes = source.info.width_px * source.info.height_px * 3
        count = int(np.clip(_MEMORY_BYTES // frame_bytes, _MIN_COUNT, _MAX_COUNT))
        self._chosen = {candidate.index: candidate for candidate in choose_samples(candidate_frames(masks, measured), count)}
        self._samples: list[Sample] = []
        self._source, self._masks, self._on_progress = source, masks, on_progress

    @property
    def indices(self) -> Collection[int]:
        """Numbers of the frames to sample."""
        return self._chosen.keys()

    def take(self, frame: Frame) -> None:
        """Keep a sampled frame."""
        candidate = self._chosen[frame.index]
        self._samples.append(Sample(frame.index, frame.image_rgb, candidate.clearance, candidate.bare, candidate.feet))
        self._on_progress(Progress("background", len(self._samples), len(self._chosen) + 1))

    def estimate(self, exposure: Exposure, overlays: Overlays | None = None) -> Plate:
        """Estimate the plate, at the reference exposure and without the overlays of the video, from the frames taken.

        Raises:
            UserError: the masks and the video have no frame in common.
        """
        if not self._samples:
            raise InputError(f"{self._masks} does not belong to {self._source}; run `dancenow prepare` again.")
        samples, self._samples = self._samples, []
        samples = correct_exposure(samples, exposure)
        if overlays is not None:
            samples = [without_overlays(sample, overlays) for sample in samples]
        plate = plate_of_samples(align_samples(samples))
        if overlays is not None:
            plate = in_whole_frame(plate, overlays)
        self._on_progress(Progress("background", len(self._chosen) + 1, len(self._chosen) + 1))
        return plate


def plate_of_samples(samples: list[Sample], area: NDArray[np.bool_] | None = None) -> Plate:
    """Estimate the plate from samples that lie on top of each other.

    area: bool [H,W], what some sample could show; beyond it nothing of them is used, and it is only filled smoothly.
    """
    images, bare = [s.image_rgb for s in samples], np.stack([s.bare for s in samples])
    size = bare.shape[:0:-1]
    small = [np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    clearance, numbers = np.stack([s.clearance for s in samples]), np.array([s.index for s in samples])
    use = samples_of_more_moments(samples_far_from_person(clearance, area), clearance, numbers, small)
    median, known = masked_ranks(images, use)
    needed = known
    never = np.asarray(~bare.any(axis=0))
    if area is not None and not area.all():
        known &= area
        median = np.where(area[..., None], median, fill_smoothly(median, known))
        needed = known | ~area
        inside = np.asarray(cv2.resize(area.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)) == 255
        bare &= inside
        never &= inside
    feet = np.stack([s.feet for s in samples])
    light, dark = _estimate_light(small, bare, feet)
    comes_and_goes = changing_shadow(dark, light)
    stained = shaded_rim(dark, light, never)
    if stained.any():
        bare &= ~stained
        in_full = cv2.resize(stained.astype(np.uint8), known.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        known, needed = known & ~in_full, needed & ~in_full
    # First for the known pixels, which give the others their brightness, then for the others.
    fill = partial(add_structure, shown=area)
    lit = remove_shadow(_fill_holes(remove_shadow(median, light), needed, images, bare, fill), light)
    return Plate(remove_standing_shadow(lit, feet.mean(axis=0), comes_and_goes), known)


def _estimate_light(
    small: list[NDArray[np.uint8]], bare: NDArray[np.bool_], feet: NDArray[np.bool_]
) -> tuple[FullLight, NDArray[np.uint8]]:
    """Estimate the fully lit background, and the darkest samples of each pixel, uint8 [h,w,3].

    small: images uint8 [h,w,3], in the size of the masks. bare, feet: bool [N,h,w].
    """
    (bright, dark), seen = average_masked_ranks(small, _bare_often(bare), (BRIGHT_PERCENTS, DARK_PERCENTS))
    return FullLight(bright, seen, np.asarray(feet.any(axis=0))), dark


def _bare_often(bare: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(bare & (bare.sum(axis=0) >= min(MIN_SAMPLES, len(bare))))


def _fill_holes(
    median: NDArray[np.uint8],
    known: NDArray[np.bool_],
    images: list[NDArray[np.uint8]],
    bare: NDArray[np.bool_],
    fill: Fill = add_structure,
) -> NDArray[np.uint8]:
    """Keep the median where it is `known`; elsewhere use pixels that are bare in some images, with the surrounding light.

    bare: bool [N,h,w]. That light is the difference between the two, interpolated from the pixels that have both.
    fill: improves a smooth filling of what was never seen.
    """
    rows = np.flatnonzero(~known.all(axis=1))
    if not len(rows) or not known.any():
        return median
    enough = bare.sum(axis=0) >= min(MIN_SAMPLES, len(bare))
    # Around the holes only, because the median is slow.
    margin = median.shape[0] // 16
    part = slice(max(0, rows[0] - margin), rows[-1] + 1 + margin)
    mask_rows = (np.arange(median.shape[0]) * bare.shape[1]) // median.shape[0]
    parts, used = [image[part] for image in images], (bare & enough)[:, mask_rows[part]]
    smooth = fill_smoothly(median, known)
    shaded, seen = _ranks_like(smooth[part], parts, used)
    seen &= ~_rim_of_never_seen(known[part] | seen, round(_RIM * max(known.shape)))
    if not seen.any():
        return fill(smooth, known)
    texture = interpolate_membrane(shaded.astype(np.float32), seen.astype(np.float32))
    overlap = (known[part] & seen).astype(np.float32)
    difference = median[part].astype(np.float32) - texture
    light = interpolate_membrane(difference, overlap) if overlap.any() else np.zeros_like(texture)
    out = median.copy()
    filled = np.clip(np.rint(texture + light), 0, 255).astype(np.uint8)
    out[part] = np.where(known[part][..., None], median[part], filled)
    shown = known.copy()
    shown[part] |= seen
    return fill(out, shown)


def _ranks_like(
    expected: NDArray[np.uint8], images: list[NDArray[np.uint8]], use: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As `masked_ranks`, but dark, middle or bright ranks, whichever are most like what is expected.

    Close to the person samples show more than the background: a shadow, the edge of a leg, a light sleeve.
    """
    found, off = expected, np.full(expected.shape[:2], np.inf, np.float32)
    each_ranks, known = average_masked_ranks(images, use, _CLOSE_PERCENTS)
    for ranks in each_ranks:
        each = cv2.blur(cv2.absdiff(ranks, expected).astype(np.float32).mean(axis=2), (_BLUR_PX, _BLUR_PX))
        found = np.where((each < off)[..., None], ranks, found)
        off = np.minimum(off, each)
    return found, known


def _rim_of_never_seen(shown: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """The broad parts that were never shown and a rim: there a sample may still have hair, shoes or their shadow."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
    never = cv2.morphologyEx((~shown).astype(np.uint8), cv2.MORPH_OPEN, disc)
    return np.asarray(cv2.dilate(never, disc) > 0)


def samples_far_from_person(clearance: NDArray[np.uint8], area: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Select the samples that each pixel uses, bool [N,h,w]: the visible ones, of these the quarter farthest from the person.

    Pixels that are visible too rarely use none. Nor do narrow gaps, as between the legs, which show only shadow. area: as in
    `plate_of_samples`; its border makes no gap narrow.
    """
    visible = clearance > 0
    count = visible.sum(axis=0)
    use = np.clip(count // 4, min(GOOD_SAMPLES, len(clearance)), None)
    ranked = np.sort(clearance, axis=0)[::-1]
    at_least = np.take_along_axis(ranked, use[None] - 1, axis=0)
    enough = (count >= min(MIN_SAMPLES, len(clearance))).astype(np.uint8)
    radius = round(0.025 * max(enough.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    if area is not None:
        beyond = cv2.resize(area.astype(np.uint8), clearance.shape[:0:-1], interpolation=cv2.INTER_NEAREST) == 0
        enough |= cv2.dilate(beyond.astype(np.uint8), disc[::2, ::2])
    open_ground = (cv2.morphologyEx(enough, cv2.MORPH_OPEN, disc) > 0) & (count > 0)
    return np.asarray(visible & (clearance >= at_least) & open_ground, np.bool_)


def masked_ranks(
    images: list[NDArray[np.uint8]], use: NDArray[np.bool_], percents: Sequence[int] = _MIDDLE_PERCENTS
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As `average_masked_ranks` with a single group. By default a median with less noise."""
    (found,), known = average_masked_ranks(images, use, (percents,))
    return found, known


def average_masked_ranks(
    images: list[NDArray[np.uint8]], use: NDArray[np.bool_], groups: Sequence[Sequence[int]]
) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
    """Average the ranks of each group, dark to bright, of the used samples, which are sorted once, as that is slow.

    images: uint8 [H,W,3] each. use: bool [N,h,w]. groups: ranks in percent. Returns an image for each group, and `known`,
    bool [H,W]: where any sample is used.
    """
    height, width = images[0].shape[:2]
    rows = (np.arange(height) * use.shape[1]) // height
    columns = (np.arange(width) * use.shape[2]) // width
    found = [np.zeros((height, width, 3), np.uint8) for _ in groups]
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
        for average, percents in zip(found, groups, strict=True):
            picks = [np.clip((seen - 1) * q // 100, 0, None)[:, :, None, None] for q in percents]
            ranked = np.concatenate([np.take_along_axis(stack, pick, axis=-1) for pick in picks], axis=-1)
            average[part] = np.rint(ranked.mean(axis=-1)).astype(np.uint8)
        known[part] = seen > 0
    return found, known
