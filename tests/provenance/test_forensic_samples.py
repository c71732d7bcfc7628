"""Where the classifier looks, and what it gets to see."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow.media.source import read_frames
from dancenow.provenance.forensics import samples
from dancenow.provenance.forensics.samples import PARTS, body_map, frames_apart, look, plan, runs_of, window_of
from dancenow.skeleton import INDEX
from helpers.drawn_world import dancer_track
from helpers.forensic_clips import drawn, film_suspect, sparse_detector


@pytest.fixture(autouse=True)
def _drawn_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "detect_poses", sparse_detector)


def test_pairs_are_consecutive_frames_a_few_times_a_second(tmp_path: Path) -> None:
    video = film_suspect(tmp_path / "dance.mp4", smeared=False, num_frames=120)
    planned = plan(video)
    assert planned.starts.tolist() == list(range(0, 120, 6))
    seen = list(look(planned, 96))
    assert len(seen) == 20
    frames = [frame.image_rgb for frame in read_frames(video)]
    assert seen[3].time_s == pytest.approx(18 / 24)
    assert np.array_equal(seen[3].frames_rgb[1], frames[19])
    # The window of a small person is not enlarged: its pixels are the frame's own.
    left, top = (-seen[3].crop.to_canvas[:, 2]).astype(int)
    inside = frames[18][max(top, 0) : top + 96, max(left, 0) : left + 96]
    assert np.array_equal(seen[3].pictures[0][max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]], inside)


def test_pairs_of_a_fast_video_are_as_far_apart_as_those_of_a_film(tmp_path: Path) -> None:
    assert [frames_apart(fps) for fps in (5, 24, 30, 50, 60, 120)] == [1, 1, 1, 2, 2, 4]
    video = film_suspect(tmp_path / "dance.mp4", smeared=False, num_frames=40)
    slow = plan(video)
    frames = [frame.image_rgb for frame in read_frames(video)]
    for step in (2, 7):  # farther apart than the pairs' beginnings, too
        seen = list(look(replace(slow, apart=step), 96))
        starts = [start for start in slow.starts if start + step < 40]
        assert len(seen) == len(starts)
        for each, start in zip(seen, starts, strict=True):
            assert np.array_equal(each.frames_rgb[0], frames[start])
            assert np.array_equal(each.frames_rgb[1], frames[start + step])


def test_a_short_video_is_looked_at_more_often_and_one_frame_not_at_all(tmp_path: Path) -> None:
    assert len(list(look(plan(film_suspect(tmp_path / "short.mp4", smeared=False, num_frames=13)), 96))) == 12
    assert not list(look(plan(film_suspect(tmp_path / "one.mp4", smeared=False, num_frames=1)), 96))


def test_a_large_person_is_looked_at_part_by_part_in_the_pictures_own_pixels() -> None:
    pose = dancer_track(1, body_px=300, size_px=400).pose[0]
    windows = [window_of(pose, 224, number) for number in range(len(PARTS))]
    for name, crop in zip(PARTS, windows, strict=True):
        assert crop.to_canvas[0, 0] == 1.0
        at = crop.apply(pose).xy[INDEX[name]]
        assert at.min() > 0
        assert at.max() < 223
    assert len({tuple(crop.to_canvas[:, 2]) for crop in windows}) > 3
    inside = np.stack([crop.apply(pose).xy for crop in windows])
    assert ((inside > 0) & (inside < 223)).all(axis=2).any(axis=0).all()  # some window sees each keypoint


def test_a_huge_person_is_made_smaller() -> None:
    pose = dancer_track(1, body_px=900, size_px=1000).pose[0]
    crop = window_of(pose, 224)
    assert 2 * 224 / 1125 * 0.9 < crop.to_canvas[0, 0] < 0.6
    assert window_of(pose, 224, 6).to_canvas.tolist() == crop.to_canvas.tolist()


def test_the_body_is_where_the_keypoints_are() -> None:
    pose = dancer_track(1, body_px=84).pose[0]
    crop = window_of(pose, 128)
    body, at = body_map(crop.apply(pose), 128), crop.apply(pose).xy / 4
    for name in ("nose", "right_knee", "left_wrist", "neck", "right_ankle"):
        x, y = at[INDEX[name]].round().astype(int)
        assert body[y, x] == 255, name
    assert 0.05 < (body > 0).mean() < 0.4
    assert body[:, :2].max() == 0


def test_training_sees_the_same_windows_and_later_frames() -> None:
    track = dancer_track(20)
    frames = drawn(track, smeared=False)
    pictures, bodies = runs_of(frames, track, 96, 4, (0, 1, 2, 4))
    assert pictures.shape == (4, 4, 96, 96, 3)
    assert bodies.shape == (4, 24, 24)
    short, _ = runs_of(frames[:4], dancer_track(4), 96, 4, (0, 1, 2, 4))
    assert len(short) == 0
