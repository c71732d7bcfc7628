"""The exposure of footage that changes: a lamp flickers, the camera adapts its exposure or white balance, the picture fades in.

Every frame has a gain and an offset per color channel that bring it to one reference exposure, at which the background is
estimated and the networks are trained; `replay` applies the inverse. Measured by `exposure_measurement.ExposureMeter`.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

EXPOSURE_FILE: Final = "exposure.npz"
"""Name in a subject folder; it exists only where the exposure changes."""
_GAIN, _OFFSET = 0, 1
_MANY_UNUSABLE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Exposure:
    """The exposures of the frames of a video relative to the reference exposure.

    table: float32 [T,3,2], gain and offset in levels of 255 of R, G and B: reference level = gain * level + offset.
    usable: bool [T], false for frames that no correction can match: black ones, fades to a title.
    """

    table: NDArray[np.float32]
    usable: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.table.shape != (len(self.usable), 3, 2) or self.usable.ndim != 1:
            raise ValueError(f"an exposure table of {self.table.shape} for {self.usable.shape} frames instead of [T,3,2]")
        if not (np.isfinite(self.table).all() and (self.table[..., _GAIN] > 0).all()):
            raise ValueError("an exposure table with a gain that is not positive")

    def __repr__(self) -> str:
        gain = self.table[..., _GAIN]
        return f"Exposure({len(self)} frames, gain {gain.min():.2f} to {gain.max():.2f}, {(~self.usable).sum()} unusable)"

    def __len__(self) -> int:
        return len(self.usable)

    @classmethod
    def constant(cls, num_frames: int) -> Self:
        """The exposure of footage in which it does not change."""
        return cls(np.tile(np.array([1, 0], np.float32), (num_frames, 3, 1)), np.ones(num_frames, bool))

    @property
    def changes(self) -> bool:
        """Whether any frame differs from the reference exposure or is unusable."""
        return not (self.usable.all() and (self.table == np.array([1, 0], np.float32)).all())

    def warnings(self, measured: NDArray[np.bool_]) -> tuple[str, ...]:
        """A warning if many of the measured frames, bool [T], are unusable. What is corrected is no problem."""
        unusable = float((measured & ~self.usable).sum() / max(1, int(measured.sum())))
        if unusable < _MANY_UNUSABLE:
            return ()
        return (
            f"{unusable:.0%} of the frames are too dark or too bright to be corrected (a fade, or light that goes out) and are"
            " left out: cut them off, or film with steady light.",
        )

    def correct(self, image_rgb: ImageRGB, frame_index: int) -> ImageRGB:
        """Bring a frame, uint8 [H,W,3], to the reference exposure; the same array where nothing is to be changed."""
        return _apply(image_rgb, self.table[frame_index, :, _GAIN], self.table[frame_index, :, _OFFSET])

    def replay(self, image_rgb: ImageRGB, frame_index: int) -> ImageRGB:
        """Bring an image, uint8 [H,W,3], from the reference exposure to that of a frame: the inverse of `correct`."""
        gain, offset = self.table[frame_index, :, _GAIN], self.table[frame_index, :, _OFFSET]
        return _apply(image_rgb, 1 / gain, -offset / gain)

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        buffer = BytesIO()
        np.savez(buffer, table=self.table, usable=self.usable)
        path.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file by `save`.

        Raises:
            OSError, ValueError, KeyError: it is missing or damaged.
        """
        with np.load(path, allow_pickle=False) as file:
            return cls(np.asarray(file["table"], np.float32), np.asarray(file["usable"], np.bool_))


def _apply(image_rgb: ImageRGB, gain: NDArray[np.floating], offset: NDArray[np.floating]) -> ImageRGB:
    if (gain == 1).all() and (offset == 0).all():
        return image_rgb
    levels = np.arange(256, dtype=np.float32)[:, None] * gain + offset
    lookup = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image_rgb, lookup[None]), np.uint8)
