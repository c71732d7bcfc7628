"""The face network in the whole product: trained after the body, stored in its file, applied where the face is visible."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dancenow import pipeline
from dancenow.errors import UserError
from dancenow.execution import Execution
from dancenow.face import face_task
from dancenow.face.face_track import FaceTrack, Reason
from dancenow.face.face_tracking import face_boxes
from dancenow.face.network import FaceNetwork, FaceNetworkConfig
from dancenow.face.refinement import FaceModel, FaceRefiner, select_face_model
from dancenow.generators.crop.config import CROP_KIND
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.registry import renderer_of
from dancenow.generators.train_model import train_model
from dancenow.media.source import VideoInput, VideoSource, probe, read_frames
from dancenow.progress import Progress
from dancenow.rendering.renderer import render_frames, render_video
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import load_checkpoint, read_info
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack
from helpers.drawn_world import drawn_detector, film
from helpers.face_world import (
    AWAY,
    FACE,
    SIDE_PX,
    TINY,
    cached_subject_folder,
    large_dancer,
    noise,
    other_dancer,
    small_dancer,
    untrained_distance,
)

CPU = torch.device("cpu")


def by_pose_alone(_video: VideoInput, track: PoseTrack, *, size_px: int = 128, **_: Any) -> FaceTrack:
    """Stands in for the extraction of faces, which needs pretrained networks."""
    return face_boxes(track, size_px=size_px)


def no_faces(video: VideoInput, track: PoseTrack, **options: Any) -> FaceTrack:
    """The face detector finds a face in no frame."""
    faces = by_pose_alone(video, track, **options)
    return replace(faces, reason=np.maximum(faces.reason, np.uint8(Reason.HIDDEN)))


@pytest.fixture(autouse=True)
def drawn_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(other_dancer))
    monkeypatch.setattr(face_task, "detect_poses", drawn_detector(other_dancer))
    monkeypatch.setattr(face_task, "extract_faces", by_pose_alone)
    monkeypatch.setattr("dancenow.face.refinement.extract_faces", by_pose_alone)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    distance = untrained_distance()
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: distance)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder: Path = tmp_path_factory.mktemp("large")
        monkeypatch.setenv("DANCENOW_CACHE", str(folder / "cache"))
        return cached_subject_folder(folder, monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return film(tmp_path / "source.mp4", other_dancer(36))


def refiner_of(network: FaceNetwork, dance: PoseTrack) -> FaceRefiner:
    faces = face_boxes(dance, size_px=network.config.canvas_px)
    return FaceRefiner(FaceModel("residual", network.eval(), faces, None), faces, dance.pose, None, None, Execution())


def adding_network(value: float) -> FaceNetwork:
    """A network that adds the same everywhere."""
    network = FaceNetwork(FaceNetworkConfig(64, 4, 0)).requires_grad_(False)
    assert network.leave.bias is not None
    network.leave.bias.fill_(value)
    return network


def test_a_network_that_adds_nothing_changes_nothing() -> None:
    dance, pictures = large_dancer(6), [noise((SIDE_PX, SIDE_PX, 3), i) for i in range(6)]
    refiner = refiner_of(adding_network(0.0), dance)
    for made, picture in zip(refiner.refine(iter(pictures), 0, 6), pictures, strict=True):
        np.testing.assert_array_equal(made, picture)


def test_only_faces_turned_to_the_camera_are_refined() -> None:
    dance, grey = large_dancer(24), np.full((SIDE_PX, SIDE_PX, 3), 100, np.uint8)
    refiner = refiner_of(adding_network(4.0), dance)
    assert (refiner.faces.reason[AWAY] == Reason.TURNED).all()
    made = list(refiner.refine((grey.copy() for _ in range(24)), 0, 24))
    for t, picture in enumerate(made):
        changed = (picture != grey).any(axis=2)
        if AWAY.start <= t < AWAY.stop:
            assert not changed.any()
            continue
        x, y = dance.pose.xy[t, 0]
        assert changed[round(float(y)), round(float(x))]
        assert not changed[SIDE_PX // 2 :].any()
    # It fades in and out: a sudden change from one frame to the next is visible.
    at_nose = [int(p[round(float(y)), round(float(x)), 0]) for p, (x, y) in zip(made, dance.pose.xy[:, 0], strict=True)]
    assert max(np.abs(np.diff(at_nose))) < 0.7 * (max(at_nose) - 100)


def test_a_range_of_frames_gets_the_faces_of_those_frames() -> None:
    dance, grey = large_dancer(10), np.full((SIDE_PX, SIDE_PX, 3), 100, np.uint8)
    refiner = refiner_of(adding_network(4.0), dance)
    whole = list(refiner.refine((grey for _ in range(10)), 0, 10))
    part = list(refiner.refine((grey for _ in range(4)), 6, 10))
    for one, other in zip(whole[6:], part, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_face_network_is_trained_stored_and_applied(subject: Subject, source: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    train_model(subject.folder, model, TINY, budget="16images", face="auto")
    info = read_info(model)
    said = info.config["face_network"]
    assert (said["kind"], said["canvas_px"], said["width"]) == ("residual", 64, FACE.width)
    checkpoint = load_checkpoint(model, CROP_KIND)
    moved = [v for name, v in checkpoint.part("face").items() if name == "leave.weight"]
    assert moved[0].abs().max() > 0  # it has learnt something: it began with zeros
    done = pipeline.transfer(source, model, tmp_path / "out.mp4")
    assert (probe(done.video).width_px, len(list(read_frames(done.video)))) == (SIDE_PX, 36)
    pipeline.transfer(source, model, tmp_path / "plain.mp4", face="none")
    with pytest.raises(UserError, match=r"has no cyclegan face network \(one of the kind residual\); train it with --face cyc"):
        pipeline.transfer(source, model, tmp_path / "x.mp4", face="cyclegan")


@pytest.mark.slow
def test_a_model_without_a_face_network_renders_as_before(subject: Subject, source: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    train_model(subject.folder, model, TINY, budget="4images")
    assert "face_network" not in read_info(model).config
    assert FaceModel.load(load_checkpoint(model, CROP_KIND), CPU) is None
    pipeline.transfer(source, model, tmp_path / "out.mp4")
    with pytest.raises(UserError, match=r"has no residual face network \(none\); train it with --face residual\.$"):
        pipeline.transfer(source, model, tmp_path / "x.mp4", face="residual")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["residual", "cyclegan"])
@pytest.mark.parametrize("steps", [2, 7])
def test_a_training_resumed_in_either_phase_equals_an_uninterrupted_one(
    subject: Subject, source: Path, tmp_path: Path, steps: int, kind: Any
) -> None:
    def train(name: str, resume: bool, on_progress: Any = lambda _: None) -> Path:
        out = tmp_path / name
        dancer = source if kind == "cyclegan" else None
        train_model(
            subject.folder, out, TINY, budget="24images", face=kind, face_source=dancer, resume=resume, on_progress=on_progress
        )
        return out

    left = iter(range(steps))

    def interrupt(event: Progress) -> None:
        if event.stage == "training" and event.preview is None and next(left, None) is None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train("broken.safetensors", False, interrupt)
    middle = read_info(tmp_path / "broken.safetensors")
    assert ("face_network" in middle.config) == (steps > 5)
    unbroken, broken = (
        load_checkpoint(train(*each), CROP_KIND) for each in (("whole.safetensors", False), ("broken.safetensors", True))
    )
    assert unbroken.info.images_seen == broken.info.images_seen
    for name, tensor in unbroken.tensors.items():
        assert torch.equal(tensor, broken.tensors[name]), name


@pytest.mark.slow
def test_a_training_does_not_resume_with_another_face_network(subject: Subject, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    train_model(subject.folder, model, TINY, budget="8images", face="residual")
    with pytest.raises(UserError, match="another preset or recipe"):
        train_model(subject.folder, model, TINY, budget="12images", face="none", resume=True)
    other = tmp_path / "other.safetensors"
    train_model(subject.folder, other, TINY, budget="2images", face="none")
    with pytest.raises(UserError, match="has --face none; resume with that"):
        train_model(subject.folder, other, TINY, budget="12images", face="residual", resume=True)


@pytest.mark.slow
def test_a_face_too_small_is_skipped_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, model, said = cached_subject_folder(tmp_path, monkeypatch, small_dancer), tmp_path / "model.safetensors", list[str]()
    train_model(small.folder, model, TINY, budget="4images", face="auto", warn=said.append)
    assert "face_network" not in read_info(model).config
    assert len(said) == 1
    assert said[0].startswith("The face of target is too small for a face network")
    with pytest.raises(UserError, match=r"too small.*use --face none"):
        train_model(small.folder, tmp_path / "m.safetensors", TINY, budget="4images", face="residual")


def test_footage_in_which_no_face_is_found_trains_without_a_face_network(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heads are large enough, but the face detector finds nothing in them, as in a dark room."""
    monkeypatch.setattr(face_task, "extract_faces", no_faces)
    model, warnings = tmp_path / "model.safetensors", list[str]()
    train_model(subject.folder, model, TINY, budget="4images", face="auto", warn=warnings.append)
    assert "face_network" not in read_info(model).config
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "The face of target is visible in only 0 of 60 frames (turned to the camera, unhidden, well lit"
    )
    with pytest.raises(UserError, match=r"only 0 of 60 frames.*use --face none to train without one\.$"):
        train_model(subject.folder, tmp_path / "m.safetensors", TINY, budget="4images", face="residual")


def test_a_cyclegan_needs_faces_in_its_source(
    subject: Subject, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dark_source(video: VideoSource, track: PoseTrack, **options: Any) -> FaceTrack:
        return (no_faces if video.path == source else by_pose_alone)(video, track, **options)

    monkeypatch.setattr(face_task, "extract_faces", dark_source)
    with pytest.raises(
        UserError, match=r"person in source\.mp4 is visible in only 0 of 36 frames.*--face residual does not need"
    ):
        train_model(subject.folder, tmp_path / "m.safetensors", TINY, budget="4images", face="cyclegan", face_source=source)


@pytest.mark.slow
def test_a_cyclegan_needs_its_own_source(subject: Subject, source: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    with pytest.raises(UserError, match="--face-source SOURCE"):
        train_model(subject.folder, model, TINY, budget="4images", face="cyclegan")
    train_model(subject.folder, model, TINY, budget="16images", face="cyclegan", face_source=source)
    done = pipeline.transfer(source, model, tmp_path / "out.mp4", face="cyclegan")
    assert len(list(read_frames(done.video))) == 36
    faces = FaceModel.load(load_checkpoint(model, CROP_KIND), CPU)
    assert faces is not None
    assert faces.source_sha256 == sha256_of(source)
    assert select_face_model(faces, "auto", model, "another") is None
    with pytest.raises(UserError, match="face of another source"):
        select_face_model(faces, "cyclegan", model, "another")


@pytest.mark.slow
def test_the_edn_system_trains_a_face_network_too(subject: Subject, source: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    config = EdnConfig(longer_px=64, width=1 / 16, face=replace(FACE, max_faces=8))
    train_model(subject.folder, model, config, budget="4images", face="residual")
    assert read_info(model).config["face_network"]["kind"] == "residual"
    pipeline.transfer(source, model, tmp_path / "out.mp4", frames=(0, 3))


@pytest.mark.slow
def test_the_temporal_filter_changes_little(subject: Subject, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    train_model(subject.folder, model, TINY, budget="4images")
    renderer = renderer_of(load_checkpoint(model, CROP_KIND), Execution())
    background = renderer.target.view("still")
    unfiltered = list(render_frames(renderer, background, subject.track, np.arange(12)))
    filtered = list(render_video(renderer, background, subject.track, 0, 12))
    assert any((one != other).any() for one, other in zip(filtered, unfiltered, strict=True))
    for one, other in zip(filtered, unfiltered, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 8, "neighbours change little"
