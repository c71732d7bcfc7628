"""A person of a dataset as a subject: exact poses on their images, split by a protocol, and a training from it."""

from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.generators.references.config import PRESETS
from dancenow.media.source import read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.track_io import load_track
from dancenow.research.dataset.index import clip_file
from dancenow.research.dataset.person import person_subject, training_subject
from dancenow.research.dataset.source import open_source
from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus
from helpers.tiny_model import TINY


@pytest.fixture
def small_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)


def test_a_person_has_exact_poses_split_by_time(drawn_dataset: Path, shards: Path, tmp_path: Path) -> None:
    subject = person_subject(open_source(shards), "id0002", tmp_path / "subject")
    manifest, track = subject.manifest, Subject.open(tmp_path / "subject").track
    counts = {part: int(manifest.in_split(part, track.time_s).sum()) for part in ("train", "val", "test")}
    # Each clip of 2 s has 0.9 s for train, 0.45 s each for val and test, and gaps of 0.1 s between them.
    assert counts == {"train": 3 * 22, "val": 3 * 11, "test": 3 * 11}
    assert len(track) == 132
    seams = np.flatnonzero(track.status == FrameStatus.MISSING)
    assert len(seams) == 8
    assert manifest.consent is not None
    assert (manifest.consent.kind, manifest.licence) == ("rendered", "CC0-1.0")
    assert subject.plate.known.all()
    # The second piece is the beginning of the second clip: its poses and its images.
    original = load_track(clip_file(drawn_dataset, "id0002-dance0001", "npz"))
    second = int(seams[0])
    assert np.array_equal(track.pose.xy[second : second + 10], original.pose.xy[:10])
    ours = [frame.image_rgb.astype(int) for frame in subject.read_frames(second, second + 10)]
    theirs = [frame.image_rgb for frame in read_frames(clip_file(drawn_dataset, "id0002-dance0001", "mp4"), 0, 10)]
    assert np.abs(np.stack(ours) - np.stack(theirs)).mean() < 2.5
    masks = list(subject.read_masks(second + 5, second + 6))
    wrist = track.pose.xy[second + 5, 4].round().astype(int)
    assert masks[0][wrist[1], wrist[0]] > 128


def test_a_person_split_by_dance_trains_on_the_train_dances(drawn_dataset: Path, tmp_path: Path) -> None:
    source = open_source(drawn_dataset)
    subject = person_subject(source, "id0001", tmp_path / "subject", protocol="dance")
    parts = {str(entry.info["dance"]): entry.part("dance") for entry in source.dataset.of("id0001")}
    assert sorted(filter(None, parts.values())) == ["test", "train", "val"]
    assert [int(subject.manifest.in_split(part, subject.track.time_s).sum()) for part in ("train", "val", "test")] == [48] * 3
    trained = next(dance for dance, part in parts.items() if part == "train")
    original = load_track(clip_file(drawn_dataset, f"id0001-{trained}", "npz"))
    assert np.array_equal(subject.track.pose.xy[:48], original.pose.xy)


def test_a_subject_of_a_person_is_a_valid_dataset(drawn_dataset: Path, tmp_path: Path) -> None:
    cli.main(["dataset", "open", str(drawn_dataset), "--identity", "id0000", "-o", str(tmp_path / "subject")])
    with pytest.raises(SystemExit) as stopped:
        cli.main(["dataset", "validate", str(tmp_path / "subject")])
    assert stopped.value.code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("small_training")
def test_a_model_is_trained_from_shards(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    pipeline.train(training_subject(shards, "id0003", "dance"), out, budget="6images")
    info = read_info(out)
    assert info.subject["name"] == "id0003"
    assert info.subject["detector"] == "drawn/1"
    assert info.subject["consent_sha256"]


def test_a_dataset_without_a_name_is_refused(shards: Path, drawn_dataset: Path) -> None:
    for folder in (shards, drawn_dataset):
        with pytest.raises(UserError, match="choose one with --identity, such as id0000"):
            training_subject(folder, None, "time")
    with pytest.raises(UserError, match="the dataset has no person 'ada'"):
        training_subject(shards, "ada", "time")
