"""The paper's presets end to end: trained by name and size, transferred without flags, refused in one sentence."""

from pathlib import Path

import pytest

from dancenow import pipeline
from dancenow.errors import UserError
from dancenow.generators.edn.config import EDN_KIND, EdnConfig
from dancenow.generators.presets import preset_config
from dancenow.media.source import probe, read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack
from helpers.drawn_world import dancer_track, drawn_detector, film


def smaller_dancer(num_frames: int) -> PoseTrack:
    return dancer_track(num_frames, phase=1.0, body_px=60.0)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "heatmaps"])
def test_a_paper_preset_trains_and_transfers_like_the_default(
    preset: str, drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)
    model, source = tmp_path / "model.safetensors", film(tmp_path / "source.mp4", smaller_dancer(12))
    size = {"width": 1 / 16, "longer_px": 64}
    pipeline.train(drawn_subject.folder, model, budget="1images", preset=preset, width=1 / 16, longer_px=64)
    pipeline.train(drawn_subject.folder, model, budget="2images", preset=preset, width=1 / 16, longer_px=64, resume=True)
    info = read_info(model)
    assert (info.kind, info.images_seen) == (EDN_KIND, 2)
    assert {name: info.config["recipe"][name] for name in size} == size
    result = pipeline.transfer(source, model, tmp_path / "out.mp4")
    video_info = probe(result.video)
    assert (video_info.width_px, video_info.height_px) == (128, 128)
    assert len(list(read_frames(result.video))) == 12


def test_sizes_that_a_preset_cannot_have_are_refused() -> None:
    with pytest.raises(UserError, match="draft has one size"):
        preset_config("draft", width=0.5)
    with pytest.raises(UserError, match="width must be from 1/16 to 2, got 0"):
        preset_config("paper", width=0)
    with pytest.raises(UserError, match="multiple of 32"):
        preset_config("heatmaps", longer_px=300)
    with pytest.raises(UserError, match="enhance_from must be in"):
        preset_config("paper", enhance_from=0)
    assert preset_config("paper", width=0.5, enhance_from=0.2) == EdnConfig(width=0.5, enhance_from=0.2)
    with pytest.raises(UserError, match="no preset 'deluxe'"):
        preset_config("deluxe")
