"""Read videos and masks one frame at a time.

Built on PyAV (FFmpeg). Frames come as players show them (rotation and pixel shape applied) with the container's own timestamps.
Memory does not grow with the length of a video.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from heapq import merge
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.container import decoded, opened, presentation_time_s
from dancenow.media.frame_changes import thumbnail
from dancenow.media.pixel_format import orientation_of, square_size, to_rgb
from dancenow.media.shots import Shot, ShotFinder, load_shots, save_shots
from dancenow.storage.atomic_io import sha256_of
from dancenow.types import Frame, VideoInfo


class FrameConsumer(Protocol):
    """Takes some frames of a video, see `VideoSource.feed`."""

    @property
    def indices(self) -> Collection[int]:
        """Numbers of the wanted frames."""

    def take(self, frame: Frame) -> None:
        """Use the next wanted frame; they come in order, without those past the end of the video."""


@dataclass(frozen=True, eq=False)
class VideoSource:
    """A video that a command reads. It is opened once and passed along, so that it is probed and hashed once.

    path: the file. info: from the container and the first frame. first_frame_time_s: time of the first frame on the
    container's clock, which the sound uses, too. accepts_damage: what can be read of a damaged file is good enough, see
    `integrity.require_complete`. Frames are numbered from 0; every pass over them sees the same numbers.
    """

    path: Path
    info: VideoInfo
    first_frame_time_s: Fraction
    accepts_damage: bool = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Probe a file. One frame is decoded, to make sure that it can be.

        Raises:
            UserError: the file is missing, is not a video, has no images or is cut off before the first one.
        """
        path = Path(path)
        with opened(path) as (container, stream):
            frame = next(decoded(container, stream), None)
            if frame is None:
                raise _no_frame(path)
            return cls(path, _info(container, stream, frame), presentation_time_s(frame))

    def __str__(self) -> str:
        """The name of the file, for messages."""
        return str(self.path)

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the file, computed when it is first asked for."""
        return sha256_of(self.path)

    @cached_property
    def shots(self) -> tuple[Shot, ...]:
        """The shots from first to last, without a gap: one for a video without cuts.

        Found once per content and cached; `integrity.require_complete` finds them in the pass that looks for damage.

        Raises:
            UserError: as `open`.
        """
        known = load_shots(self.sha256)
        if known is not None:
            return known
        finder = ShotFinder(self.info.fps)
        with opened(self.path) as (container, stream):
            for frame, _ in with_times(decoded(container, stream), stream):
                finder.take(thumbnail(frame))
        save_shots(self.sha256, finder.shots())
        return finder.shots()

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Yield the frames numbered `start` to `stop` - 1, or every `step`-th of them, each with its own time.

        Times are those of the container, from the first frame of the file, and strictly increase; a frame that is not later
        than the previous one is never shown by a player and is left out. A video that breaks off yields what decodes. Frames
        that are skipped are decoded but not converted.

        Raises:
            UserError: as `open`.
        """
        return read_frames(self.path, start, stop, step)

    def feed(self, *consumers: FrameConsumer) -> None:
        """Decode the video once for several consumers; each takes the frames that it wants. Raises UserError as `open`."""
        # A range of all frames stays one: a set of the numbers of an hour takes 8 MB.
        wanted = [each if isinstance(each := consumer.indices, range) else set(each) for consumer in consumers]
        numbers = merge(*(each if isinstance(each, range) else sorted(each) for each in wanted))
        for frame in self.frames_at(number for number, _ in itertools.groupby(numbers)):
            for consumer, indices in zip(consumers, wanted, strict=True):
                if frame.index in indices:
                    consumer.take(frame)

    def frames_at(self, indices: Iterable[int]) -> Iterator[Frame]:
        """Yield the frames with these numbers, which must increase; those past the end are left out. Raises as `open`."""
        return read_frames_at(self.path, indices)


VideoInput: TypeAlias = Path | VideoSource
"""What public functions take: a file, or a video that is open already."""


def open_video(video: VideoInput, *, accept_damaged: bool = False) -> VideoSource:
    """The opened video of a file; a video that is open already is returned, and accepts damage if it did or is told to.

    Raises:
        UserError: as `VideoSource.open`.
    """
    source = video if isinstance(video, VideoSource) else VideoSource.open(video)
    return replace(source, accepts_damage=True) if accept_damaged and not source.accepts_damage else source


def probe(path: Path) -> VideoInfo:
    """Describe the first video stream of a file. Raises as `VideoSource.open`."""
    return VideoSource.open(path).info


def read_frames(path: Path, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
    """`VideoSource.frames` of a file that is read once."""
    numbers = itertools.count(start, step)
    return _read(path, itertools.takewhile(lambda index: stop is None or index < stop, numbers))


def read_frames_at(path: Path, indices: Iterable[int]) -> Iterator[Frame]:
    """`VideoSource.frames_at` of a file that is read once."""
    return _read(path, indices)


def sound_clock(video: VideoInput) -> tuple[Path, Fraction]:
    """The file that holds the sound of a video, and the time of the first frame on its clock; 0 for a file without images.

    Raises:
        UserError: there is no such file.
    """
    if isinstance(video, VideoSource):
        return video.path, video.first_frame_time_s
    try:
        return video, VideoSource.open(video).first_frame_time_s
    except InputError:
        if Path(video).is_file():
            return video, Fraction(0)
        raise


def _info(container: InputContainer, stream: VideoStream, frame: VideoFrame) -> VideoInfo:
    height, width = orientation_of(frame).apply(np.empty(square_size(frame, stream)[::-1], np.uint8)).shape
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / av.time_base
    has_audio = bool(container.streams.audio)
    return VideoInfo(width, height, _rate(stream), stream.frames or None, duration_s, has_audio, -frame.rotation % 360)


def _no_frame(path: Path) -> InputError:
    return InputError(f"{path} has no frame that can be decoded; it is damaged or empty.")


def _read(path: Path, indices: Iterable[int]) -> Iterator[Frame]:
    wanted = iter(indices)
    with opened(path) as (container, stream):
        shape: tuple[int, int] | None = None
        rotation_deg: int | None = None
        next_index = next(wanted, None)
        for index, (frame, time_s) in enumerate(with_times(decoded(container, stream), stream)):
            shape = shape or square_size(frame, stream)
            if frame.rotation != rotation_deg:
                rotation_deg, orientation = frame.rotation, orientation_of(frame)
            if index == next_index:
                yield Frame(orientation.apply(to_rgb(frame, *shape)), index, time_s)
                next_index = next(wanted, None)
            if next_index is None:
                return
        if shape is None:
            raise _no_frame(path)


def read_masks(path: Path, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the masks numbered `start` to `stop` - 1 of a file by `MaskWriter`, each uint8 [H,W]. Raises UserError."""
    with opened(path) as (container, stream):
        for index, frame in enumerate(decoded(container, stream)):
            if stop is not None and index >= stop:
                return
            if index >= start:
                yield frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def with_times(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield frames with strictly increasing times from 0; a clock that jumps back by over a second continues from there."""
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
