"""Transfers into other scenes, from end to end: what is in the file, how it is marked, and what is refused before any work."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow import pipeline
from dancenow.errors import UserError
from dancenow.generators.registry import FAMILIES
from dancenow.media.alpha_source import AlphaVideo
from dancenow.media.source import read_frames
from dancenow.pose.people_beside import PeopleBeside
from dancenow.progress import Progress
from dancenow.provenance.consent import consent
from dancenow.provenance.content_credentials import read_credentials
from dancenow.provenance.watermark import read_watermark_in_images
from dancenow.skeleton import INDEX
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack, TransferResult
from helpers.alpha_files import over_color, read_rgba
from helpers.drawn_world import dancer_track, drawn_detector, film, room, stand_in_for_the_detector
from helpers.toy_family import ToyFamily

FRAMES = 12
FEET = [INDEX[name] for name in ("right_heel", "left_heel", "right_toe", "left_toe")]


def smaller_dancer(num_frames: int) -> PoseTrack:
    return dancer_track(num_frames, phase=1.0, body_px=60.0)


@pytest.fixture(scope="module")
def model(drawn_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model that renders the dancer as a disc."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(FAMILIES, "toy", ToyFamily)
        monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: None)
        out = tmp_path_factory.mktemp("model") / "model.safetensors"
        yield pipeline.train(drawn_subject.folder, out, preset="disc", budget="12images", face="none")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    return film(tmp_path / "source.mp4", smaller_dancer(FRAMES))


def transfer(source: Path, model: Path, out: Path, scene: str) -> TransferResult:
    return pipeline.transfer(source, model, out, scene=scene, face="none")


def test_a_dance_before_a_color_and_the_same_with_alpha(source: Path, model: Path, tmp_path: Path) -> None:
    gray = transfer(source, model, tmp_path / "gray.mp4", "#808080")
    assert read_credentials(gray.video).state == "signed"
    opaque = [frame.image_rgb.astype(np.float32) for frame in read_frames(gray.video)]
    for name in ("out.mov", "out.webm", "out"):
        done = transfer(source, model, tmp_path / name, "transparent")
        images = read_rgba(tmp_path / name)
        assert done.num_frames == len(images) == len(opaque) == FRAMES
        for image, expected in zip(images, opaque, strict=True):
            assert image[:8, :, 3].max() <= 2
            assert image[..., 3].max() > 150
            assert np.abs(over_color(image, (128, 128, 128)) - expected).mean() < 2.5
        marked = read_watermark_in_images(image[..., :3] for image in images)
        assert marked.payload is not None
        assert sha256_of(model).startswith(marked.payload.model)


def test_marks_and_notes_say_what_a_container_cannot_carry(source: Path, model: Path, tmp_path: Path) -> None:
    signed = transfer(source, model, tmp_path / "out.mov", "transparent")
    facts = read_credentials(signed.video)
    assert (facts.state, facts.synthetic) == ("signed", True)
    assert not any("Credentials" in note for note in signed.notes)
    for name, *sentences in (
        ("out.webm", "A .webm file holds no Content Credentials"),
        ("out", "A folder of images holds no Content Credentials", "holds no times: play it at 24 frames a second"),
    ):
        notes = transfer(source, model, tmp_path / name, "transparent").notes
        for sentence in sentences:
            assert sum(sentence in note for note in notes) == 1


def test_a_picture_is_the_background_and_an_ingredient(source: Path, model: Path, tmp_path: Path) -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = (200, 120, 40)
    cv2.imwrite(str(tmp_path / "beach.png"), picture[..., ::-1])
    done = transfer(source, model, tmp_path / "out.mp4", str(tmp_path / "beach.png"))
    for frame in read_frames(done.video):
        assert np.abs(frame.image_rgb[:10].astype(int) - picture[:10]).mean() < 5
    facts = read_credentials(done.video).facts or {}
    assert facts["scene_sha256"] == sha256_of(tmp_path / "beach.png")


def test_an_interrupted_transfer_with_alpha_leaves_no_files(source: Path, model: Path, tmp_path: Path) -> None:
    def interrupt(event: Progress) -> None:
        if event.stage == "generating" and event.done >= 5:
            raise KeyboardInterrupt

    before = sorted(path.name for path in tmp_path.iterdir())
    for name in ("out.mov", "out.webm", "out"):
        with pytest.raises(KeyboardInterrupt):
            pipeline.transfer(source, model, tmp_path / name, scene="transparent", face="none", on_progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == [n for n in before if n != "cache"]


def test_a_scene_that_does_not_do_is_refused_before_any_stage_starts(source: Path, model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((20, 20, 3), np.uint8))
    stages: set[str] = set()
    for scene, out, message in (
        ("nowhere", "out.mp4", "there is no scene"),
        ("transparent", "out.mp4", "holds no transparency"),
        ("white", "out.mov", "only --scene transparent"),
        (str(tmp_path / "small.png"), "out.mp4", "too small for frames of 128x128 px"),
        (str(tmp_path / "small.png"), "small.png", "also an input"),
    ):
        with pytest.raises(UserError, match=message):
            pipeline.transfer(source, model, tmp_path / out, scene=scene, on_progress=lambda event: stages.add(event.stage))
    assert not stages - {"checking the video"}


def test_a_run_into_another_scene_writes_a_report(
    source: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del model  # its family is registered
    stand_in_for_the_detector(monkeypatch)
    target, person = film(tmp_path / "target.mp4", dancer_track(60)), consent("rendered")
    for name in ("out.webm", "out"):
        done = pipeline.run(
            source, target, tmp_path / name, preset="disc", budget="12images", face="none", scene="transparent", consent=person
        )
        assert done.report is not None
        page = done.report.read_text("utf-8")
        assert "transparent" in page
        assert done.transfer.num_frames == FRAMES


def test_a_file_with_alpha_is_shown_over_a_checkerboard(source: Path, model: Path, tmp_path: Path) -> None:
    for name in ("out.mov", "out.webm"):
        transfer(source, model, tmp_path / name, "transparent")
        frames = list(AlphaVideo.open(tmp_path / name).frames(2, 10, 2))
        assert [frame.index for frame in frames] == [2, 4, 6, 8]
        for frame in frames:
            board = frame.image_rgb[:16, :32].astype(int)
            assert np.abs(board[:, :16] - 150).max() < 5
            assert np.abs(board[:, 16:] - 190).max() < 5


@pytest.mark.usefixtures("source")
def test_the_dancer_of_the_source_is_replaced(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.rendering.source_scene.find_beside", lambda _, people, *__: PeopleBeside.nobody(people))
    longer = film(tmp_path / "longer.mp4", smaller_dancer(40))
    done = transfer(longer, model, tmp_path / "out.mp4", "source")
    shown = done.target_track
    np.testing.assert_allclose(shown.pose.xy[:, FEET], smaller_dancer(40).pose.xy[:, FEET], atol=3)
    frames = list(read_frames(done.video))
    assert len(frames) == 40
    for frame, xy in zip(frames, shown.pose.xy[:, INDEX["neck"]], strict=True):
        around = np.ones((128, 128), bool)
        x, y = (round(float(each)) for each in xy)
        assert np.abs(frame.image_rgb[y, x].astype(int) - room()[y, x]).max() > 20  # the disc
        around[max(0, y - 16) : y + 17, max(0, x - 16) : x + 17] = False
        assert np.abs(frame.image_rgb.astype(int) - room())[around].mean() < 4
    facts = read_credentials(done.video).facts or {}
    assert facts["scene_sha256"] == facts["source_sha256"]
