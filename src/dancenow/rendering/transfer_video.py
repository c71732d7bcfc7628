"""The last stage of a transfer: frames are marked as synthetic and written with the timing and sound of the source."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import dancenow
from dancenow.errors import OptionError
from dancenow.media.source import VideoSource
from dancenow.progress import Progress, ProgressCallback
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.output import open_writer, output_notes
from dancenow.types import ImageRGB, PoseTrack

SYNTHETIC_NOTE: Final = "Synthetic video: the dance was transferred onto this person by dancenow"


def require_frame_range(frames: tuple[int, int | None], count: int | None) -> None:
    """Raise UserError if the wanted part is empty or begins after the end. count: frames of the video, None if unknown."""
    start, stop = frames
    text = f"{start}:{'' if stop is None else stop}"
    if start < 0 or (stop is not None and stop <= start):
        raise OptionError(f"the frame range {text} is empty; it must end after its first frame, and frames count from 0.")
    if count is not None and start >= count:
        raise OptionError(f"frames {text} are not in the source, which has {count} frames.")


def frame_range(frames: tuple[int, int | None], count: int) -> tuple[int, int]:
    """Start and stop (exclusive) of the wanted part of a video of `count` frames; a stop of None is its end.

    Raises:
        UserError: as `require_frame_range`.
    """
    require_frame_range(frames, count)
    return frames[0], count if frames[1] is None else min(frames[1], count)


def write_transfer(
    out: Path,
    images: Iterator[ImageRGB],
    target_track: PoseTrack,
    start: int,
    stop: int,
    source: VideoSource,
    marker: ContentMarker,
    on_progress: ProgressCallback,
) -> tuple[str, ...]:
    """Write the images of the frames [start, stop) of a dance as `out` says; `marker` marks and signs them.

    Returns what a file of this kind cannot hold, one sentence each.

    target_track: gives frame size and times. source: gives the frame rate, and the sound of that part.

    Raises:
        UserError: the file cannot be written, or the sound cannot be read.
    """

    def time_s(frame: int) -> Fraction:
        return Fraction(float(target_track.time_s[frame])).limit_denominator(1_000_000)

    with open_writer(
        out,
        target_track.width_px,
        target_track.height_px,
        source=source,
        sound_range_s=(time_s(start), time_s(stop) if stop < len(target_track) else None),
        metadata={"comment": SYNTHETIC_NOTE, "encoder": f"dancenow {dancenow.__version__}"},
        finish=marker.finish,
    ) as writer:
        for i, image in enumerate(images, start=start):
            writer.write(marker.mark(image), time_s(i))
            on_progress(Progress("generating", i + 1 - start, stop - start))
    return output_notes(out, source)
