"""Finding the dancer in frames that were passed over, from the moment at which they are found.

Somebody who begins with their back turned looks like nobody whom the first look knows, until they have turned; after a loss
it is the same. From the frame in which they are found again, motion leads back into the frames before, which are kept for a
while, compressed, and in bounded number.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.types import Frame

MAX_BUFFERED_FRAMES: Final = 150
"""Frames held back, at most, while the person is not found."""
_MAX_BUFFERED_BYTES: Final = 48_000_000
_JPEG_QUALITY: Final = 95


@dataclass(frozen=True, eq=False)
class _Kept:
    """A frame in which nobody was found yet, as JPEG."""

    jpeg: NDArray[np.uint8]
    index: int
    time_s: Fraction

    @classmethod
    def of(cls, frame: Frame) -> "_Kept":
        bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return cls(np.asarray(jpeg, np.uint8), frame.index, frame.time_s)

    def frame(self) -> Frame:
        image_rgb = cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR_RGB)
        return Frame(np.asarray(image_rgb, np.uint8), self.index, self.time_s)


def track_with_backfill(tracker: PersonTracker, frames: Iterable[Frame]) -> Iterator[tuple[Fraction, Landmarks | None]]:
    """The time of every frame and who was followed in it, in the frames' order; a little late, where somebody was missed.

    At most 150 frames and 48 MB of what was not understood are held at once; older ones stay missed.
    """
    waiting: deque[_Kept] = deque()
    held_bytes = 0
    for frame in frames:
        found = tracker.step(frame)
        if found is None:
            waiting.append(_Kept.of(frame))
            held_bytes += waiting[-1].jpeg.nbytes
            while len(waiting) > MAX_BUFFERED_FRAMES or held_bytes > _MAX_BUFFERED_BYTES:
                given_up = waiting.popleft()
                held_bytes -= given_up.jpeg.nbytes
                yield given_up.time_s, None
            continue
        before = list(tracker.back((kept.frame() for kept in reversed(waiting)), found))
        for place, kept in enumerate(waiting):
            ago = len(waiting) - 1 - place
            yield kept.time_s, before[ago] if ago < len(before) else None
        waiting.clear()
        held_bytes = 0
        yield frame.time_s, found
    yield from ((kept.time_s, None) for kept in waiting)
