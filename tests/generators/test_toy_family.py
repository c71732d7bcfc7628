"""A new generator family needs one file and one registry entry: it trains and transfers like the others."""

from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.errors import OptionError
from dancenow.generators.base import FamilyConfig, GeneratorFamily
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import FAMILIES
from dancenow.media.source import read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.rendering.renderer import Renderer
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.training.loop import Task
from helpers.drawn_world import dancer_track, drawn_detector, film, room
from helpers.toy_family import ToyConfig, ToyFamily, ToyRenderer, ToyTask


@pytest.fixture(autouse=True)
def toy_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "toy", ToyFamily)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(dancer_track))
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)


def test_it_implements_the_protocols() -> None:
    family: GeneratorFamily[ToyConfig] = ToyFamily()
    config: FamilyConfig = family.presets["disc"]
    classes: tuple[type[Task], type[Renderer]] = (ToyTask, ToyRenderer)
    assert family.config_from_json(config.to_json()) == config
    assert len(classes) == 2


def test_it_trains_and_transfers_by_the_name_of_its_preset(drawn_subject: Subject, tmp_path: Path) -> None:
    model, source = tmp_path / "model.safetensors", film(tmp_path / "source.mp4", dancer_track(12))
    pipeline.train(drawn_subject.folder, model, preset="disc", budget="12images", face="none")
    assert (read_info(model).kind, read_info(model).images_seen) == ("toy", 12)
    result = pipeline.transfer(source, model, tmp_path / "out.mp4", normalize="none")
    frames = [frame.image_rgb.astype(int) for frame in read_frames(result.video)]
    assert len(frames) == 12
    for frame, xy in zip(frames, result.target_track.pose.xy[:, INDEX["neck"]], strict=True):
        x, y = (round(float(each)) for each in xy)
        assert np.abs(frame[y, x] - room()[y, x]).max() > 20
        assert np.abs(frame[:12] - room()[:12]).mean() < 4


def test_its_sizes_cannot_be_changed_unless_it_says_so() -> None:
    with pytest.raises(OptionError, match="disc has one size"):
        preset_config("disc", width=0.5)
    with pytest.raises(OptionError, match=r"choose one of draft, .*, disc"):
        preset_config("deluxe")
