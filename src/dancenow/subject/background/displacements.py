"""How parts of a background shift over time where one homography per frame does not tell it: the parallax of a mosaic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

_CELLS: Final = 48
"""Along the longer side of what is kept: displacements are smooth."""


@dataclass(frozen=True, eq=False)
class Displacements:
    """Displacements of a mosaic in some frames of its video.

    frames: int64 [N], increasing. by: float16 [N,h,w,2] px of the mosaic, on a coarse grid over it: what the mosaic has at p is
    seen by that frame at p + by[p] of its homography's view. reach_frames: farther from these frames, nothing is known, and the
    displacement is 0, the mean.
    """

    frames: NDArray[np.int64]
    by: NDArray[np.float16]
    reach_frames: float

    def __post_init__(self) -> None:
        if self.by.ndim != 4 or self.by.shape[3] != 2 or self.frames.shape != self.by.shape[:1] or not len(self.frames):
            raise ValueError(f"displacements must be [N,h,w,2] with N frames, got {self.by.shape} and {self.frames.shape}")
        if self.frames.dtype.kind != "i" or (np.diff(self.frames) <= 0).any():
            raise ValueError("the frames of displacements must be whole numbers that increase")
        if not self.by.size or not np.isfinite(self.by).all() or not self.reach_frames > 0:
            raise ValueError("displacements and their reach must be finite numbers")

    @classmethod
    def of_fields(
        cls, frames: Sequence[int], fields: Sequence[FloatArray], width_px: int, height_px: int, reach_frames: float
    ) -> Self:
        """From displacements [H,W,2] in their own px, of a mosaic of width_px x height_px."""
        scale = _CELLS / max(width_px, height_px)
        size = (max(2, round(width_px * scale)), max(2, round(height_px * scale)))
        order = np.argsort(frames)
        kept = [cv2.resize(fields[i], size, interpolation=cv2.INTER_AREA) for i in order]
        height, width = fields[0].shape[:2]
        factor = np.array([width_px / width, height_px / height], np.float32)
        return cls(np.asarray(frames, np.int64)[order], (np.stack(kept) * factor).astype(np.float16), reach_frames)

    def completed(self, other: Self) -> Self:
        """With those of the other, of the same mosaic, in frames out of reach of these."""
        far = np.abs(other.frames[:, None] - self.frames).min(axis=1) > self.reach_frames
        if not far.any():
            return self
        size = self.by.shape[2], self.by.shape[1]
        added = [cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for each in other.by[far]]
        frames, by = np.concatenate([self.frames, other.frames[far]]), np.concatenate([self.by, np.array(added, np.float16)])
        order = np.argsort(frames)
        return type(self)(frames[order], by[order], self.reach_frames)

    def at(self, frame: float) -> FloatArray:
        """The displacements [h,w,2] at a moment between frames."""
        after = int(np.clip(np.searchsorted(self.frames, frame), 1, len(self.frames) - 1)) if len(self.frames) > 1 else 0
        before = max(after - 1, 0)
        step = float(max(int(self.frames[after] - self.frames[before]), 1))
        since, until = (max(0.0, float(each)) for each in (frame - self.frames[before], self.frames[after] - frame))
        reach = min(step, self.reach_frames) if after > before else self.reach_frames
        first, second = max(0.0, 1 - since / reach), max(0.0, 1 - until / reach) * (after > before)
        return np.asarray(first * self.by[before].astype(np.float32) + second * self.by[after].astype(np.float32), np.float32)
