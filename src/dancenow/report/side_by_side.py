"""Combine videos side by side into one video, frame by frame."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.content_marking import ContentMarker
from dancenow.types import ImageRGB


def side_by_side(
    videos: Sequence[VideoInput],
    out: Path,
    *,
    height_px: int | None = None,
    sound_from: VideoInput | None = None,
    metadata: dict[str, str] | None = None,
    marker: ContentMarker | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> None:
    """Write `videos`, which should have the same timing, next to each other; the result ends with the shortest.

    Args:
        height_px: of the result; None for the height of the last video. Each video keeps its aspect ratio.
        marker: marks the result as synthetic, if one of the videos is.

    Raises:
        UserError: a video cannot be read, or `out` cannot be written.
    """
    sources = [open_video(video) for video in videos]
    infos = [source.info for source in sources]
    height = height_px or infos[-1].height_px
    sizes = [(max(1, round(info.width_px * height / info.height_px)), height) for info in infos]
    width = sum(size[0] for size in sizes)
    finish = marker.finish if marker else None
    with VideoWriter(out, width, height, fps=infos[-1].fps, sound_from=sound_from, metadata=metadata, finish=finish) as writer:
        for frames in zip(*(source.frames() for source in sources), strict=False):
            time_s: Fraction = frames[-1].time_s
            images = [_resize(frame.image_rgb, size) for frame, size in zip(frames, sizes, strict=True)]
            image = np.concatenate(images, axis=1)
            writer.write(marker.mark(image) if marker else image, time_s)
            on_progress(Progress("side by side", frames[-1].index + 1, infos[-1].num_frames))


def _resize(image_rgb: ImageRGB, size: tuple[int, int]) -> ImageRGB:
    if image_rgb.shape[1::-1] == size:
        return image_rgb
    shrinks = size[1] < image_rgb.shape[0]
    return np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8)
