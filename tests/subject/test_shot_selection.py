"""Of footage with cuts the shots of one camera view are used, and a sentence says which."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.shots import Shot, cut_frames, describe_cuts
from dancenow.media.source import VideoSource
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.subject import prepare as prepare_module
from dancenow.subject.frame_selection import select_frames
from dancenow.subject.prepare import prepare
from dancenow.subject.shot_selection import ShotSelection, select_shots
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, PoseTrack
from helpers.filmed import FPS, Filmed, film, room

PLACES = ((0.0, 0.0), (14.0, -6.0), (0.0, 0.0))
"""Where the camera stands in the first, second and third shot."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def three_shots(folder: Path) -> Filmed:
    """The person dances on, and the camera is elsewhere in the second of three shots."""
    return film(folder, 150, lambda i: 80 + 40 * np.sin(i / 8), camera_of=lambda i: PLACES[i // 50])


def selected(filmed: Filmed) -> ShotSelection:
    source = VideoSource.open(filmed.video)
    return select_shots(source, replace(filmed.track, cuts=cut_frames(source.shots)))


def prepare_filmed(filmed: Filmed, out: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    def detect(video: VideoSource, *, masks: Path, **__: Any) -> PoseTrack:
        shutil.copyfile(filmed.masks, masks)
        return replace(filmed.track, source_sha256=video.sha256, cuts=cut_frames(video.shots))

    monkeypatch.setattr(prepare_module, "detect_poses", detect)
    monkeypatch.setattr(PeopleSurvey, "counts", [1] * 12)
    return prepare(filmed.video, out)


def test_footage_without_cuts_is_used_as_it_is(tmp_path: Path) -> None:
    filmed = film(tmp_path, 60, lambda i: 80 + 40 * np.sin(i / 8))
    found = selected(filmed)
    assert found.used.all()
    assert found.track is found.used_track
    assert found.warnings == ()


def test_the_view_that_is_seen_longest_is_used(tmp_path: Path) -> None:
    found = selected(three_shots(tmp_path))
    assert found.used.tolist() == [True] * 50 + [False] * 50 + [True] * 50
    assert (found.track.status[50:100] == FrameStatus.MISSING).all()
    assert len(found.used_track) == 100
    assert found.used_track.cuts == (50,)
    assert found.warnings == (
        "there are 2 cuts (at 2.0, 4.0 s), and only the part in one camera view is used (0.0 to 2.0 s, 4.0 to 6.0 s): film one"
        " uncut shot from one place to use it all.",
    )


def test_a_jump_cut_in_one_view_uses_all(tmp_path: Path) -> None:
    filmed = film(tmp_path, 100, lambda i: 40 + 4 * np.sin(i / 8) + (70 if i >= 50 else 0))
    source = VideoSource.open(filmed.video)
    found = select_shots(source, replace(filmed.track, cuts=(50,)))
    assert found.used.all()


def test_another_place_is_not_used(tmp_path: Path) -> None:
    found = selected(film(tmp_path, 100, lambda i: 80 + 30 * np.sin(i / 8), cut_at=60))
    assert found.used.tolist() == [True] * 60 + [False] * 40


def test_the_plate_of_footage_with_cuts_is_no_collage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = prepare_filmed(three_shots(tmp_path), tmp_path / "me", monkeypatch)
    off = np.abs(subject.plate.image_rgb.astype(int) - room())[subject.plate.known]
    assert np.percentile(off, 95) < 8
    assert "camera moves" not in " ".join(subject.manifest.warnings)
    assert "2 cuts" in " ".join(subject.manifest.warnings)
    assert Subject.open(subject.folder).track.cuts == subject.track.cuts


def test_no_training_clip_spans_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = prepare_filmed(three_shots(tmp_path), tmp_path / "me", monkeypatch)
    joined = replace(subject, track=replace(subject.track, status=np.zeros(150, np.uint8)))
    for most in (1000, 40):
        selection = select_frames(joined, "train", 4, most)
        starts = selection.frames[selection.starts]
        assert not ((starts[:, None] < subject.track.cuts) & (starts[:, None] + 4 > subject.track.cuts)).any()


def test_a_shot_of_half_a_second_is_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = film(tmp_path, 60, lambda i: 80 + 40 * np.sin(i / 8) if i < 40 else None, cut_at=30)
    with pytest.raises(UserError, match=r"only 1\.2 s"):
        prepare_filmed(filmed, tmp_path / "me", monkeypatch)


def test_a_fade_from_one_shot_to_another_is_one_cut() -> None:
    time_s = np.arange(100) / FPS
    fade = (Shot(0, 40), Shot(40, 44, "transition"), Shot(44, 46, "blank"), Shot(46, 50, "transition"), Shot(50, 100))
    assert describe_cuts(fade, time_s) == "is a cut (at 1.8 s)"
    assert describe_cuts((Shot(0, 10, "transition"), Shot(10, 90), Shot(90, 100, "blank")), time_s) is None
    assert describe_cuts((Shot(0, 25), Shot(25, 50), Shot(50, 100)), time_s) == "are 2 cuts (at 1.0, 2.0 s)"
