"""Small copies of frames on one grid, whose cells show the same places in all of them, also where the camera moves."""

import weakref
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.mosaic import MosaicArea
from dancenow.subject.camera.homography import Homography, resizing
from dancenow.subject.camera.trajectory import CameraTrajectory

_WHOLLY_INSIDE: Final = 250
"""Level of 255 of a warped cell's validity from which all of it is known."""
_IN_MEMORY_BYTES: Final = 16_000_000
"""Small copies of about three minutes of video; those of an hour lie in a temporary file."""
_Cells = tuple[NDArray[np.uint8], NDArray[np.bool_]]


class KeptCells:
    """Small copies of frames, by the frame's number, increasing: colors uint8 [h,w,3] and clear bool [h,w], cells that do not
    show the person. Few are in memory.

    brightness: mean of each copy, level and contrast: mean and standard deviation of its gray levels where it is clear.
    """

    def __init__(self, folder: Path) -> None:
        """folder: for the temporary file of long footage, which has no name."""
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=str(folder))  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._file.close)
        self._numbers = array("q")
        self.shape = (0, 0)
        self.brightness, self.level, self.contrast = array("d"), array("d"), array("d")

    def append(self, number: int, colors: NDArray[np.uint8], clear: NDArray[np.bool_]) -> None:
        """Keep the next frame."""
        self.shape = clear.shape[0], clear.shape[1]
        self._file.seek(len(self._numbers) * sum(self._bytes))
        self._file.write(colors.tobytes())
        self._file.write(np.packbits(clear).tobytes())
        self._numbers.append(number)
        gray, count = colors.reshape(-1, 3).mean(axis=1), max(int(clear.sum()), 1)
        level = (gray * clear.reshape(-1)).sum() / count
        self.brightness.append(colors.mean())
        self.level.append(level)
        self.contrast.append(np.sqrt(((gray - level) ** 2 * clear.reshape(-1)).sum() / count))

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the frames, increasing."""
        return np.array(self._numbers, np.int64)

    def __getitem__(self, number: int) -> _Cells:
        """Colors and clear cells of a frame that was kept."""
        sizes = self._bytes
        self._file.seek(bisect_left(self._numbers, number) * sum(sizes))
        colors, bits = (np.frombuffer(self._file.read(size), np.uint8) for size in sizes)
        clear = np.unpackbits(bits, count=self.shape[0] * self.shape[1])
        return colors.reshape(*self.shape, 3), clear.reshape(self.shape).astype(np.bool_)

    @property
    def _bytes(self) -> tuple[int, int]:
        """Of the colors and of the clear cells of a frame."""
        cells = self.shape[0] * self.shape[1]
        return 3 * cells, -(-cells // 8)


@dataclass(frozen=True, eq=False)
class FrameCells:
    """The cells of kept frames as they are."""

    kept: KeptCells

    def take(self, numbers: NDArray[np.int64]) -> _Cells:
        """Those of some frames: colors uint8 [B,N,3] and clear bool [B,N]."""
        colors, clear = zip(*(self.kept[number] for number in numbers.tolist()), strict=True)
        return np.stack(colors).reshape(len(numbers), -1, 3), np.stack(clear).reshape(len(numbers), -1)


@dataclass(frozen=True, eq=False)
class AlignedCells(FrameCells):
    """The same in the reference view of a camera that moves, on a grid that covers all that it shows."""

    camera: CameraTrajectory

    def take(self, numbers: NDArray[np.int64]) -> _Cells:
        """Some frames, moved onto the grid; cells outside of a frame are not clear."""
        into, size = self._grid
        colors, clear = [], []
        for number in numbers.tolist():
            image, seen = self.kept[number]
            from_cells = resizing(seen.shape[1], seen.shape[0], self.camera.width_px, self.camera.height_px)
            matrix = into @ self.camera.to_reference[number] @ from_cells
            valid = cv2.warpPerspective(seen.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR)
            colors.append(cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR).reshape(-1, 3))
            clear.append((valid.reshape(-1) >= _WHOLLY_INSIDE) & (self.camera.confidence[number] > 0))
        return np.stack(colors).astype(np.uint8), np.stack(clear)

    @cached_property
    def _grid(self) -> tuple[Homography, tuple[int, int]]:
        """px of the reference view -> cells of the grid, and its size (width, height)."""
        area, cells = MosaicArea.of_camera(self.camera), self.kept.shape[1]
        scale = cells / self.camera.width_px
        size = max(1, round(area.width_px * scale)), max(1, round(area.height_px * scale))
        return resizing(area.width_px, area.height_px, *size) @ np.linalg.inv(area.to_reference), size
