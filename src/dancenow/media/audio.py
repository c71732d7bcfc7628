"""Copy the sound of one file into another, or encode it, in sync with the video.

Used by `sink.VideoWriter` alone; packets are streamed one by one.
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
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.video_format import MP4_SOUND, SoundFormat

SoundPackets: TypeAlias = "Iterator[Packet[Any]]"
Samples = NDArray[np.float32]

_COPIED_ON_REQUEST = frozenset({"opus", "libopus"})
"""Decoder names of codecs that mp4 files may hold, but QuickTime and older phones do not play."""
_BREAK_S = Fraction(3, 100)
"""Times in containers are rounded to a few ms; a longer jump is audible, and counts as a break."""


@contextmanager
def sound_packets(
    path: Path,
    zero_s: Fraction,
    length_s: Fraction | None,
    output: OutputContainer,
    *,
    kind: SoundFormat = MP4_SOUND,
    copy: bool = False,
) -> Iterator[SoundPackets]:
    """Add a sound stream to `output` and give its packets in order, ready to be muxed.

    There are none if `path` has no sound, or if its format is unknown.

    `zero_s` is the time on the clock of `path` that becomes 0; `length_s` is how much is used, None for all. `kind` says
    what is copied and what is encoded; `copy` also copies codecs that not every player supports.

    Raises:
        UserError: `path` cannot be read.
    """
    try:
        source = av.open(f"file:{path}", "r", metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"the sound of {path} cannot be read; give a video or sound file.") from error
    with source:
        if not source.streams.audio:
            yield iter(())
            return
        stream = source.streams.audio[0]
        if getattr(stream, "codec_context", None) is None:  # an unknown format
            yield iter(())
            return
        if stream.codec_context.name in (kind.copied | _COPIED_ON_REQUEST if copy else kind.copied):
            yield _copied(source, stream, output.add_stream_from_template(stream, opaque=True), zero_s, length_s)
            return
        rate = stream.rate if stream.rate in kind.rates_hz else 48_000
        target = output.add_stream(kind.encoder, rate=rate, layout="mono" if stream.channels == 1 else "stereo")
        yield _encoded(source, stream, target, zero_s, length_s)


def _copied(
    source: InputContainer, stream: AudioStream, target: AudioStream, zero_s: Fraction, length_s: Fraction | None
) -> SoundPackets:
    """Copy the packets of the range, and the one before it, which decoders need to start cleanly.

    Packets before time 0 keep their negative time: the mp4 writer turns them into an edit list, and players skip them. A clock
    that jumps back by over a second continues from there. Packets that overlap the previous one are dropped: mp4 does not
    support them.
    """
    due_s: Fraction | None = None
    for packet in _demuxed(source, stream):
        if packet.pts is None:
            continue
        start_s, lasts_s = packet.pts * packet.time_base - zero_s, (packet.duration or 0) * packet.time_base
        if due_s is not None and start_s < due_s - 1:
            zero_s, start_s = zero_s + start_s - due_s, due_s
        if due_s is not None and start_s < due_s - lasts_s / 2:
            continue
        due_s = start_s + lasts_s
        if length_s is not None and start_s >= length_s:
            return
        if start_s + 2 * lasts_s <= 0 and start_s < 0:
            continue
        shift = round(zero_s / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, None if packet.dts is None else packet.dts - shift
        packet.stream = target
        yield packet


def _encoded(
    source: InputContainer, stream: AudioStream, target: AudioStream, zero_s: Fraction, length_s: Fraction | None
) -> SoundPackets:
    """Encode the range, exact to the sample."""
    rate, layout = target.rate, target.layout.name
    length = None if length_s is None else round(length_s * rate)
    for start, samples in _continuous(_resampled(source, stream, rate, layout), zero_s, rate):
        first = max(0, -start)
        last = samples.shape[1] if length is None else min(samples.shape[1], length - start)
        if last > first:
            kept = AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, first:last]), "fltp", layout)
            kept.sample_rate, kept.pts, kept.time_base = rate, start + first, Fraction(1, rate)
            yield from target.encode(kept)
        if length is not None and start >= length:
            break
    yield from target.encode(None)


def _continuous(parts: Iterator[tuple[Fraction, Samples]], zero_s: Fraction, rate: int) -> Iterator[tuple[int, Samples]]:
    """Yield (position, samples) without breaks: gaps are filled with silence and overlaps cut, as encoders need."""
    end: int | None = None
    for time_s, samples in parts:
        start = round((time_s - zero_s) * rate)
        end = start if end is None else end
        while end < start:
            silence = np.zeros((len(samples), min(rate, start - end)), np.float32)
            yield end, silence
            end += silence.shape[1]
        rest = samples[:, end - start :]
        if rest.shape[1]:
            yield end, rest
            end += rest.shape[1]


def _resampled(source: InputContainer, stream: AudioStream, rate: int, layout: str) -> Iterator[tuple[Fraction, Samples]]:
    """(time in s, float32 [C,N]) at `rate`, counted to the sample from the last break in the stream's own times.

    A break is a jump of the clock or a change of format; a difference of up to `_BREAK_S` is rounding. A clock that jumps
    back by over a second continues from there, as the clock of the video does.
    """
    resampler: AudioResampler | None = None
    count, start_s, due_s, origin_s = 0, Fraction(0), Fraction(0), Fraction(0)
    form: tuple[object, ...] = ()
    for frame in (frame for packet in _demuxed(source, stream) for frame in _decode(stream, packet)):
        time_s = due_s if frame.pts is None else _time_of(frame) - origin_s
        if resampler is not None and time_s < due_s - 1:
            origin_s, time_s = origin_s + time_s - due_s, due_s
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != form or abs(time_s - due_s) > _BREAK_S:
            if resampler is not None:
                yield from _pieces(resampler, None, start_s + Fraction(count, rate), rate)
            resampler, form = AudioResampler(format="fltp", layout=layout, rate=rate), now
            count, start_s, due_s = 0, time_s, time_s
        due_s += Fraction(frame.samples, frame.sample_rate)
        frame.pts = None  # the resampler counts samples and ignores times
        for piece in _pieces(resampler, frame, start_s + Fraction(count, rate), rate):
            yield piece
            count += piece[1].shape[1]
    if resampler is not None:
        yield from _pieces(resampler, None, start_s + Fraction(count, rate), rate)


def _pieces(
    resampler: AudioResampler, frame: AudioFrame | None, time_s: Fraction, rate: int
) -> Iterator[tuple[Fraction, Samples]]:
    """The resampled pieces of a frame from `time_s` on; of None, those that the resampler still holds."""
    for part in resampler.resample(frame):
        yield time_s, part.to_ndarray().astype(np.float32, copy=False)
        time_s += Fraction(part.samples, rate)


def _demuxed(source: InputContainer, stream: AudioStream) -> "Iterator[Packet[AudioStream]]":
    """Yield the stream's packets until it ends or the file breaks off."""
    try:
        yield from source.demux(stream)
    except av.error.FFmpegError:
        return


def _decode(stream: AudioStream, packet: "Packet[AudioStream]") -> list[AudioFrame]:
    try:
        return stream.decode(packet)
    except av.error.FFmpegError:  # damaged or unsupported: the video matters more
        return []


def _time_of(frame: AudioFrame) -> Fraction:
    return (frame.pts or 0) * (frame.time_base or Fraction(0))
