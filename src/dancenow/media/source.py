"""Read videos and masks one frame at a time.

Built on PyAV (FFmpeg). Frames come as players show them (rotation and pixel shape applied) with the container's own timestamps.
Memory does not grow with the length of a video.
"""

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dancenow.errors import InputError, UserError
from dancenow.media.container import decoded, opened, presentation_time_s
from dancenow.media.pixel_format import orientation_of, square_size, to_rgb
from dancenow.types import Frame, VideoInfo


def probe(path: Path) -> VideoInfo:
    """What the container says of its first video stream; one frame is decoded to make sure that it can be.

    `num_frames` and `duration_s` are the container's claims and may be off for a damaged file; `fps` is the average.

    Raises:
        UserError: the file is missing, is not a video, has no pictures or is cut off before the first one.
    """
    with opened(path) as (container, stream):
        frame = next(decoded(container, stream), None)
        if frame is None:
            raise InputError(f"{path} has no frame that can be decoded; it is damaged or empty.")
        height, width = orientation_of(frame).apply(np.empty(square_size(frame, stream)[::-1], np.uint8)).shape
        duration = None
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration = container.duration / av.time_base
        has_audio = bool(container.streams.audio)
        return VideoInfo(width, height, _rate(stream), stream.frames or None, duration, has_audio, -frame.rotation % 360)


def read_frames(path: Path, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
    """Yield the frames numbered `start` to `stop` - 1, or every `step`-th of them, as they are shown, each with its own time.

    Times are those of the container, from the first frame of the file, and strictly increase; a frame that is not later
    than the one before is never shown by a player and is left out. A video that breaks off yields what decodes. Frames
    that are passed over are decoded but not converted. Every reader of the same file sees the same numbers.

    Raises:
        UserError: as `probe`.
    """
    numbers = itertools.count(start, step)
    return _shown(path, itertools.takewhile(lambda index: stop is None or index < stop, numbers))


def read_frames_at(path: Path, indices: Iterable[int]) -> Iterator[Frame]:
    """Yield the frames with these numbers, which must increase; those past the end are left out. Raises as `probe`."""
    return _shown(path, indices)


def _shown(path: Path, indices: Iterable[int]) -> Iterator[Frame]:
    wanted = iter(indices)
    with opened(path) as (container, stream):
        shape: tuple[int, int] | None = None
        rotation_deg: int | None = None
        next_index = next(wanted, None)
        for index, (frame, time_s) in enumerate(_timed(decoded(container, stream), stream)):
            shape = shape or square_size(frame, stream)
            if next_index is None:
                return
            if frame.rotation != rotation_deg:
                rotation_deg, orientation = frame.rotation, orientation_of(frame)
            if index == next_index:
                yield Frame(orientation.apply(to_rgb(frame, *shape)), index, time_s)
                next_index = next(wanted, None)
        if shape is None:
            raise InputError(f"{path} has no frame that can be decoded; it is damaged or empty.")


def read_masks(path: Path, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the masks numbered `start` to `stop` - 1 of a file by `MaskWriter`, each uint8 [H,W]. Raises UserError."""
    with opened(path) as (container, stream):
        for index, frame in enumerate(decoded(container, stream)):
            if stop is not None and index >= stop:
                return
            if index >= start:
                yield frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def _timed(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Frames with strictly increasing times from the first; a clock that jumps back by over a second goes on from there."""
    step_s, time_s, origin_s = 1 / _rate(stream), Fraction(-1), Fraction(0)
    for frame in frames:
        if time_s < 0:
            origin_s = presentation_time_s(frame) if frame.pts is not None else Fraction(0)
        now_s = presentation_time_s(frame) - origin_s if frame.pts is not None else max(time_s, -step_s) + step_s
        if now_s < time_s - 1:
            origin_s += now_s - (time_s + step_s)
            now_s = time_s + step_s
        if now_s > time_s:
            time_s = now_s
            yield frame, time_s


def _rate(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    return rate if rate and 0 < rate <= 1000 else Fraction(30)


def first_frame_time_s(path: Path) -> Fraction:
    """Time of the first frame on the container's clock; 0 for a file of sound alone."""
    try:
        with opened(path) as (container, stream):
            frame = next(decoded(container, stream), None)
            return presentation_time_s(frame) if frame is not None else Fraction(0)
    except UserError:
        if Path(path).is_file():
            return Fraction(0)
        raise
