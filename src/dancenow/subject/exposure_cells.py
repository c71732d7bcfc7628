"""Small copies of frames on one grid, whose cells show the same places in all of them, also where the camera moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.mosaic import MosaicArea
from dancenow.subject.camera.homography import Homography, resizing
from dancenow.subject.camera.trajectory import CameraTrajectory

_WHOLLY_INSIDE: Final = 250
"""Level of 255 of a warped cell's validity from which all of it is known."""


@dataclass(frozen=True, eq=False)
class FrameCells:
    """Small copies by the frame's number. colors: uint8 [h,w,3]; clear: bool [h,w], cells that do not show the person."""

    colors: Mapping[int, NDArray[np.uint8]]
    clear: Mapping[int, NDArray[np.bool_]]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the frames, increasing."""
        return np.array(sorted(self.colors), np.int64)

    def take(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Some frames as they are: colors uint8 [B,N,3] and clear bool [B,N]."""
        colors = np.stack([self.colors[i].reshape(-1, 3) for i in numbers.tolist()])
        return colors, np.stack([self.clear[i].reshape(-1) for i in numbers.tolist()])


@dataclass(frozen=True, eq=False)
class AlignedCells(FrameCells):
    """The same in the reference view of a camera that moves, on a grid that covers all that it shows."""

    camera: CameraTrajectory

    def take(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Some frames, moved onto the grid; cells outside of a frame are not clear."""
        into, size = self._grid
        colors, clear = [], []
        for number in numbers.tolist():
            image, seen = self.colors[number], self.clear[number]
            from_cells = resizing(seen.shape[1], seen.shape[0], self.camera.width_px, self.camera.height_px)
            matrix = into @ self.camera.to_reference[number] @ from_cells
            valid = cv2.warpPerspective(seen.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR)
            colors.append(cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR).reshape(-1, 3))
            clear.append((valid.reshape(-1) >= _WHOLLY_INSIDE) & (self.camera.confidence[number] > 0))
        return np.stack(colors).astype(np.uint8), np.stack(clear)

    @cached_property
    def _grid(self) -> tuple[Homography, tuple[int, int]]:
        """px of the reference view -> cells of the grid, and its size (width, height)."""
        area, cells = MosaicArea.of_camera(self.camera), next(iter(self.clear.values())).shape[1]
        scale = cells / self.camera.width_px
        size = max(1, round(area.width_px * scale)), max(1, round(area.height_px * scale))
        return resizing(area.width_px, area.height_px, *size) @ np.linalg.inv(area.to_reference), size
