"""Before a training from pretrained weights, `run` shows what they alone make of the dance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.first_look import SECONDS, first_look_path
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.references.config import PRESETS
from dancenow.media.source import probe, read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.provenance.consent import consent
from dancenow.provenance.content_marking import read_provenance
from helpers.drawn_world import dancer_track, drawn_detector, film, stand_in_for_the_detector
from helpers.tiny_model import TINY, smaller_dancer

pytestmark = pytest.mark.slow  # a training and two transfers


class Pretrained(CropConfig):
    """Says that it starts from pretrained weights, which exist for one size only."""

    is_pretrained = True


def test_a_first_look_is_there_while_the_model_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    stand_in_for_the_detector(monkeypatch)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    config = Pretrained(**{field.name: getattr(TINY, field.name) for field in dataclasses.fields(TINY)})
    monkeypatch.setitem(PRESETS, "draft", config)
    source, target = film(tmp_path / "source.mp4", smaller_dancer(90)), film(tmp_path / "target.mp4", dancer_track(60))
    out = tmp_path / "out.mp4"
    look, seen = first_look_path(out), list[tuple[int, float, bool]]()

    def warn(message: str) -> None:
        if look.name in message:
            frames = [frame.image_rgb for frame in read_frames(look)]
            seen.append((len(frames), float(np.std(frames[0])), read_provenance(look).watermark.payload is not None))
            assert not out.exists()

    pipeline.run(source, target, out, consent=consent("rendered"), budget="8images", face="none", report=False, warn=warn)
    ((count, spread, is_marked),) = seen
    assert count == round(SECONDS * float(probe(source).fps))
    assert spread > 5
    assert is_marked
    assert out.exists()
    assert not look.exists()
    pipeline.run(source, target, out, consent=consent("rendered"), budget="8images", face="none", report=False, warn=warn)
    assert len(seen) == 1  # nothing is trained, so nothing is shown before
