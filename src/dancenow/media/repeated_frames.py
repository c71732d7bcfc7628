"""Find repeated frames, which show the same as the frame before: film of 24 frames a second in a video of 30 has some."""

from array import array
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import Frame

_SIDE_PX: Final = 320
_PERCENTILE: Final = 99.8
"""Of the pixels' changes: what moves may be small."""
_AROUND: Final = 5
"""Frames on both sides that tell how much usually changes."""
_MIN_MOTION_LEVELS: Final = 8.0
"""Where less changes, nothing moves, and a repetition means nothing."""
_REPEATED: Final = 0.1
"""A repeated frame changes by less than this fraction of that: what the codec changes, 1 or 2 levels of 146 in a clip that was
brought from 23 to 30 frames a second; in 15 clips without repetitions the least was .15.
"""


class RepeatedFrameFinder:
    """Finds repeated (duplicate) frames; looks at all frames of a video in order."""

    def __init__(self) -> None:
        self._change_levels = array("d")
        self._last: NDArray[np.uint8] | None = None

    def watch(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The same frames, each looked at as it passes."""
        for frame in frames:
            self.take(frame)
            yield frame

    def take(self, frame: Frame) -> None:
        """Compare a frame with the one before."""
        height, width = frame.image_rgb.shape[:2]
        scale = min(1.0, _SIDE_PX / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(frame.image_rgb[..., 1], size, interpolation=cv2.INTER_AREA)
        if self._last is not None:
            self._change_levels.append(float(np.percentile(cv2.absdiff(small, self._last), _PERCENTILE)))
        self._last = np.asarray(small, np.uint8)

    def found(self) -> tuple[int, ...]:
        """Numbers of the repeated frames, of those that were looked at, from 0."""
        change = np.array(self._change_levels)
        return tuple(i + 1 for i in range(len(change)) if _is_repeated(change, i))


def _is_repeated(change: NDArray[np.float64], i: int) -> bool:
    around = float(np.median(change[max(0, i - _AROUND) : i + _AROUND + 1]))
    return bool(around > _MIN_MOTION_LEVELS and change[i] < _REPEATED * around)
