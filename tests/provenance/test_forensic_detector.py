"""Classification of videos, and training on a user's folders."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.media.source import open_video
from dancenow.progress import Progress
from dancenow.provenance.forensics import detector, samples
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier, load_classifier
from dancenow.provenance.forensics.detector import classify_video, probability_per_second, verdict
from dancenow.provenance.forensics.network import ForensicNet
from dancenow.provenance.watermark import Payload, read_watermark_in_images
from dancenow.research.forensics import finetuning
from dancenow.research.forensics.finetuning import train_on_folders
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.budget import Budget
from helpers.forensic_clips import TINY_RECIPE, sparse_detector, write_test_video


@pytest.fixture(autouse=True)
def _drawn_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "detect_poses", sparse_detector)
    monkeypatch.setattr(samples, "count_people", lambda *_: 1)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    forensic = ForensicClassifier(ForensicNet(TINY_RECIPE.network), Calibration(), "nothing")
    save_checkpoint(path, forensic.to_checkpoint())
    return path


def test_a_finding_has_a_probability_per_second_and_a_heatmap(tmp_path: Path, weights: Path) -> None:
    video = write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=60)
    events: list[Progress] = []
    finding = classify_video(video, weights, heatmap=tmp_path / "heat.png", on_progress=events.append)
    assert len(finding.per_second) == 3
    assert finding.samples == 12
    assert 0 < finding.probability < 1
    assert finding.verdict == verdict(finding.probability)
    assert finding.frames_per_s > 0
    assert events[-1].done == 12
    image = cv2.imread(str(tmp_path / "heat.png"))
    assert image is not None
    assert image.shape == (720, 3 * 360, 3)
    assert finding.to_json()["verdict"] == finding.verdict
    assert len(finding.sentences()) == 3
    assert finding.judged_s == ((0, 3),)
    assert "with --everyone" in replace(finding, people=2).sentences()[2]


def test_a_low_frame_rate_gets_no_verdict(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=30)
    sure = load_classifier(weights)
    save_checkpoint(weights, replace(sure, calibration=Calibration(1.0, 9.0)).to_checkpoint())
    assert classify_video(video, weights).verdict == "synthesized"
    monkeypatch.setattr(detector, "MIN_FPS", 1000.0)
    finding = classify_video(video, weights)
    assert finding.verdict == "undecided"
    assert "no verdict on a video with fewer than" in finding.sentences()[0]


def test_the_heatmap_is_red_on_the_body_where_it_looks_synthetic(tmp_path: Path, weights: Path) -> None:
    video = write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=14)
    parts = next(samples.read_samples(samples.plan_samples(video), 64)).all_parts()
    assert len(parts) > 1
    panels = {
        sign: detector.heatmap_panel(
            [detector.ScoredSample(each, np.full((4, 4), sign * 9.0, np.float32), 0.0) for each in parts], Calibration()
        )
        for sign in (-1, 1)
    }
    change = panels[1].astype(int) - panels[-1]
    body = np.abs(change).sum(axis=2) > 60
    assert 0.02 < body[40:].mean() < 0.5
    assert (change[body][:, 0] > 0).all()  # more red
    assert (change[body][:, 2] < 0).all()  # and less blue
    load_classifier(weights)


def test_verdicts_and_seconds() -> None:
    assert [verdict(p) for p in (0.1, 0.5, 0.9)] == ["real", "undecided", "synthesized"]
    per_second = probability_per_second(np.array([2.0, 4.0, -3.0]), np.array([0.0, 0.5, 2.1]), Calibration())
    assert per_second[1] is None
    assert per_second[0] == pytest.approx(0.953, abs=0.001)
    assert per_second[2] == pytest.approx(0.047, abs=0.001)


def test_videos_that_cannot_be_classified_raise_a_user_error(tmp_path: Path, weights: Path) -> None:
    one = write_test_video(tmp_path / "one.mp4", blurred=False, num_frames=1)
    with pytest.raises(UserError, match="no two consecutive frames"):
        classify_video(one, weights, heatmap=tmp_path / "heat.png")
    with pytest.raises(UserError, match="nobody was found"):
        classify_video(write_test_video(tmp_path / "empty.mp4", blurred=False), weights)
    (tmp_path / "broken.safetensors").write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        classify_video(one, tmp_path / "broken.safetensors")
    assert not (tmp_path / "heat.png").exists()


def make_folders(folder: Path, count: int) -> tuple[Path, Path]:
    for name, blurred in (("real", False), ("fake", True)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            write_test_video(folder / name / f"{number}.mp4", blurred=blurred, num_frames=20)
    return folder / "real", folder / "fake"


def test_a_classifier_trained_on_folders_separates_their_videos(tmp_path: Path) -> None:
    real, fake = make_folders(tmp_path, 2)
    write_test_video(fake / "empty.mp4", blurred=True, num_frames=12)
    out = tmp_path / "own.safetensors"
    result = train_on_folders(real, fake, out, budget=Budget(images=640), recipe=TINY_RECIPE)
    assert result.accuracy is None
    assert any("empty.mp4 was left out" in note for note in result.notes)
    assert any("fewer than five" in note for note in result.notes)
    probabilities = [classify_video(folder / "0.mp4", out).probability for folder in (real, fake)]
    assert probabilities[0] < 0.5 < probabilities[1]
    assert "2 real videos" in load_classifier(out).trained_on


def test_marked_and_unmarked_videos_are_trained_on_alike(tmp_path: Path) -> None:
    video = open_video(write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=12))
    frames = [frame.image_rgb for frame in video.frames()]
    marked = finetuning.with_watermark(frames, "abcd" + 60 * "0")
    assert read_watermark_in_images(marked).payload == Payload("abcd")
    assert finetuning.with_watermark(marked, "1234" + 60 * "0") is marked


def test_an_interrupted_training_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = make_folders(tmp_path / "videos", 1)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(finetuning, "train_loop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_on_folders(real, fake, tmp_path / "own.safetensors", budget=Budget(images=8), recipe=TINY_RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_folders_without_videos_or_people_raise_an_error(tmp_path: Path) -> None:
    real, fake = make_folders(tmp_path, 1)
    (tmp_path / "none").mkdir()
    (tmp_path / "nobody").mkdir()
    write_test_video(tmp_path / "nobody" / "empty.mp4", blurred=False, num_frames=12)
    budget, out = Budget(images=8), tmp_path / "own.safetensors"
    for folder, message in (("none", "holds no video"), ("absent", "no folder"), ("nobody", "no person could be tracked")):
        with pytest.raises(UserError, match=message):
            train_on_folders(real, tmp_path / folder, out, budget=budget, recipe=TINY_RECIPE)
    with pytest.raises(UserError, match=r"ends in \.safetensors"):
        train_on_folders(real, fake, tmp_path / "own.bin", budget=budget)
    assert not out.exists()
