"""Models in the cache: found again, and without what an interrupted training left beside them."""

from pathlib import Path

import pytest

from dancenow.execution import Execution
from dancenow.face.refinement import FaceMode
from dancenow.generators import model_cache
from dancenow.generators.model_cache import ModelSettings, cached_model, cached_model_path
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import FAMILIES
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress, ignore_warning
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path
from helpers.toy_family import ToyFamily


def test_a_training_killed_at_its_very_end_leaves_no_state(
    drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "toy", ToyFamily)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)

    def model() -> Path:
        path, _ = cached_model(
            drawn_subject, ModelSettings("disc", preset_config("disc"), Budget(images=4), seed=0, face="none"),
            execution=Execution.auto("cpu"), warn=ignore_warning, on_progress=ignore_progress,
        )  # fmt: skip
        return path

    def be_killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(model_cache, "_remove_state", be_killed)
        with pytest.raises(KeyboardInterrupt):
            model()
    (state,) = (tmp_path / "cache" / "models").glob("*.resume.safetensors")
    written = model().read_bytes()
    assert not state.exists()
    assert model().read_bytes() == written
    assert not state_path(model()).exists()


def test_models_of_two_dancers_in_one_source_are_two_where_their_faces_are_learned(
    drawn_subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cyclegan that turns the face of the first into the target's is not one of the second."""
    monkeypatch.setitem(FAMILIES, "toy", ToyFamily)

    def paths(face: FaceMode) -> set[Path]:
        each = (
            ModelSettings("disc", preset_config("disc"), Budget(images=4), 0, face, drawn_subject.source, person)
            for person in (None, 1, 2)
        )
        return {cached_model_path(drawn_subject, settings, "auto") for settings in each}

    assert len(paths("cyclegan")) == 3
    assert len(paths("auto")) == 1
