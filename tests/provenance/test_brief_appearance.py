"""A video that shows an empty room for most of its time: the person is found and judged, and it is said where."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from dancenow.errors import InputError
from dancenow.media.sink import VideoWriter
from dancenow.pose import pipeline
from dancenow.provenance.forensics import samples
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier
from dancenow.provenance.forensics.detector import classify_video
from dancenow.provenance.forensics.network import ForensicNet
from dancenow.provenance.forensics.samples import plan_samples
from dancenow.storage.checkpoint import save_checkpoint
from helpers.drawn_world import FPS, SIZE_PX, dancer_track, person, room
from helpers.forensic_clips import TINY_RECIPE
from helpers.silhouette_detector import SilhouetteDetector

EMPTY_FRAMES, SHOWN_FRAMES = 288, 26


@pytest.fixture(autouse=True)
def silhouettes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    for module in (pipeline, samples):
        monkeypatch.setattr(module, "create_detector", lambda *_: SilhouetteDetector())


def film(path: Path, shown_frames: int) -> Path:
    track = dancer_track(max(1, shown_frames))
    with VideoWriter(path, SIZE_PX, SIZE_PX, fps=Fraction(FPS)) as writer:
        for index in range(EMPTY_FRAMES + shown_frames):
            shown = index - EMPTY_FRAMES
            image = room() if shown < 0 else person(track.pose[shown], SIZE_PX)[0]
            writer.write(image, Fraction(index, FPS))
    return path


def test_somebody_who_comes_late_is_found_and_judged(tmp_path: Path) -> None:
    video = film(tmp_path / "late.mp4", SHOWN_FRAMES)
    starts = plan_samples(video).starts
    assert len(starts) >= 4
    assert starts.min() >= EMPTY_FRAMES
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    classifier = ForensicClassifier(ForensicNet(TINY_RECIPE.network), Calibration(), "nothing")
    save_checkpoint(weights, classifier.to_checkpoint())
    finding = classify_video(video, weights)
    assert finding.judged_s[-1][1] - finding.judged_s[0][0] <= 2
    assert any(sentence.startswith("Judged: 12 to 1") and "of the 13 s" in sentence for sentence in finding.sentences())
    assert finding.to_json()["people"] == 1


def test_a_room_that_stays_empty_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no person was found"):
        plan_samples(film(tmp_path / "empty.mp4", 0))
