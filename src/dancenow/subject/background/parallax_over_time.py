"""Measure the parallax of a mosaic in all frames of its video, in those too of which no sample was taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.filtering.flow_smoothing import smooth_along
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.background.displacements import Displacements
from dancenow.subject.background.mosaic import Mosaic
from dancenow.subject.background.parallax import FLOW_SIDE_PX, far_displacement, follow, resized
from dancenow.subject.camera.homography import resizing
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.exposure import Exposure
from dancenow.subject.shown_scene import map_shown_scene
from dancenow.types import FloatArray, Frame, ImageRGB

_PER_SECOND: Final = 30
"""Frames of a second that are measured, at most; those between them are interpolated."""
_MOST_FRAMES: Final = 600
_NEAR_S: Final = 0.15
"""Between two frames of which the step is measured, too, at most, unless fewer frames are measured."""
_REACH_S: Final = 0.15
"""How far along the motion of the picture displacements are averaged: a single one trembles, as its homography does."""
_AT_ONCE: Final = 512
"""Points of displacements that are smoothed, so that little memory is needed."""
_COARSE: Final = 8
"""Px of the pictures that are compared per px of displacements that are kept until all are measured."""
_MASK_LEVEL: Final = 10
"""Masks above it are the person's."""


class ParallaxMeter:
    """Measures how the frames that `VideoSource.feed` gives it differ from the view of a mosaic by their homographies.

    mosaic: with the displacements of its samples. masks: one per frame of the video. found: bool [T], frames in which the
    person was found: the masks of others are empty although they may be in view. overlay: as in `MosaicEstimator`.
    """

    def __init__(
        self,
        source: VideoSource,
        masks: Path,
        found: NDArray[np.bool_],
        mosaic: Mosaic,
        camera: CameraTrajectory,
        overlay: NDArray[np.bool_] | None = None,
        exposure: Exposure | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> None:
        self._mosaic, self._camera, self._on_progress = mosaic, camera, on_progress
        self._exposure = Exposure.constant(len(found)) if exposure is None else exposure
        usable = np.flatnonzero(found & (camera.confidence > 0) & self._exposure.usable)
        self._fps = float(source.info.fps)
        self._step = max(1, -(-round(self._fps) // _PER_SECOND), -(-len(usable) // _MOST_FRAMES))
        self._cuts = [shot.start for shot in source.shots[1:]]
        ends = {each for cut in self._cuts for each in (cut - 1, cut)}
        self._indices = [int(i) for i in usable if i % self._step == 0 or i in ends]
        self._masks = enumerate(read_masks(masks))
        self._shown = map_shown_scene(camera.width_px, camera.height_px, overlay, moves=True)
        area, plate = mosaic.area, mosaic.plate
        scale = min(1.0, FLOW_SIDE_PX / max(area.width_px, area.height_px))
        size = (max(1, round(area.width_px * scale)), max(1, round(area.height_px * scale)))
        self._frame_size = (max(1, round(camera.width_px * scale)), max(1, round(camera.height_px * scale)))
        self._to_frame = np.linalg.inv(resizing(camera.width_px, camera.height_px, *self._frame_size))
        self._into = resizing(area.width_px, area.height_px, *size)
        self._picture: ImageRGB = np.asarray(cv2.resize(plate.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._known = cv2.resize(plate.known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        self._before: _Measured | None = None
        self._fields: list[FloatArray] = []
        self._steps: list[FloatArray | None] = []
        self._measured: list[int] = []

    @property
    def indices(self) -> Sequence[int]:
        """Numbers of the frames to measure."""
        return self._indices

    def take(self, frame: Frame) -> None:
        """Measure one frame."""
        mask = next((mask for index, mask in self._masks if index == frame.index), None)
        if mask is None or mask.max() <= _MASK_LEVEL or self._shown is None:
            return  # the person may be in view
        image = self._exposure.correct(frame.image_rgb, frame.index)
        small = cv2.resize(image, self._frame_size, interpolation=cv2.INTER_AREA)
        person = cv2.resize(mask, self._frame_size, interpolation=cv2.INTER_LINEAR) > _MASK_LEVEL
        shown = cv2.resize(self._shown, self._frame_size, interpolation=cv2.INTER_AREA) == 255
        from_frame = self._mosaic.area.from_frame(self._camera.to_reference[frame.index])
        matrix = self._into @ from_frame @ self._to_frame
        size = self._picture.shape[1::-1]
        seen = cv2.warpPerspective(small, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        free = (shown & ~person).astype(np.uint8)
        visible = cv2.warpPerspective(free, matrix, size, flags=cv2.INTER_NEAREST) > 0
        self._measure(frame.index, np.asarray(seen, np.uint8), np.asarray(visible))
        self._on_progress(Progress("background", len(self._measured), len(self._indices)))

    def _measure(self, index: int, seen: ImageRGB, visible: NDArray[np.bool_]) -> None:
        """The displacement of a frame, and its step from that of the frame before, which is more exact."""
        by = far_displacement(seen, self._picture, visible, self._known)
        if by is None:
            return
        before, step = self._before, None
        if before is not None and self._is_near(before.index, index):
            step = far_displacement(seen, before.seen, visible, before.visible, steps=1)
            step = None if step is None else follow(step, before.by) - before.by
        self._before = _Measured(index, seen, visible, by)
        size = [max(2, side // _COARSE) for side in seen.shape[1::-1]]
        self._fields.append(resized(by, size))
        self._steps.append(None if step is None else resized(step, size))
        self._measured.append(index)

    def _is_near(self, before: int, index: int) -> bool:
        cut = any(before < each <= index for each in self._cuts)
        return not cut and index - before <= max(_NEAR_S * self._fps, self._step)

    def mosaic(self) -> Mosaic:
        """The mosaic with the displacements of all measured frames; those of its samples if there is none."""
        known = self._mosaic.displacements
        if known is None or not self._measured:
            return self._mosaic
        area, reach_frames = self._mosaic.area, max(known.reach_frames, float(self._step))
        fields = Displacements.of_fields(self._measured, self._smoothed(), area.width_px, area.height_px, reach_frames)
        return replace(self._mosaic, displacements=fields.completed(known))

    def _smoothed(self) -> list[FloatArray]:
        """The displacements that keep near the measured ones and move as the picture does, each [h,w,2]."""
        count, shape = len(self._fields), self._fields[0].shape
        if count < 2:
            return self._fields
        fields = np.stack(self._fields).reshape(count, -1, 2)
        steps = np.stack([np.zeros(shape, np.float32) if each is None else each for each in self._steps[1:]])
        steps = steps.reshape(count - 1, -1, 2)
        gaps_s = np.diff(self._measured) / self._fps
        weight = np.where([each is not None for each in self._steps[1:]], (_REACH_S / gaps_s) ** 2, 0.0)[:, None]
        smooth = np.empty_like(fields)
        for first in range(0, fields.shape[1], _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            smooth[:, some] = smooth_along(fields[:, some].astype(np.float64), steps[:, some], weight)
        return list(smooth.reshape(count, *shape))


@dataclass(frozen=True, eq=False)
class _Measured:
    """A frame as the mosaic has it: seen uint8 [H,W,3]; visible bool [H,W], where it is background; by, its displacement."""

    index: int
    seen: ImageRGB
    visible: NDArray[np.bool_]
    by: FloatArray
