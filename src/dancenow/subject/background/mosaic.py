"""The background of a moving camera: one picture in the reference view, larger than a frame, and how each frame sees it."""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.displacements import Displacements
from dancenow.subject.camera.homography import Homography, frame_corners, frame_grid, local_scale, transform
from dancenow.subject.camera.replay import ReplayedCamera
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.types import FloatArray, ImageRGB, Plate

_STEP_PX: Final = 8
"""Between px whose place in the mosaic is computed; the others lie between them."""
_INVERSIONS: Final = 8
_DAMPING: Final = 0.5
"""Steps in which a displacement is inverted, and their length: whole ones would diverge where it grows by 1 px per px."""
_MAX_SPAN: Final = 4.0
"""Longest side of a mosaic, in sides of the frame."""
_MAX_PIXELS: Final = 16_000_000
_MAX_SCALE: Final = 2.5
"""A frame that is larger or smaller by more in the reference view lies too far to the side to be shown in it."""


@dataclass(frozen=True)
class MosaicArea:
    """Where a mosaic lies: its first pixel in px of the reference view, and its size."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @classmethod
    def of_camera(cls, camera: CameraTrajectory) -> Self:
        """Everything that the camera shows, within limits around the reference view."""
        corners = frame_corners(camera.width_px, camera.height_px)
        grid = frame_grid((camera.height_px, camera.width_px), 5)
        shown = [corners]
        for to_reference in camera.to_reference[camera.confidence > 0]:
            scale = local_scale(to_reference, grid)
            if (
                (to_reference[2, :2] @ corners.T + to_reference[2, 2]).min() > 0.2
                and scale.min() > 1 / _MAX_SCALE
                and scale.max() < _MAX_SCALE
            ):
                shown.append(transform(to_reference, corners))
        points = np.concatenate(shown)
        size = np.array([camera.width_px, camera.height_px])
        low = np.maximum(np.floor(points.min(axis=0)), -(_MAX_SPAN - 1) / 2 * size).astype(int)
        high = np.minimum(np.ceil(points.max(axis=0)) + 1, (_MAX_SPAN + 1) / 2 * size).astype(int)
        while (high - low).prod() > _MAX_PIXELS:  # keep the reference view
            low, high = np.minimum(low * 9 // 10, 0), np.maximum(size + (high - size) * 9 // 10, size)
        (left, top), (width, height) = low.tolist(), (high - low).tolist()
        return cls(left, top, width, height)

    @property
    def to_reference(self) -> Homography:
        """px of the mosaic -> px of the reference view."""
        return np.array([[1.0, 0, self.left_px], [0, 1, self.top_px], [0, 0, 1]])

    def from_frame(self, to_reference: Homography) -> Homography:
        """px of a frame -> px of the mosaic. to_reference: px of the frame -> px of the reference view."""
        return np.asarray(np.linalg.inv(self.to_reference) @ to_reference, np.float64)


@dataclass(frozen=True, eq=False)
class Mosaic:
    """A background plate that covers `area`. displacements: how it shifts over time beside the homographies, if it does."""

    plate: Plate
    area: MosaicArea
    displacements: Displacements | None = None

    @classmethod
    def of_plate(cls, plate: Plate) -> Self:
        """Of a camera that stands still: the plate alone."""
        height_px, width_px = plate.known.shape
        return cls(plate, MosaicArea(0, 0, width_px, height_px))

    def reference_view(self, width_px: int, height_px: int) -> Plate:
        """The part that the reference frame shows."""
        rows, columns = (
            slice(-self.area.top_px, height_px - self.area.top_px),
            slice(-self.area.left_px, width_px - self.area.left_px),
        )
        return Plate(self.plate.image_rgb[rows, columns].copy(), self.plate.known[rows, columns].copy())

    def seen_by(self, to_reference: Homography, width_px: int, height_px: int, frame: float | None = None) -> ImageRGB:
        """The background as a camera sees it: uint8 [H,W,3]. Beyond the mosaic its border is repeated.

        frame: of the video, for the parallax of that moment; None for its mean.
        """
        places = self._places(to_reference, width_px, height_px, frame)
        image = cv2.remap(self.plate.image_rgb, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(image, np.uint8)

    def known_by(
        self, to_reference: Homography, width_px: int, height_px: int, frame: float | None = None
    ) -> NDArray[np.bool_]:
        """Where that view shows what was filmed: bool [H,W]."""
        places = self._places(to_reference, width_px, height_px, frame)
        return np.asarray(cv2.remap(self.plate.known.astype(np.uint8) * 255, *places, cv2.INTER_NEAREST) > 0)

    def _places(
        self, to_reference: Homography, width_px: int, height_px: int, frame: float | None
    ) -> tuple[FloatArray, FloatArray]:
        """Where in the mosaic each px of a view lies: x and y, float32 [H,W]; computed coarsely, as both parts are smooth."""
        x, y = (
            np.arange(-1, -(-side // _STEP_PX) + 1, dtype=np.float64) * _STEP_PX + (_STEP_PX - 1) / 2
            for side in (width_px, height_px)
        )
        grid = np.stack(np.meshgrid(x, y), axis=-1)
        at = transform(self.area.from_frame(to_reference), grid.reshape(-1, 2)).reshape(grid.shape).astype(np.float32)
        if self.displacements is not None and frame is not None:
            by = self.displacements.at(frame)
            cell = np.array(by.shape[1::-1], np.float32) / np.array([self.area.width_px, self.area.height_px], np.float32)
            by_homography = at
            for _ in range(_INVERSIONS):
                in_cells = np.asarray((at + 0.5) * cell - 0.5, np.float32)
                shift = cv2.remap(by, in_cells, np.empty(0, np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                at = at + _DAMPING * (by_homography - shift - at)
        fine = cv2.resize(at, (len(x) * _STEP_PX, len(y) * _STEP_PX), interpolation=cv2.INTER_LINEAR)
        fine = fine[_STEP_PX : _STEP_PX + height_px, _STEP_PX : _STEP_PX + width_px]
        return np.ascontiguousarray(fine[..., 0]), np.ascontiguousarray(fine[..., 1])


@dataclass(frozen=True, eq=False)
class MovingBackground:
    """The `Background` of a replayed camera: at every time the part of a mosaic that it sees."""

    mosaic: Mosaic
    camera: ReplayedCamera

    def at(self, time_s: float) -> ImageRGB:
        """See `Background.at`."""
        seen_by = self.camera.trajectory
        at = self.camera.to_reference(time_s), seen_by.width_px, seen_by.height_px
        return self.mosaic.seen_by(*at, self.camera.frame_at(time_s))

    def known_at(self, time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        seen_by = self.camera.trajectory
        at = self.camera.to_reference(time_s), seen_by.width_px, seen_by.height_px
        return self.mosaic.known_by(*at, self.camera.frame_at(time_s))
