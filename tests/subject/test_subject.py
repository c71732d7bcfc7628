"""Subject folders: complete or absent, self-checking, with warnings about the footage.

Detection is replaced by the ground truth of the drawn world.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.subject import footage_quality
from dancenow.subject import prepare as prepare_module
from dancenow.subject.manifest import CHECKED_FILES, MANIFEST, SubjectManifest
from dancenow.subject.prepare import prepare, split_by_time
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.filmed import HEIGHT, WIDTH, Filmed, film

Prepare = Callable[[Filmed, Path], Subject]


@pytest.fixture(scope="module")
def prepared() -> Prepare:
    """Prepare with ground truth in place of the detector."""

    def run(filmed: Filmed, out: Path) -> Subject:
        def detect(_: Path, *, masks: Path, **__: Any) -> PoseTrack:
            shutil.copyfile(filmed.masks, masks)
            return filmed.track

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(prepare_module, "detect_poses", detect)
            patch.setattr(PeopleSurvey, "counts", [1] * 12)
            return prepare(filmed.video, out)

    return run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, prepared: Prepare) -> Subject:
    folder = tmp_path_factory.mktemp("original")
    return prepared(film(folder, 60, lambda i: 30 + 1.6 * i), folder / "me")


@pytest.fixture
def made(tmp_path: Path, original: Subject) -> Subject:
    """A copy that a test may damage."""
    shutil.copytree(original.folder, tmp_path / "me")
    return replace(original, folder=tmp_path / "me")


def test_a_prepared_subject_can_be_opened(made: Subject) -> None:
    opened = Subject.open(made.folder)
    assert sorted(path.name for path in made.folder.iterdir()) == sorted([*CHECKED_FILES, MANIFEST, "video.mp4"])
    assert opened.manifest == made.manifest
    assert (opened.manifest.name, opened.manifest.fps, opened.manifest.num_frames) == ("clip", "25", 60)
    assert np.array_equal(opened.track.pose.xy, made.track.pose.xy)
    assert np.array_equal(opened.plate.image_rgb, made.plate.image_rgb)
    assert np.array_equal(opened.plate.known, made.plate.known)
    assert sum(1 for _ in opened.read_frames()) == sum(1 for _ in opened.read_masks()) == 60
    assert next(opened.read_frames(5)).index == 5
    assert 40 < opened.manifest.body.height_px < 75


@pytest.mark.parametrize("name", ["track.npz", "masks.mkv", "plate.png", "known.png", "video.mp4", MANIFEST])
def test_a_missing_or_damaged_file_is_detected(made: Subject, name: str) -> None:
    path = made.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"damaged|cut off"):
        Subject.open(made.folder)
    path.unlink()
    with pytest.raises(UserError, match=r"missing|not a subject folder"):
        Subject.open(made.folder)


@pytest.mark.parametrize("change", [{"num_frames": 61}, {"schema": 99}, {"splits_s": {"train": [0, 99]}}, {"body": {}}])
def test_a_changed_manifest_is_detected(made: Subject, change: dict[str, Any]) -> None:
    path = made.folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match="damaged"):
        Subject.open(made.folder)


def test_a_manifest_survives_json(made: Subject) -> None:
    assert SubjectManifest.from_json(made.manifest.to_json()) == made.manifest


def test_preparing_again_replaces_the_subject_but_nothing_else(made: Subject, tmp_path: Path, prepared: Prepare) -> None:
    filmed = film(tmp_path / "again", 60, lambda i: 130 - 1.6 * i)
    assert Subject.open(prepared(filmed, made.folder).folder).manifest.num_frames == 60
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter.txt").write_text("keep me")
    with pytest.raises(UserError, match="not a subject folder"):
        prepared(filmed, precious)
    assert (precious / "letter.txt").read_text() == "keep me"


def test_other_files_in_the_folder_are_never_lost(made: Subject, tmp_path: Path, prepared: Prepare) -> None:
    filmed = film(tmp_path / "again", 60, lambda i: 130 - 1.6 * i)
    model = made.folder / "model.safetensors"
    model.write_text("hours of work")
    with pytest.raises(UserError, match=r"also holds model\.safetensors, which would be lost"):
        prepared(filmed, made.folder)
    assert model.read_text() == "hours of work"
    model.unlink()
    (made.folder / MANIFEST).write_text("damaged")
    assert prepared(filmed, made.folder).manifest.num_frames == 60
    with pytest.raises(UserError, match="it is a file; give the name of a folder"):
        prepared(filmed, filmed.video)


def test_too_little_of_a_person_is_an_error_and_leaves_nothing(tmp_path: Path, prepared: Prepare) -> None:
    with pytest.raises(UserError, match="only 10%"):
        prepared(film(tmp_path, 100, lambda i: 80 if i < 10 else None), tmp_path / "me")
    with pytest.raises(UserError, match=r"only 1\.2 s"):
        prepared(film(tmp_path, 30, lambda _: 80), tmp_path / "me")
    assert not (tmp_path / "me").exists()


def test_a_given_track_is_used_and_one_of_another_video_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = film(tmp_path, 60, lambda i: 30 + 1.6 * i)

    def detect(_: Path, *, masks: Path, **__: Any) -> PoseTrack:
        shutil.copyfile(filmed.masks, masks)
        return replace(filmed.track, source_sha256="a" * 64)

    monkeypatch.setattr(prepare_module, "detect_poses", detect)
    monkeypatch.setattr(PeopleSurvey, "counts", [1] * 12)
    pose = filmed.track.pose
    given = replace(filmed.track, pose=Pose(pose.xy + np.float32(1.5), pose.confidence), detector="by hand", source_sha256="")
    made = prepare(filmed.video, tmp_path / "me", track=given)
    opened = Subject.open(made.folder)
    assert np.array_equal(opened.track.pose.xy, given.pose.xy)
    assert (opened.manifest.detector, opened.manifest.source_sha256) == ("by hand", "a" * 64)

    foreign = {
        "another video": replace(given, source_sha256="b" * 64),
        r"the track has 50 frames": replace(given, pose=given.pose[:50], time_s=given.time_s[:50], status=given.status[:50]),
        r"the track has .* of 320x": replace(given, width_px=320),
        "does not match the person": replace(given, pose=Pose(pose.xy + np.float32(50), pose.confidence)),
    }
    for said, track in foreign.items():
        with pytest.raises(UserError, match=said):
            prepare(filmed.video, tmp_path / "me", track=track)
    assert Subject.open(made.folder).manifest == made.manifest


def test_splits_are_disjoint_and_inside_the_video() -> None:
    assert split_by_time(12.0, True) == {"train": (0.0, 12.0)}
    assert split_by_time(60.0, False) == {"train": (0.0, 60.0)}
    splits = split_by_time(60.0, True)
    assert splits["val"] == (54.0, 60.0)
    assert splits["train"] == (0.0, 53.0)


def test_a_fraction_of_a_short_video_can_be_held_out() -> None:
    assert split_by_time(10.0, 0.25) == {"train": (0.0, 6.875), "val": (7.5, 10.0)}
    assert split_by_time(60.0, 0.25) == {"train": (0.0, 44.0), "val": (45.0, 60.0)}


def test_titles_before_and_after_the_person_are_not_held_out() -> None:
    assert split_by_time(30.0, 0.25, start_s=10.0) == {"train": (0.0, 24.0), "val": (25.0, 30.0)}


def test_split_membership(made: Subject) -> None:
    time_s = made.track.time_s
    assert made.manifest.in_split("train", time_s).all()
    assert not made.manifest.in_split("val", time_s).any()


def pictures_of(filmed: Filmed) -> str:
    examiner = footage_quality.ImageQualityMeter(filmed.masks, np.ones(len(filmed.track), bool))
    source = VideoSource.open(filmed.video)
    source.feed(examiner)
    return " ".join(footage_quality.image_warnings(examiner.statistics()))


def test_good_footage_gives_no_warning(tmp_path: Path) -> None:
    assert pictures_of(film(tmp_path, 60, lambda i: 80 + 60 * np.sin(i / 6))) == ""


def test_a_moving_camera_is_detected(tmp_path: Path) -> None:
    shaking = film(tmp_path, 60, lambda _: 80, camera_of=lambda i: (4 * np.sin(i / 9), 0))
    assert "tripod" in pictures_of(shaking)
    bumped = film(tmp_path / "b", 60, lambda _: 80, camera_of=lambda i: (3.0, 1.0) if i > 40 else (0.0, 0.0))
    assert "tripod" in pictures_of(bumped)


def test_another_person_before_a_still_camera_is_not_called_camera_motion(tmp_path: Path) -> None:
    """Their mask shows only one of them; the other walks through the frame."""
    two = film(tmp_path, 60, lambda i: 40 + 10 * np.sin(i / 6), other_x_of=lambda i: 80 + 1.1 * i)
    assert pictures_of(two) == ""
    # Somebody who steps into the frame from one frame to the next is no cut.
    sudden = film(tmp_path / "sudden", 60, lambda i: 40 + 10 * np.sin(i / 6), other_x_of=lambda i: 120 if i > 30 else 400)
    assert pictures_of(sudden) == ""


def test_poor_light_is_detected(tmp_path: Path) -> None:
    assert "dark" in pictures_of(film(tmp_path, 30, lambda _: 80, light=0.3))
    assert "noisy" in pictures_of(film(tmp_path / "n", 30, lambda _: 80, noise=25))


def test_underexposed_footage_is_detected(tmp_path: Path) -> None:
    """All levels shifted down, as by an exposure that is set too low: the blacks are lost, the highlights are not."""
    dark = film(tmp_path, 30, lambda _: 80, light=0.7, offset=-40)
    assert "the footage is too dark" in pictures_of(dark)


@pytest.mark.parametrize(
    ("highlight", "room", "dim"), [(95.0, 125.0, False), (60.0, 200.0, True), (140.0, 60.0, True), (99.0, 96.0, True)]
)
def test_dark_skin_in_dark_clothes_is_not_poor_light(highlight: float, room: float, dim: bool) -> None:
    pictures = footage_quality.ImageStatistics(0.0, 0.0, 45.0, highlight, room, 40.0, 1.0)
    assert ("add light" in " ".join(footage_quality.image_warnings(pictures))) == dim


def test_warnings_about_the_track(made: Subject) -> None:
    def said(track: PoseTrack) -> str:
        return " ".join(footage_quality.track_warnings(track, made.manifest.body))

    track = made.track
    assert "2 s of the person" in said(track)
    assert "px tall" in said(track)
    assert "feet" not in said(track)
    status = track.status.copy()
    status[:30] = FrameStatus.FILLED
    slow = PoseTrack(track.pose, track.time_s * 5, status, WIDTH, HEIGHT, "drawn", "")
    assert "only 50% of the frames" in said(slow)
    assert "5 frames per second" in said(slow)
    low = PoseTrack(track.pose, track.time_s, track.status, WIDTH, HEIGHT - 20, "drawn", "")
    assert "feet are cut off" in said(low)
    (people,) = footage_quality.people_warnings([1, 2, 3, 1])
    assert people.startswith(
        "several people are in the frame (3 at once, in 2 of 4 sampled frames), and the largest, most central and most often"
        " seen one is followed"
    )
    (people,) = footage_quality.people_warnings([1, 2, 3, 1], 2)
    assert "and person 2 is followed" in people
    assert list(footage_quality.people_warnings([1] * 9 + [2])) == []
