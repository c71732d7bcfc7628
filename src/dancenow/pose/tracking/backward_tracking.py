"""Track backwards through buffered frames once the person is found: backfill of a late start or a loss.

A person who starts with their back turned does not match the appearance in the sampled frames until they turn; after a loss
it is the same. From the frame where they are found, motion leads back into earlier frames, which are buffered as JPEG, in
bounded number.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.shots import Shot
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.types import Frame

MAX_BUFFERED_FRAMES: Final = 150
"""Frames held back, at most, while the person is not found."""
_MAX_BUFFERED_BYTES: Final = 48_000_000
_JPEG_QUALITY: Final = 95


@dataclass(frozen=True, eq=False)
class _Buffered:
    """A frame in which the person is not found yet, as JPEG."""

    jpeg: NDArray[np.uint8]
    index: int
    time_s: Fraction

    @classmethod
    def of(cls, frame: Frame) -> "_Buffered":
        bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return cls(np.asarray(jpeg, np.uint8), frame.index, frame.time_s)

    def frame(self) -> Frame:
        image_rgb = cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR_RGB)
        return Frame(np.asarray(image_rgb, np.uint8), self.index, self.time_s)


def track_shots(
    tracker: PersonTracker, frames: Iterable[Frame], shots: Sequence[Shot]
) -> Iterator[tuple[Fraction, Landmarks | None]]:
    """As `track_with_backfill`, for a video of several shots: the person is looked for anew in each.

    Frames of fades and blank frames are not looked at: a fade shows two pictures at once.
    """
    starts = [shot.start for shot in shots]
    for number, of_shot in groupby(frames, key=lambda frame: bisect_right(starts, frame.index) - 1):
        if shots[number].kind in ("transition", "blank"):
            yield from ((frame.time_s, None) for frame in of_shot)
        else:
            tracker.start_shot()
            yield from track_with_backfill(tracker, of_shot)


def track_with_backfill(tracker: PersonTracker, frames: Iterable[Frame]) -> Iterator[tuple[Fraction, Landmarks | None]]:
    """The time of every frame and the person's landmarks in it (None: not found), in order, delayed while they are not found.

    At most `MAX_BUFFERED_FRAMES` frames and 48 MB are held at once; the person stays missing in older ones.
    """
    waiting: deque[_Buffered] = deque()
    buffered_bytes = 0
    for frame in frames:
        found = tracker.step(frame)
        if found is None:
            waiting.append(_Buffered.of(frame))
            buffered_bytes += waiting[-1].jpeg.nbytes
            while len(waiting) > MAX_BUFFERED_FRAMES or buffered_bytes > _MAX_BUFFERED_BYTES:
                dropped = waiting.popleft()
                buffered_bytes -= dropped.jpeg.nbytes
                yield dropped.time_s, None
            continue
        before = list(tracker.track_backwards((kept.frame() for kept in reversed(waiting)), found))
        for place, kept in enumerate(waiting):
            ago = len(waiting) - 1 - place
            yield kept.time_s, before[ago] if ago < len(before) else None
        waiting.clear()
        buffered_bytes = 0
        yield frame.time_s, found
    yield from ((kept.time_s, None) for kept in waiting)
