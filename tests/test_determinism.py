"""The same videos, seed, threads and machine give the same model and the same video, bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.media.source import read_frames
from test_pipeline import RENDERED, drawn_world, videos

__all__ = ["drawn_world", "videos"]  # fixtures

pytestmark = pytest.mark.slow


def test_two_runs_that_know_nothing_of_each_other_are_alike(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []
    for name in ("one", "two"):
        monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / name))
        ran = pipeline.run(*videos, tmp_path / f"{name}.mp4", consent=RENDERED, budget="8images", report=False, device="cpu")
        models.append(ran.model)
    assert models[0] != models[1]
    assert models[0].read_bytes() == models[1].read_bytes()
    # The files differ in their signatures, which are random; what is seen does not.
    for one, two in zip(read_frames(tmp_path / "one.mp4"), read_frames(tmp_path / "two.mp4"), strict=True):
        assert one.time_s == two.time_s
        assert np.array_equal(one.image_rgb, two.image_rgb)
