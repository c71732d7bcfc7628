"""Read videos and folders with alpha back, as a program that edits films does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray


def read_rgba(path: Path) -> list[NDArray[np.uint8]]:
    """All frames of a .mov, a .webm or a folder of PNG files, each uint8 [H,W,4] with straight alpha."""
    if path.is_dir():
        files = sorted(path.iterdir())
        images = [cv2.imdecode(np.fromfile(each, np.uint8), cv2.IMREAD_UNCHANGED) for each in files]
        return [np.asarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_BGRA2RGBA), np.uint8) for image in images]
    # PyAV's default interpolation leaves the last columns of yuva420p wrong where the width is no multiple of 8.
    exact = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    frames = (frame.reformat(format="rgba", interpolation=exact, threads=1) for frame in _frames(path))
    return [frame.to_ndarray().astype(np.uint8, copy=False) for frame in frames]


def _frames(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # FFmpeg's own decoder of VP9 leaves alpha out.
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else stream.codec_context
        for packet in container.demux(stream):
            yield from decoder.decode(packet if packet.size else None)


def over_color(rgba: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.float32]:
    """The image over one color: float32 [H,W,3]."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.asarray(rgba[..., :3] * alpha + np.array(color, np.float32) * (1 - alpha), np.float32)


def sound_s(path: Path) -> float:
    """How long the sound of a video lasts; 0 if it has none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return 0.0
        rate = container.streams.audio[0].rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate
