"""The kinds of video file that are written: container, codec, pixels and sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

AAC_RATES_HZ: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


@dataclass(frozen=True)
class SoundFormat:
    """What becomes of the sound of a source. copied: decoder names of the codecs that are copied without loss; all others are
    encoded with `encoder`, at their own rate if it is in `rates_hz`, else at 48 kHz.
    """

    copied: frozenset[str]
    encoder: Literal["aac", "libopus"]
    rates_hz: tuple[int, ...]


@dataclass(frozen=True)
class VideoFormat:
    """A kind of video file.

    suffix: of its name. channels: 3 for RGB; 4 for RGB and straight alpha. even: whether width and height are padded to even
    numbers. options: of the encoder. container_options: of the container. metadata: of the video stream.
    """

    suffix: str
    container: str
    codec: Literal["libx264", "prores_ks", "libvpx-vp9"]
    pixel_format: str
    channels: int
    sound: SoundFormat
    options: Mapping[str, str]
    even: bool = False
    container_options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


MP4_SOUND: Final = SoundFormat(frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac"}), "aac", AAC_RATES_HZ)
"""Copied are the codecs that players of mp4 files support, QuickTime and older phones among them."""
WEBM_SOUND: Final = SoundFormat(frozenset({"opus", "libopus", "vorbis", "libvorbis"}), "libopus", (48_000,))

H264: Final = VideoFormat(
    ".mp4", "mp4", "libx264", "yuv420p", 3, MP4_SOUND, {"crf": "18", "preset": "veryfast"}, even=True,
    container_options={"movflags": "+faststart"},
)  # fmt: skip
"""What every player shows."""
PRORES_4444: Final = VideoFormat(
    ".mov", "mov", "prores_ks", "yuva444p10le", 4, MP4_SOUND,
    {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
    container_options={"movflags": "+faststart"},
)  # fmt: skip
"""What editing programs read, with alpha."""
VP9_ALPHA: Final = VideoFormat(
    ".webm", "webm", "libvpx-vp9", "yuva420p", 4, WEBM_SOUND,
    {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "5", "auto-alt-ref": "0", "row-mt": "1"},
    even=True, metadata={"alpha_mode": "1"},
)  # fmt: skip
"""What browsers show over a page, with alpha, which lies beside every frame; chroma has half the size."""

FORMATS: Final = {each.suffix: each for each in (H264, PRORES_4444, VP9_ALPHA)}
"""Suffix -> kind of file."""
