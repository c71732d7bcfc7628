"""Open and write containers with PyAV, and say what is wrong with a file in one sentence.

Damaged packets are skipped, and a written file appears only when it is complete. Used by `source` and `sink`.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dancenow.errors import InputError, OutputError
from dancenow.media.deinterlacing import deinterlace
from dancenow.storage.atomic_io import complete_or_absent


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and give its container and first video stream, which are closed at the end; FFmpeg's errors name the file."""
    path = Path(path)
    try:
        exists = path.exists()
    except PermissionError as error:
        raise InputError(f"{path} may not be read; check the permissions of its folder.") from error
    if not exists:
        raise InputError(f"{path} does not exist; check the name.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a video file.")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device, and a video is read more than once; save it to a file first.")
    try:
        container = av.open(f"file:{path}", "r", metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise InputError(_why_unreadable(path, error)) from error
    with container:
        if container.format.name.endswith("_pipe") and _is_animated_webp(path):
            raise InputError(f"{path} is an animated WebP, which cannot be decoded here; convert it to mp4 first.")
        if container.format.name.endswith("_pipe") or container.format.name in ("image2", "tty"):
            raise InputError(
                f"{path} is a {'text' if container.format.name == 'tty' else 'still image'}, not a video; give a video file."
            )
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise InputError(f"{path} holds sound but no images; give a video file." if container.streams.audio
                            else f"{path} holds no images; give a video file.")  # fmt: skip
        if getattr(streams[0], "codec_context", None) is None:
            raise InputError(f"{path} is in a video format that cannot be decoded here; convert it to H.264 first.")
        streams[0].thread_type = "AUTO"
        try:
            yield container, streams[0]
        except av.error.FFmpegError as error:
            raise InputError(
                f"{path} cannot be decoded ({error.strerror or error}); convert it to H.264 first or take another copy."
            ) from error


def _is_animated_webp(path: Path) -> bool:
    """Whether the extended header of a WebP file has the animation flag (RFC 9649, section 2.7.1)."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & 0b10)


def _why_unreadable(path: Path, error: av.error.FFmpegError) -> str:
    if isinstance(error, PermissionError):
        return f"{path} may not be read; check its permissions."
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        return f"{path} is empty; copy or record it again."
    if head[4:8] == b"ftyp":
        return f"{path} was cut off before it was complete (its index is missing); copy or record it again."
    return f"{path} is not a video that can be read; give a video file such as mp4, mov, mkv or webm."


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield all frames that decode, deinterlaced. Damaged packets are skipped; a file that breaks off ends there."""
    return deinterlace(_decoded(container, stream))


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            packet = None
        try:
            frames = stream.decode(packet)
        except (av.error.InvalidDataError, EOFError):
            frames = []
        yield from frames
        if packet is None:
            return


@contextmanager
def writing(
    path: Path, container_format: str, options: dict[str, str], finish: Callable[[Path], None] | None = None
) -> Iterator[OutputContainer]:
    with complete_or_absent(path) as temporary:
        with errors_of(path):
            container = av.open(f"file:{temporary}", "w", format=container_format, container_options=options)
        try:
            yield container
        except BaseException:
            with suppress(av.error.FFmpegError):  # the file is discarded; the first error is the one to report
                container.close()
            raise
        with errors_of(path):
            container.close()
        if finish is not None:
            finish(temporary)


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Report FFmpeg's errors while it writes `path`, and no others, as errors of that file."""
    try:
        yield
    except av.error.FFmpegError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror) from error
        raise OutputError(f"cannot write {path}: {error.strerror or error}.") from error


def presentation_time_s(item: "VideoFrame | Packet[Any]") -> Fraction:
    """Presentation time in seconds on the container's clock, exactly."""
    return (item.pts or 0) * (item.time_base or Fraction(0))
