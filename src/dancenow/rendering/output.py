"""Where a transfer is written: an mp4, or a file or folder with alpha."""

from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import OutputError
from dancenow.media.image_folder import ImageFolderWriter, require_image_folder
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.media.video_format import FORMATS, H264
from dancenow.storage.atomic_io import require_other, require_writable


class FrameWriter(Protocol):
    """Takes the frames of a video, in order."""

    def write(self, image: NDArray[np.uint8], time_s: Fraction, /) -> None:
        """Append one frame."""


def require_outputs(out: Path, page: Path | None, *inputs: Path, has_alpha: bool = False) -> None:
    """Check, before long work, that the video `out` and a page next to it can be written and overwrite no input.

    Raises:
        UserError: they cannot, or the name of `out` is that of another kind of file.
    """
    require_other(out, *inputs)
    if page is not None:
        require_writable(page)
    kind = FORMATS.get(out.suffix.lower())
    if not has_alpha:
        if kind is not None and kind.channels == 4:
            raise OutputError(f"cannot write {out}: only --scene transparent is written as {out.suffix}; end the name in .mp4.")
        require_writable(out, H264.suffix)
    elif not out.suffix:
        require_image_folder(out)
    elif kind is None or kind.channels != 4:
        raise OutputError(
            f"cannot write {out}: {out.suffix} holds no transparency; end the name in .mov or .webm, or give that of a folder"
            " without a dot for PNG images."
        )
    else:
        require_writable(out)


def open_writer(
    out: Path, width_px: int, height_px: int, *, source: VideoSource, **options: Any
) -> AbstractContextManager[FrameWriter]:
    """The writer of an output that `require_outputs` accepted. source: of frame rate and sound. options: as `VideoWriter`."""
    if not out.suffix:
        return ImageFolderWriter(out)
    kind = FORMATS[out.suffix.lower()]
    return VideoWriter(out, width_px, height_px, fps=source.info.fps, sound_from=source, kind=kind, **options)


def output_notes(out: Path, source: VideoSource) -> tuple[str, ...]:
    """What the container cannot carry, one sentence each."""
    if out.suffix:
        return ()
    lost = "neither sound nor times" if source.info.has_audio else "no times"
    return (f"A folder of PNG images holds {lost}: play it at {float(source.info.fps):.6g} frames a second.",)
