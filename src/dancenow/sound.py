"""The sound of one file carried into another, copied as it is or encoded to AAC, on the clock of the pictures.

Used by `video.VideoWriter` alone; like it, built on PyAV and streaming packet by packet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from dancenow.errors import UserError

SoundPackets: TypeAlias = "Iterator[Packet[Any]]"

_COPIED = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus"})
"""Decoder names of the codecs that an mp4 may carry as they are."""
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


@contextmanager
def sound_packets(path: Path, zero_s: Fraction, length_s: Fraction | None, output: OutputContainer) -> Iterator[SoundPackets]:
    """Add a sound stream to `output` and give its packets, ready to be muxed in order; none if `path` has no sound.

    `zero_s` is the time on the clock of `path` that becomes 0; `length_s` is how much is used, None for all.

    Raises:
        UserError: `path` cannot be read.
    """
    try:
        source = av.open(f"file:{path}", "r", metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"the sound of {path} cannot be read; give a video or sound file.") from error
    with source:
        if not source.streams.audio:
            yield iter(())
            return
        stream = source.streams.audio[0]
        if stream.codec_context.name in _COPIED:
            yield _copied(source, stream, output.add_stream_from_template(stream, opaque=True), zero_s, length_s)
            return
        rate = stream.rate if stream.rate in _AAC_RATES else 48_000
        target = output.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")
        yield _encoded(source, stream, target, zero_s, length_s)


def _copied(
    source: InputContainer, stream: AudioStream, target: AudioStream, zero_s: Fraction, length_s: Fraction | None
) -> SoundPackets:
    """The packets that sound within the range, and the one before it, which decoders need to start cleanly.

    What lies before time 0 keeps its negative time: the mp4 writer makes it an edit list, and players skip it.
    """
    for packet in _demuxed(source, stream):
        if packet.pts is None:
            continue
        start_s = packet.pts * packet.time_base - zero_s
        if length_s is not None and start_s >= length_s:
            return
        if start_s + 2 * (packet.duration or 0) * packet.time_base <= 0 and start_s < 0:
            continue
        shift = round(zero_s / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, None if packet.dts is None else packet.dts - shift
        packet.stream = target
        yield packet


def _encoded(
    source: InputContainer, stream: AudioStream, target: AudioStream, zero_s: Fraction, length_s: Fraction | None
) -> SoundPackets:
    """The samples within the range, to the sample, as AAC."""
    rate, layout = target.rate, target.layout.name
    resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
    length = None if length_s is None else round(length_s * rate)
    position: int | None = None
    for packet in _demuxed(source, stream):
        for decoded in _decode(stream, packet):
            for part in resampler.resample(decoded):
                if position is None:
                    position = round((_time_of(part) - zero_s) * rate)
                first, last = max(0, -position), part.samples if length is None else min(part.samples, length - position)
                if last > first:
                    samples = part.to_ndarray()[:, first:last].astype(np.float32)
                    kept = AudioFrame.from_ndarray(samples, "fltp", layout)
                    kept.sample_rate, kept.pts, kept.time_base = rate, position + first, Fraction(1, rate)
                    yield from target.encode(kept)
                position += part.samples
    yield from target.encode(None)


def _demuxed(source: InputContainer, stream: AudioStream) -> "Iterator[Packet[AudioStream]]":
    """The stream's packets up to the end, or to where the file breaks off."""
    try:
        yield from source.demux(stream)
    except av.error.FFmpegError:
        return


def _decode(stream: AudioStream, packet: "Packet[AudioStream]") -> list[AudioFrame]:
    try:
        return stream.decode(packet)
    except (av.error.InvalidDataError, EOFError):
        return []


def _time_of(frame: AudioFrame) -> Fraction:
    return (frame.pts or 0) * (frame.time_base or Fraction(0))
