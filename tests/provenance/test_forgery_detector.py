"""From a video to a verdict, and from folders of videos to a classifier of one's own."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.progress import Progress
from dancenow.provenance.forensics import detector, samples
from dancenow.provenance.forensics.classifier import Calibration, Forensic, load_forensic
from dancenow.provenance.forensics.detector import examine, per_second, verdict
from dancenow.provenance.forensics.network import FineNet
from dancenow.research.forensics import finetuning
from dancenow.research.forensics.finetuning import train_on_folders
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.budget import Budget
from helpers.forensic_clips import TINY_RECIPE, film_suspect, sparse_detector


@pytest.fixture(autouse=True)
def _drawn_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "detect_poses", sparse_detector)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    forensic = Forensic(FineNet(TINY_RECIPE.network), Calibration(), "nothing")
    save_checkpoint(path, forensic.to_checkpoint())
    return path


def test_a_finding_has_a_curve_and_a_picture(tmp_path: Path, weights: Path) -> None:
    video = film_suspect(tmp_path / "dance.mp4", smeared=False, num_frames=60)
    events: list[Progress] = []
    finding = examine(video, weights, heatmap=tmp_path / "heat.png", on_progress=events.append)
    assert len(finding.curve) == 3
    assert finding.looks == 12
    assert 0 < finding.probability < 1
    assert finding.verdict == verdict(finding.probability)
    assert finding.frames_per_s > 0
    assert events[-1].done == 12
    picture = cv2.imread(str(tmp_path / "heat.png"))
    assert picture is not None
    assert picture.shape == (720, 3 * 360, 3)
    assert finding.to_json()["verdict"] == finding.verdict
    assert len(finding.sentences()) == 3


def test_few_frames_a_second_get_no_verdict(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = film_suspect(tmp_path / "dance.mp4", smeared=False, num_frames=30)
    sure = load_forensic(weights)
    save_checkpoint(weights, replace(sure, calibration=Calibration(1.0, 9.0)).to_checkpoint())
    assert examine(video, weights).verdict == "synthesized"
    monkeypatch.setattr(detector, "LEAST_FPS", 1000.0)
    finding = examine(video, weights)
    assert finding.verdict == "undecided"
    assert "no verdict on a video with fewer than" in finding.sentences()[0]


def test_the_picture_is_red_on_the_body_where_it_looks_synthetic(tmp_path: Path, weights: Path) -> None:
    video = film_suspect(tmp_path / "dance.mp4", smeared=False, num_frames=14)
    parts = next(samples.look(samples.plan(video), 64)).all_over()
    assert len(parts) > 1
    shown = {
        sign: detector.panel(
            [detector.Judged(each, np.full((4, 4), sign * 9.0, np.float32), 0.0) for each in parts], Calibration()
        )
        for sign in (-1, 1)
    }
    change = shown[1].astype(int) - shown[-1]
    body = np.abs(change).sum(axis=2) > 60
    assert 0.02 < body[40:].mean() < 0.5
    assert (change[body][:, 0] > 0).all()  # more red
    assert (change[body][:, 2] < 0).all()  # and less blue
    load_forensic(weights)


def test_verdicts_and_seconds() -> None:
    assert [verdict(p) for p in (0.1, 0.5, 0.9)] == ["real", "undecided", "synthesized"]
    curve = per_second(np.array([2.0, 4.0, -3.0]), np.array([0.0, 0.5, 2.1]), Calibration())
    assert curve[1] is None
    assert curve[0] == pytest.approx(0.953, abs=0.001)
    assert curve[2] == pytest.approx(0.047, abs=0.001)


def test_what_cannot_be_judged_is_said_in_a_sentence(tmp_path: Path, weights: Path) -> None:
    one = film_suspect(tmp_path / "one.mp4", smeared=False, num_frames=1)
    with pytest.raises(UserError, match="no two consecutive frames"):
        examine(one, weights, heatmap=tmp_path / "heat.png")
    with pytest.raises(UserError, match="nobody was found"):
        examine(film_suspect(tmp_path / "empty.mp4", smeared=False), weights)
    (tmp_path / "broken.safetensors").write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        examine(one, tmp_path / "broken.safetensors")
    assert not (tmp_path / "heat.png").exists()


def make_folders(folder: Path, count: int) -> tuple[Path, Path]:
    for name, smeared in (("real", False), ("made", True)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            film_suspect(folder / name / f"{number}.mp4", smeared=smeared, num_frames=20)
    return folder / "real", folder / "made"


def test_a_classifier_of_ones_own_tells_its_videos_apart(tmp_path: Path) -> None:
    real, made = make_folders(tmp_path, 2)
    film_suspect(made / "empty.mp4", smeared=True, num_frames=12)
    out = tmp_path / "own.safetensors"
    trained = train_on_folders(real, made, out, budget=Budget(images=640), recipe=TINY_RECIPE)
    assert trained.accuracy is None
    assert any("empty.mp4 was left out" in note for note in trained.notes)
    assert any("fewer than five" in note for note in trained.notes)
    chances = [examine(folder / "0.mp4", out).probability for folder in (real, made)]
    assert chances[0] < 0.5 < chances[1]
    assert "2 real videos" in load_forensic(out).trained_on


def test_an_interrupted_training_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = make_folders(tmp_path / "videos", 1)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(finetuning, "train_loop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_on_folders(real, made, tmp_path / "own.safetensors", budget=Budget(images=8), recipe=TINY_RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_folders_without_videos_or_people_are_refused(tmp_path: Path) -> None:
    real, made = make_folders(tmp_path, 1)
    (tmp_path / "none").mkdir()
    (tmp_path / "nobody").mkdir()
    film_suspect(tmp_path / "nobody" / "empty.mp4", smeared=False, num_frames=12)
    budget, out = Budget(images=8), tmp_path / "own.safetensors"
    for folder, message in (("none", "holds no video"), ("absent", "no folder"), ("nobody", "could be followed")):
        with pytest.raises(UserError, match=message):
            train_on_folders(real, tmp_path / folder, out, budget=budget, recipe=TINY_RECIPE)
    with pytest.raises(UserError, match=r"ends in \.safetensors"):
        train_on_folders(real, made, tmp_path / "own.bin", budget=budget)
    assert not out.exists()
