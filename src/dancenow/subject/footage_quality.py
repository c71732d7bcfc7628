"""Check the quality of a person's footage: warnings that name each problem and the remedy.

The track and pairs of consecutive frames spread over the video are measured. A moving camera is detected by features of the
background alone, so that a person who fills the frame causes no false warning.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.body_statistics import BodyStatistics
from dancenow.pose.retargeting.grounds import share_on_other_ground
from dancenow.pose.tracking.reidentification import several_people
from dancenow.pose.visible_extent import Extent, beyond_frame, visible_extent
from dancenow.skeleton import INDEX
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory
from dancenow.subject.camera_motion import (
    STILL_FRACTION,
    BackgroundView,
    estimate_camera_motions,
    hide_pixels,
    reduced_view,
)
from dancenow.types import Frame, FrameStatus, ImageRGB, PoseTrack

_NUM_PAIRS: Final = 24
_SIDE_PX: Final = 640
_MIN_FRACTION, _MIN_DURATION_S = 0.2, 2.0
_FEET: Final = [INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "heel", "toe")]

_OTHER_GROUND: Final = 0.03
"""Share of standing feet elsewhere; errors of detection are fewer."""

_DARK, _DIM, _NOISY, _FLAT = 55.0, 75.0, 7.0, 12.0
_NO_LIGHT: Final = 110.0
"""Highlights of person and room that both stay below this level leave shadows without detail; well exposed clips reach 140."""


@dataclass(frozen=True, eq=False)
class _SampledFrame:
    """A frame reduced to at most 640 px, and the pixels that certainly show the person: bool [h,w]."""

    view: BackgroundView
    person: NDArray[np.bool_]


@dataclass(frozen=True)
class ImageStatistics:
    """Statistics of the images. moved: fraction of samples in which the camera is elsewhere than in the middle of the video;
    changed: fraction that show another scene; luma and contrast of the person, luma of the brightest 5% of the person and of
    the background, and noise of the background, in levels of 255. camera: how it moves, if it was followed.
    """

    moved: float
    changed: float
    person_luma: float
    person_highlight: float
    background_highlight: float
    person_contrast: float
    noise: float
    camera: CameraKind | None = None

    @property
    def may_move(self) -> bool:
        """Whether the camera may have moved, so that it is worth following in all frames."""
        return self.moved > 0

    def with_camera(self, camera: CameraTrajectory, used: NDArray[np.bool_]) -> Self:
        """The same, now that the camera was followed: of the used frames [T] only those of which nothing is known show another
        scene.
        """
        return replace(self, changed=float((camera.confidence[used] == 0).mean()), camera=camera.kind)

    @property
    def is_dim(self) -> bool:
        """Whether the light is poor: black clothes and dark skin alone do not count, because they have highlights in good
        light, and so has the room.
        """
        highlights = self.person_highlight, self.background_highlight
        return self.person_luma < _DARK and (min(highlights) < _DIM or max(highlights) < _NO_LIGHT)


def require_enough_footage(track: PoseTrack, video: VideoSource) -> None:
    """Raise UserError if the person was detected in under 20% of the frames or for under 2 s, too little for training."""
    detected = track.status == FrameStatus.MEASURED
    detected_s = float(detected.sum()) / track.fps
    if detected.mean() < _MIN_FRACTION:
        raise InputError(
            f"{video} is not suitable as target footage: the person is detected in only {detected.mean():.0%} of it"
            f" ({detected_s:.0f} s at {track.fps:.3g} frames per second), which is too little for training; film one whole"
            " person who stays in the frame for 20 s or more, or choose another with --person."
        )
    if detected_s < _MIN_DURATION_S:
        raise InputError(f"{video} shows the person for only {detected_s:.1f} s, too little for training; film 20 s or more.")


def footage_warnings(
    images: ImageStatistics, people_counts: list[int], track: PoseTrack, body: BodyStatistics, person: int | None = None
) -> tuple[str, ...]:
    """Warnings, the most serious first; empty for good footage. people_counts: as `PeopleSurvey.counts`. person: asked for."""
    return (*image_warnings(images), *people_warnings(people_counts, person), *track_warnings(track, body))


def people_warnings(counts: list[int], person: int | None = None) -> Iterator[str]:
    """Warn of several people, given the number of people in each sampled frame and the person who is asked for."""
    several = several_people(counts, person)
    if several is not None:
        yield (
            f"{several}: the others become part of the background or hide the person; film one person alone, or choose with"
            " --person (--target-person of `run`)."
        )


def track_warnings(track: PoseTrack, body: BodyStatistics) -> Iterator[str]:
    """Warn of problems in the track: absence, little footage, a low frame rate, cut-off feet, a small person."""
    measured = track.status == FrameStatus.MEASURED
    detected_s = float(measured.sum()) / track.fps
    if measured.mean() < 0.9:
        yield (
            f"the person is detected in only {measured.mean():.0%} of the frames: trim the video to the part in which they"
            " dance, fully in the frame and not hidden."
        )
    if detected_s < 20:
        yield f"there are only {detected_s:.0f} s of the person: film 20 s or more, better a minute, with many different poses."
    if track.fps < 20:
        yield f"{track.fps:.3g} frames per second are few: fast moves blur and jump; film at 25 or more."
    yield from _cut_off_warnings(track)
    if body.height_px < 150:
        yield f"the person is only {body.height_px:.0f} px tall: move closer or film at a higher resolution; 400 px is good."


def _cut_off_warnings(track: PoseTrack) -> Iterator[str]:
    """Warn of parts of the body that are cut off or hidden, always or at times."""
    shown, cut = visible_extent(track), _feet_hidden(track)[track.status == FrameStatus.MEASURED].mean()
    if shown.extent < Extent.FULL:
        yield (
            f"the person is seen {shown.extent.words}, and results will show no more of them: step back until the whole body"
            " stays in the frame, if the legs should dance."
        )
    elif cut > 0.15:
        yield f"the feet are cut off or hidden in {cut:.0%} of the frames: step back until the whole body stays in the frame."
    if not shown.shows("head"):
        yield "the head is cut off or hidden, and results will have none: film it, too."
    aside = (beyond_frame(track) & (track.pose.confidence > 0) & ~_below(track)).sum(axis=1) > 2
    beside = float(aside[track.status == FrameStatus.MEASURED].mean())
    if beside > 0.15:
        yield f"the sides of the frame cut off the person in {beside:.0%} of the frames: leave more room beside them."


def ground_warnings(world_track: PoseTrack) -> Iterator[str]:
    """Warn of a person who stands on two grounds. world_track: in the reference view of its camera."""
    share = share_on_other_ground(world_track)
    if share > _OTHER_GROUND:
        yield (
            f"the person stands on two grounds ({share:.0%} of their standing feet are far above or below the others), and"
            " dances are placed on one of them only: cut the video to the part on one ground."
        )


def image_warnings(images: ImageStatistics) -> Iterator[str]:
    """Warn of problems in the images: another scene, a moving camera, poor light."""
    if images.changed > 0.08:
        yield (
            f"the scene changes (a cut, or the camera turns away, in {images.changed:.0%} of the sampled frames): use one"
            " uncut shot from one place."
        )
    if images.camera is CameraKind.TRAVELING:
        yield (
            "the camera travels through the scene, so near and far things shift against each other; parts of the background can"
            " be smeared, and the floor is estimated: film from one place."
        )
    elif images.camera is None and images.moved - images.changed > 0.12:
        yield "the camera moves, so the person will not stand firmly on the ground: use a tripod or lean the phone on a wall."
    if images.is_dim:
        yield (
            f"the footage is too dark (brightness {images.person_luma:.0f} of 255 on the person,"
            f" {images.background_highlight:.0f} in the brightest parts of the room), and the face may not be found: add light,"
            " but not behind the person."
        )
    elif images.person_contrast < _FLAT:
        yield "the person shows hardly any contrast: light them from the side and avoid fog, glare and backlight."
    if images.noise > _NOISY and images.moved <= 0.12:  # a moving camera looks like noise
        yield f"the images are noisy ({images.noise:.0f} levels of 255): more light helps most."


class ImageQualityMeter:
    """Measures 24 pairs of consecutive frames spread over a video, in constant memory; `VideoSource.feed` gives the frames.

    masks: of the person, one per frame. used: bool [T], the frames to measure. cuts: first frames of new shots, which are
    measured apart.

    Raises:
        UserError: the masks cannot be read.
    """

    def __init__(self, masks: Path, used: NDArray[np.bool_], cuts: Sequence[int] = ()) -> None:
        pairs = np.flatnonzero(used[:-1] & used[1:])
        if not len(pairs):
            pairs = np.zeros(1, np.int64)
        first = pairs[np.unique(np.linspace(0, len(pairs) - 1, _NUM_PAIRS).round().astype(int))]
        self._first, self._cuts = first.tolist(), cuts
        wanted = {*self._first, *(i + 1 for i in self._first if i + 1 < len(used))}
        self._masks = {i: mask for i, mask in enumerate(read_masks(masks, 0, max(wanted) + 1)) if i in wanted}
        self._views: dict[int, _SampledFrame] = {}

    @property
    def indices(self) -> Collection[int]:
        """Numbers of the frames to measure."""
        return self._masks.keys()

    def take(self, frame: Frame) -> None:
        """Keep a small gray copy of a frame."""
        self._views[frame.index] = _sample_frame(frame.image_rgb, self._masks[frame.index])

    def leave_out(self, mask: NDArray[np.bool_]) -> None:
        """Do not measure some pixels of the frames, bool [H,W], such as those of overlays. All frames were taken before."""
        for index, sample in self._views.items():
            self._views[index] = _SampledFrame(hide_pixels(sample.view, mask), sample.person)

    def statistics(self) -> ImageStatistics:
        """The statistics, once all frames were taken."""
        shots = [list(group) for _, group in groupby(self._first, key=lambda i: bisect_right(self._cuts, i))]
        return _statistics(shots, self._views)


def _statistics(shots: list[list[int]], views: dict[int, _SampledFrame]) -> ImageStatistics:
    """shots: the numbers of the pairs' first frames."""
    first = [i for shot in shots for i in shot]
    motions = [estimate_camera_motions([views[i].view for i in shot if i in views]) for shot in shots]
    known = [motion.shift_px for motion in chain.from_iterable(motions) if not np.isnan(motion.shift_px)]
    still_px = STILL_FRACTION * _SIDE_PX
    other_scene = [np.isinf(shift) for shift in known]
    noise = [_noise_levels(views[i].view, views[i + 1].view) for i in first if i in views and i + 1 in views]
    luma = [np.percentile(v.view.gray[v.person], (5, 50, 95)) for v in views.values() if v.person.any()]
    low, middle, high = np.median(luma, axis=0) if luma else (0.0, 255.0, 255.0)
    background = [np.percentile(v.view.gray[v.view.background > 0], 95) for v in views.values() if v.view.background.any()]
    return ImageStatistics(
        moved=float(np.mean([shift > still_px for shift in known])) if known else 0.0,
        changed=float(np.mean(other_scene)) if known else 0.0,
        person_luma=float(middle),
        person_highlight=float(high),
        background_highlight=float(np.median(background)) if background else 255.0,
        person_contrast=float(high - low) / 2,
        noise=float(np.median(noise)) if noise else 0.0,
    )


def _sample_frame(image_rgb: ImageRGB, mask: NDArray[np.uint8]) -> _SampledFrame:
    gray = reduced_view(image_rgb, _SIDE_PX).gray
    size = gray.shape[::-1]
    mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    rim = max(3, max(size) // 40)
    near = cv2.dilate((mask > 25).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
    view = BackgroundView(gray, np.asarray(255 * (1 - near), np.uint8))
    return _SampledFrame(view, np.asarray(mask > 200))


def _noise_levels(a: BackgroundView, b: BackgroundView) -> float:
    """Standard deviation per frame of the difference between two consecutive backgrounds, without outliers."""
    clear = (a.background > 0) & (b.background > 0)
    if clear.sum() < 100:
        return 0.0
    difference = a.gray[clear].astype(np.float32) - b.gray[clear]
    usual = np.abs(difference) <= np.percentile(np.abs(difference), 90)
    # A normal distribution cut at its 90% has .789 of its standard deviation; a difference has sqrt 2 times a frame's.
    return float(difference[usual].std() / 0.789 / np.sqrt(2))


def _below(track: PoseTrack) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints below the frame, or above it."""
    y_px = track.pose.xy[..., 1]
    return np.asarray((y_px > track.height_px - 1) | (y_px < 0))


def _feet_hidden(track: PoseTrack) -> NDArray[np.bool_]:
    """bool [T]: neither foot is visible in the frame."""
    feet, confidence = track.pose.xy[:, _FEET], track.pose.confidence[:, _FEET]
    inside = (feet >= 0).all(axis=2) & (feet[..., 0] <= track.width_px - 1) & (feet[..., 1] <= track.height_px - 1)
    detected = (inside & (confidence > 0.3)).reshape(len(track), 2, -1).sum(axis=2) >= 2
    return np.asarray(~detected.any(axis=1))
