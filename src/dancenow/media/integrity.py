"""Check whether a video is complete and undamaged, by decoding all of it once; the same pass finds its shots.

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
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dancenow.errors import InputError
from dancenow.media.container import opened
from dancenow.media.frame_changes import thumbnail
from dancenow.media.shots import ShotFinder, save_shots
from dancenow.media.source import VideoSource, with_times
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import cache_entry, cache_key, cached_result

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

    def load() -> Integrity | None:
        try:
            return Integrity(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def make() -> Integrity:
        finder = ShotFinder(source.info.fps)
        result = check_integrity(source.path, on_progress, finder)
        save_shots(source.sha256, finder.shots())
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(asdict(result)), "utf-8")
        return result

    return cached_result(entry, load, make, sealed=(".json",), on_progress=on_progress)


def check_integrity(path: Path, on_progress: ProgressCallback = ignore_progress, finder: ShotFinder | None = None) -> Integrity:
    """Decode a whole video and compare it with its header. finder: is given every frame, as `VideoSource.frames` numbers them.

    Damage is what the decoder notices: H.264 and MPEG-4 tell most of it, HEVC and VP9 little.

    Raises:
        UserError: as `VideoSource.open`.
    """
    with opened(path) as (container, stream):
        check = _Check(container, stream, on_progress)
        for frame, _ in with_times(check.frames(), stream):
            if finder is not None:
                finder.take(thumbnail(frame))
        return check.result()


class _Check:
    """Counts frames and damage while the frames of an opened video are read."""

    def __init__(self, container: InputContainer, stream: VideoStream, on_progress: ProgressCallback) -> None:
        self._container, self._stream, self._on_progress = container, stream, on_progress
        self._declared_s, self._start_s, self._of_stream = _declared(container, stream)
        self._num_frames = self._num_damaged = 0
        self._first_damage_s: float | None = None
        self._end_s, self._is_clean = Fraction(0), False

    def frames(self) -> Iterator[VideoFrame]:
        """Every frame that decodes."""
        for packet in _packets(self._container, self._stream, self._of_stream):
            if packet is not None and packet.pts is not None and packet.time_base is not None:
                self._end_s = max(self._end_s, (packet.pts + (packet.duration or 0)) * packet.time_base - self._start_s)
            if packet is not None and packet.stream.index != self._stream.index:
                continue
            frames = _decode(self._stream, packet)
            self._count([frame is None or frame.is_corrupt for frame in frames])
            for frame in frames:
                if frame is not None:
                    frame.time_base = frame.time_base or self._stream.time_base  # the last ones come without
                    yield frame

    def _count(self, damaged: list[bool]) -> None:
        before, self._num_frames = self._num_frames, self._num_frames + len(damaged)
        # A recording that begins between two keyframes has damaged frames before the first one.
        self._is_clean = self._is_clean or not all(damaged)
        if self._is_clean and any(damaged):
            self._num_damaged += sum(damaged)
            self._first_damage_s = float(self._end_s) if self._first_damage_s is None else self._first_damage_s
        if self._num_frames // 32 > before // 32:
            self._on_progress(Progress("check the file", self._num_frames, self._stream.frames or None))

    def result(self) -> Integrity:
        """What was found, once all frames were read."""
        declared_frames = self._stream.frames or None
        read_s = float(self._end_s)
        return Integrity(self._num_frames, self._num_damaged, declared_frames, self._declared_s, read_s, self._first_damage_s)


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


def _decode(stream: VideoStream, packet: "Packet[Any] | None") -> list[VideoFrame | None]:
    """The frames that the packet (None: the end) gives; None for a packet that does not decode."""
    try:
        return list(stream.decode(packet))
    except EOFError:
        return []
    except av.error.InvalidDataError:
        return [None]
