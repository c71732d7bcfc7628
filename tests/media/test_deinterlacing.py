"""Interlaced videos are read without combing, frame by frame, at their own times."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dancenow.media import deinterlacing
from dancenow.media.source import probe, read_frames
from dancenow.types import ImageRGB

NUM_FRAMES, FPS = 16, 25


def scene(time: float) -> ImageRGB:
    """A bright bar that moves 4 px per frame, before a gray wall with a blue stripe."""
    image = np.full((96, 128, 3), 60, np.uint8)
    x = round(10 + 4 * time)
    image[20:76, x : x + 24] = (220, 200, 40)
    image[80:90] = (20, 120, 200)
    return image


def film(path: Path, *, interlaced: bool) -> Path:
    with av.open(str(path), "w") as output:
        options = {"crf": "8", "x264-params": "tff=1"} if interlaced else {"crf": "8"}
        stream = output.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(NUM_FRAMES):
            image = scene(index)
            if interlaced:
                image[1::2] = scene(index + 0.5)[1::2]
            frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def combing(image: NDArray[Any]) -> float:
    """Mean difference of each row from the mean of its neighbors, in levels."""
    rows = image[..., 0].astype(float)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


def test_an_interlaced_video_is_read_without_combing(tmp_path: Path) -> None:
    path = film(tmp_path / "interlaced.mp4", interlaced=True)
    with av.open(str(path)) as container:
        raw = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = list(read_frames(path))
    assert len(frames) == len(raw) == NUM_FRAMES
    assert [frame.time_s for frame in frames] == [Fraction(i, FPS) for i in range(NUM_FRAMES)]
    for index in range(2, NUM_FRAMES):
        assert combing(raw[index]) > 5
        assert combing(frames[index].image_rgb) == pytest.approx(combing(scene(index)), abs=0.4)
    assert probe(path).num_frames == NUM_FRAMES


def test_a_progressive_video_passes_no_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deinterlacing, "Graph", lambda: pytest.fail("no filter is needed"))
    frames = list(read_frames(film(tmp_path / "progressive.mp4", interlaced=False)))
    assert len(frames) == NUM_FRAMES
    assert np.abs(frames[9].image_rgb.astype(int) - scene(9)).mean() < 3
