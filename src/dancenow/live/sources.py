"""Live sources: a camera of this machine, or a video file played at the speed of its clock."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.errors import InputError
from dancenow.execution import closed_stderr
from dancenow.media.source import open_video
from dancenow.types import Frame

_CAMERA_SIDE_PX: Final = 640


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A frame, and the moment at which it was seen, by `time.monotonic`."""

    frame: Frame
    seen_s: float


def live_frames(source: str) -> Iterator[LiveFrame]:
    """Frames of a source as they come. source: the number of a camera, or a video file.

    Raises:
        InputError: there is no such camera, or the file is missing or no video.
    """
    return _camera_frames(int(source)) if source.isdecimal() else _file_frames(Path(source))


def _file_frames(path: Path) -> Iterator[LiveFrame]:
    """Frames of a file, each when its time has come; whoever is late misses frames, as with a camera."""
    video = open_video(path)
    start_s = time.monotonic()
    for frame in video.frames():
        due_s = start_s + float(frame.time_s)
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield LiveFrame(frame, due_s)


def _camera_frames(number: int) -> Iterator[LiveFrame]:
    with closed_stderr():  # what V4L2 prints is said better below
        camera = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise InputError(f"no camera {number} was found; connect one, give the number of another, or --source FILE.")
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, _CAMERA_SIDE_PX)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        start_s, index = time.monotonic(), 0
        while True:
            is_read, image_bgr = camera.read()
            if not is_read:
                raise InputError(f"the camera {number} gives no more pictures; connect it again.")
            seen_s = time.monotonic()
            image = np.ascontiguousarray(image_bgr[:, ::-1, ::-1], np.uint8)  # mirrored, as people know themselves
            yield LiveFrame(Frame(image, index, Fraction(seen_s - start_s).limit_denominator(100_000)), seen_s)
            index += 1
    finally:
        camera.release()
