"""The drawn world for jobs of the web page: small videos, a tiny model, no detector, everything in this process."""

from pathlib import Path

import pytest

from dancenow import pipeline
from dancenow.generators.references.config import PRESETS
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.web import check_step
from helpers.drawn_world import dancer_track, drawn_detector, film, stand_in_for_the_detector
from helpers.tiny_model import TINY, smaller_dancer


def draw_instead_of_detecting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let check and video steps of jobs see drawn people alone, with a cache in `folder`."""
    monkeypatch.setenv("DANCENOW_CACHE", str(folder / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(folder / "home"))
    stand_in_for_the_detector(monkeypatch)
    for module in (pipeline, check_step):
        monkeypatch.setattr(module, "detect_poses", drawn_detector(smaller_dancer))
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: folder)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)


def drawn_videos(folder: Path) -> tuple[Path, Path]:
    """The videos of the dance and of the person."""
    return film(folder / "dance.mp4", smaller_dancer(36)), film(folder / "me.mp4", dancer_track(60))
