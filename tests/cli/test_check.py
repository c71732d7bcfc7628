"""`dancenow check` from a terminal: what it prints and writes, on a subject folder and on a model, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from dancenow.cli import main as cli
from dancenow.pose import pipeline
from dancenow.storage.checkpoint import Checkpoint, save_checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from helpers.drawn_world import dancer_track, drawn_detector, film


@pytest.fixture(autouse=True)
def drawn_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(lambda count: dancer_track(count, phase=1.0, body_px=60.0)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return film(tmp_path / "source.mp4", dancer_track(36, phase=1.0, body_px=60.0))


def test_a_subject_and_its_model_give_the_same_coverage(
    source: Path, drawn_subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.safetensors"
    checkpoint = Target.of_subject(drawn_subject).to_checkpoint("body")
    save_checkpoint(model, Checkpoint(checkpoint.info, {**checkpoint.tensors, "weight": torch.zeros(1)}))
    results = []
    for subject in (drawn_subject.folder, model):
        values, plot = tmp_path / "values.json", tmp_path / "timeline.png"
        cli.main(["check", str(source), str(subject), "-o", str(plot), "--json", str(values)])
        assert plot.stat().st_size > 1000
        results.append(json.loads(values.read_text("utf-8")))
        assert "whole body" in capsys.readouterr().out
    assert results[0] == results[1]
    assert len(results[0]["distance"]) == 36
    assert set(results[0]["parts"]) == {"arms", "legs", "torso", "head"}


def test_bad_input_is_one_sentence(
    source: Path, drawn_subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello")
    folder = str(drawn_subject.folder)
    cases = [
        ([str(source), str(tmp_path / "nothing")], "is not a subject folder"),
        ([str(source), str(text)], "text.txt"),
        ([str(source), folder, "-o", str(tmp_path / "timeline.jpg")], "ends in .png"),
        ([str(source), folder, "--json", str(source)], "belongs to an input"),
        ([str(source), folder, "--out", str(drawn_subject.folder / "plate.png")], "belongs to an input"),
        ([str(source), folder, "--out", str(tmp_path / "a.png"), "--json", str(tmp_path / "a.png")], "give two names"),
    ]
    for arguments, message in cases:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["check", *arguments])
        error = capsys.readouterr().err
        assert stopped.value.code == 2
        assert message in error
        assert error.count("\n") == 1
