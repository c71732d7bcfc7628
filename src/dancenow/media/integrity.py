"""Check whether a video is complete and undamaged, by decoding all of it once.

Most decoders hide damage: they skip what is unreadable and paint over broken blocks with the previous image.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dancenow.errors import InputError
from dancenow.media.container import opened
from dancenow.media.source import VideoSource
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import cache_entry, cache_key

_DECLARING_FORMATS: Final = ("mov,mp4", "matroska,webm", "avi", "flv", "asf")
"""Containers whose header states the duration; in others it is estimated from the bit rate, or found by reading the end."""
_TOLERANCE_S, _TOLERANCE_FRACTION = 0.5, 0.02
"""A header may be wrong by this much: containers round, and a stream may end a little before the file."""


@dataclass(frozen=True)
class Integrity:
    """What a video declares and what can be read of it.

    num_frames: of the video. damaged_frames: those of them that the decoder marks as damaged, or does not decode.
    declared_frames, declared_s: of the header, None if it does not say or only estimates. read_s: how far the file can be read.
    first_damage_s: time of the first damaged frame, None without one.
    """

    num_frames: int
    damaged_frames: int
    declared_frames: int | None
    declared_s: float | None
    read_s: float
    first_damage_s: float | None

    @property
    def is_cut_off(self) -> bool:
        """Whether the file ends clearly before the time that its header declares."""
        if self.declared_s is None:
            return False
        return self.declared_s - self.read_s > max(_TOLERANCE_S, _TOLERANCE_FRACTION * self.declared_s)

    @property
    def problem(self) -> str | None:
        """What is missing or damaged, as a phrase without its subject; None for a sound video."""
        if self.is_cut_off:
            declared = "" if self.declared_frames is None else f"{self.declared_frames} frames, "
            return (
                f"is cut off: its header declares {declared}{self.declared_s:.1f} s, but only {self.num_frames} frames,"
                f" {self.read_s:.1f} s, can be read"
            )
        if self.damaged_frames:
            return f"is damaged: {self.damaged_frames} of {self.num_frames} frames, the first at {self.first_damage_s:.1f} s"
        return None


def require_complete(source: VideoSource, on_progress: ProgressCallback = ignore_progress) -> tuple[str, ...]:
    """Require that a video is complete and undamaged; of a source that accepts damage, return what is wrong as a warning.

    The result is cached by the content of the file.

    Raises:
        UserError: the video is cut off or damaged, and the source does not accept it; or as `VideoSource.open`.
    """
    problem = _cached_integrity(source, on_progress).problem
    if problem is None:
        return ()
    if not source.accepts_damage:
        raise InputError(
            f"{source} {problem}; copy or record it again, or use what can be read with --accept-damaged (accept_damaged=True)."
        )
    return (f"{source} {problem}; only what can be read is used.",)


def _cached_integrity(source: VideoSource, on_progress: ProgressCallback) -> Integrity:
    entry = cache_entry("integrity", cache_key("integrity", inputs=[source.sha256], modules=[__name__]))
    path = entry.path(".json")
    with entry.in_use():
        try:
            return Integrity(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            result = check_integrity(source.path, on_progress)
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(asdict(result)), "utf-8")
    return result


def check_integrity(path: Path, on_progress: ProgressCallback = ignore_progress) -> Integrity:
    """Decode a whole video and compare it with its header.

    Damage is what the decoder notices: H.264 and MPEG-4 tell most of it, HEVC and VP9 little.

    Raises:
        UserError: as `VideoSource.open`.
    """
    num_frames = num_damaged = 0
    first_damage_s: float | None = None
    end_s, is_clean = Fraction(0), False
    with opened(path) as (container, stream):
        declared_s, start_s, of_stream = _declared(container, stream)
        for packet in _packets(container, stream, of_stream):
            if packet is not None and packet.pts is not None and packet.time_base is not None:
                end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base - start_s)
            if packet is not None and packet.stream.index != stream.index:
                continue
            damaged = _decode(stream, packet)
            num_frames += len(damaged)
            # A recording that begins between two keyframes has damaged frames before the first one.
            is_clean = is_clean or not all(damaged)
            if is_clean and any(damaged):
                num_damaged += sum(damaged)
                first_damage_s = float(end_s) if first_damage_s is None else first_damage_s
            if num_frames % 32 == 0:
                on_progress(Progress("check the file", num_frames, stream.frames or None))
        return Integrity(num_frames, num_damaged, stream.frames or None, declared_s, float(end_s), first_damage_s)


def _declared(container: InputContainer, stream: VideoStream) -> tuple[float | None, Fraction, bool]:
    """The duration in the header, None if it does not say; its start on the packets' clock; whether it is the stream's own."""
    says = container.format.name.startswith(_DECLARING_FORMATS)
    if stream.duration is not None and stream.time_base is not None:
        start_s = (stream.start_time or 0) * stream.time_base
        return float(stream.duration * stream.time_base) if says else None, start_s, True
    duration_s = container.duration / av.time_base if says and container.duration else None
    return duration_s, Fraction(container.start_time or 0, av.time_base), False


def _packets(container: InputContainer, stream: VideoStream, only_stream: bool) -> "Iterator[Packet[Any] | None]":
    """The packets of the stream, or of image and sound, up to where the file breaks off, and then None."""
    wanted = [stream] if only_stream else [each for each in container.streams if each.type in ("video", "audio")]
    try:
        for packet in container.demux(wanted):
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        pass
    yield None


def _decode(stream: VideoStream, packet: "Packet[Any] | None") -> list[bool]:
    """Whether each frame that the packet (None: the end) gives is damaged; a packet that does not decode is one."""
    try:
        return [frame.is_corrupt for frame in stream.decode(packet)]
    except EOFError:
        return []
    except av.error.InvalidDataError:
        return [True]
