"""Estimate the mosaic of a moving camera: frames are laid into the reference view, and the rest is as for a still plate."""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoSource
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.background.background_plate import plate_of_samples
from dancenow.subject.background.frame_sampling import Candidate, Sample, candidate_frames, choose_spread
from dancenow.subject.background.mosaic import Mosaic, MosaicArea
from dancenow.subject.background.overlay_exclusion import hide_overlay
from dancenow.subject.background.parallax import without_parallax
from dancenow.subject.camera.homography import Homography, resizing
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.exposure import Exposure
from dancenow.subject.shown_scene import rim_px
from dancenow.types import Frame, ImageRGB, Plate

_MAX_COUNT, _MIN_COUNT = 64, 24
_FILE_BYTES: Final = 800_000_000
"""Of all warped frames together."""
_REACH_S: Final = 0.75
"""How long the parallax of a sampled frame tells about its neighbors."""
_CHOICE_SIDE_PX: Final = 160
"""Longer side of the mosaic in which the choice of frames is made."""


class MosaicEstimator:
    """Estimates the mosaic from the sampled frames that `VideoSource.feed` gives it.

    The warped frames lie in a temporary file beside the masks, so that memory does not grow with the mosaic.

    overlay: bool [H,W], graphics and bars, which hide the background. exposure: of the frames; it is corrected, and frames of
    which it cannot be are left out.
    """

    def __init__(
        self,
        source: VideoSource,
        masks: Path,
        measured: NDArray[np.bool_],
        camera: CameraTrajectory,
        overlay: NDArray[np.bool_] | None = None,
        exposure: Exposure | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> None:
        self._exposure = Exposure.constant(len(measured)) if exposure is None else exposure
        self._camera, self._masks, self._source, self._on_progress = camera, masks, source, on_progress
        self._area = MosaicArea.of_camera(camera)
        usable = measured & (camera.confidence > 0) & self._exposure.usable
        candidates = [c for c in candidate_frames(masks, usable) if camera.confidence[c.index] > 0]
        self._rim_px = rim_px(camera.width_px, camera.height_px)
        if overlay is not None:
            rim = np.ones((2 * self._rim_px + 1, 2 * self._rim_px + 1), np.uint8)
            overlay = np.asarray(cv2.dilate(overlay.astype(np.uint8), rim) > 0)
            candidates = [hide_overlay(candidate, overlay) for candidate in candidates]
        self._overlay = overlay
        self._chosen = {candidate.index: candidate for candidate in self._choose(candidates)}
        self._samples: list[Sample] = []
        self._shown = np.zeros((self._area.height_px, self._area.width_px), bool)

    @property
    def indices(self) -> Collection[int]:
        """Numbers of the frames to sample."""
        return self._chosen.keys()

    def take(self, frame: Frame) -> None:
        """Lay a sampled frame into the mosaic."""
        candidate, to_reference = self._chosen[frame.index], self._camera.to_reference[frame.index]
        matrix, size = self._area.from_frame(to_reference), (self._area.width_px, self._area.height_px)
        image_rgb = self._exposure.correct(frame.image_rgb, frame.index)
        warped = cv2.warpPerspective(image_rgb, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        height, width = image_rgb.shape[:2]
        inner = np.zeros((height, width), np.uint8)
        inner[self._rim_px : -self._rim_px, self._rim_px : -self._rim_px] = 255
        if self._overlay is not None:
            inner[self._overlay] = 0
        self._shown |= np.asarray(cv2.warpPerspective(inner, matrix, size, flags=cv2.INTER_NEAREST) > 0)
        maps = self._warp_maps(candidate, matrix, (width, height))
        self._samples.append(Sample(frame.index, self._stored(np.asarray(warped, np.uint8)), *maps))
        self._on_progress(Progress("background", len(self._samples), len(self._chosen) + 1))

    def estimate(self) -> Mosaic:
        """Estimate the mosaic from the frames taken. Raises UserError if the masks and the video have no frame in common."""
        if not self._samples:
            raise InputError(f"{self._masks} does not belong to {self._source}; run `dancenow prepare` again.")
        reach_frames = _REACH_S * float(self._source.info.fps)
        self._samples, displacements = without_parallax(self._samples, self._shown, reach_frames, self._stored)
        plate = plate_of_samples(self._samples, self._shown)
        self._on_progress(Progress("background", len(self._chosen) + 1, len(self._chosen) + 1))
        return Mosaic(Plate(plate.image_rgb, plate.known & self._shown), self._area, displacements)

    def _stored(self, image: ImageRGB) -> ImageRGB:
        """The image in a file without a name, which vanishes with it."""
        with tempfile.TemporaryFile(dir=self._masks.parent) as file:
            stored = np.memmap(file, np.uint8, "w+", shape=image.shape)
        stored[:] = image
        return stored

    def _warp_maps(
        self, candidate: Candidate, matrix: Homography, frame_size: tuple[int, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
        """The maps of a candidate in the mosaic, reduced as the mask is; nothing is visible outside of the frame."""
        height, width = candidate.clearance.shape
        scale = width / frame_size[0]
        size = max(1, round(self._area.width_px * scale)), max(1, round(self._area.height_px * scale))
        into = resizing(self._area.width_px, self._area.height_px, *size)
        matrix = into @ matrix @ np.linalg.inv(resizing(*frame_size, width, height))
        inner = np.zeros((height, width), np.uint8)
        inner[2:-2, 2:-2] = 1

        def warp(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return np.asarray(cv2.warpPerspective(values * inner, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)

        bare, feet = (warp(each.astype(np.uint8)) > 0 for each in (candidate.bare, candidate.feet))
        return warp(candidate.clearance), bare, feet

    def _choose(self, candidates: list[Candidate]) -> list[Candidate]:
        """Choose half of the samples evenly in time, then greedily those that show most of what is rarely seen."""
        count = int(np.clip(_FILE_BYTES // (3 * self._area.width_px * self._area.height_px), _MIN_COUNT, _MAX_COUNT))
        if len(candidates) <= count:
            return candidates
        camera, scale = self._camera, _CHOICE_SIDE_PX / max(self._area.width_px, self._area.height_px)
        size = max(1, round(self._area.width_px * scale)), max(1, round(self._area.height_px * scale))
        into = resizing(self._area.width_px, self._area.height_px, *size)
        visible = []
        for candidate in candidates:
            height, width = candidate.clearance.shape
            matrix = into @ self._area.from_frame(camera.to_reference[candidate.index])
            matrix = matrix @ np.linalg.inv(resizing(camera.width_px, camera.height_px, width, height))
            seen = (candidate.clearance > 0).astype(np.uint8)
            visible.append(cv2.warpPerspective(seen, matrix, size, flags=cv2.INTER_NEAREST) > 0)
        return [candidates[i] for i in choose_spread(np.stack(visible), count)]
