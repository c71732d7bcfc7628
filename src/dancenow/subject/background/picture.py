"""A video as a background, read in time with the dance, and how any picture is fitted to a frame."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.types import Frame, ImageRGB

_EPSILON_S: Final = 1e-6


def cover_frame(image_rgb: ImageRGB, width_px: int, height_px: int) -> ImageRGB:
    """The middle of an image uint8 [h,w,3], scaled so that it fills a frame: uint8 [H,W,3]."""
    height, width = image_rgb.shape[:2]
    scale = max(width_px / width, height_px / height)
    size = max(width_px, round(width * scale)), max(height_px, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = image_rgb if size == (width, height) else cv2.resize(image_rgb, size, interpolation=how)
    left, top = (size[0] - width_px) // 2, (size[1] - height_px) // 2
    return np.ascontiguousarray(scaled[top : top + height_px, left : left + width_px], np.uint8)


class VideoBackground:
    """A video as a `Background`: at every time the frame that it shows then; at its end it starts again.

    Frames are streamed: times that go forward are cheap, going back starts at the beginning.
    """

    def __init__(self, video: VideoSource, width_px: int, height_px: int, duration_s: float) -> None:
        """width_px, height_px: of the rendered frames. duration_s: after which the video starts again."""
        self._video, self._size, self._duration_s = video, (width_px, height_px), duration_s
        self._known = np.ones((height_px, width_px), np.bool_)
        self._restart()

    def _restart(self) -> None:
        self._frames: Iterator[Frame] = self._video.frames()
        self._now = next(self._frames)
        self._next = next(self._frames, None)
        self._image: ImageRGB | None = None

    def at(self, time_s: float) -> ImageRGB:
        """See `Background.at`."""
        wanted_s = time_s % self._duration_s + _EPSILON_S
        if wanted_s < self._now.time_s:
            self._restart()
        while self._next is not None and self._next.time_s <= wanted_s:
            self._now, self._next, self._image = self._next, next(self._frames, None), None
        if self._image is None:
            self._image = cover_frame(self._now.image_rgb, *self._size)
        return self._image

    def known_at(self, _time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        return self._known
