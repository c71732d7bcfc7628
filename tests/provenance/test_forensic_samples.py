"""Which frames and crops the forensic classifier samples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow.media.source import read_frames
from dancenow.provenance.forensics import samples
from dancenow.provenance.forensics.samples import (
    PARTS,
    body_map,
    extract_runs,
    pair_stride,
    plan_samples,
    read_samples,
    sample_crop,
)
from dancenow.skeleton import INDEX
from helpers.drawn_world import dancer_track
from helpers.forensic_clips import drawn, sparse_detector, write_test_video


@pytest.fixture(autouse=True)
def _drawn_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "detect_poses", sparse_detector)
    monkeypatch.setattr(samples, "count_people", lambda *_: 1)


def test_pairs_are_consecutive_frames_a_few_times_a_second(tmp_path: Path) -> None:
    video = write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=120)
    sample_plan = plan_samples(video)
    assert sample_plan.starts.tolist() == list(range(0, 120, 6))
    sampled = list(read_samples(sample_plan, 96))
    assert len(sampled) == 20
    frames = [frame.image_rgb for frame in read_frames(video)]
    assert sampled[3].time_s == pytest.approx(18 / 24)
    assert np.array_equal(sampled[3].frames_rgb[1], frames[19])
    # The crop of a small person is not upsampled: its pixels are the frame's own.
    left, top = (-sampled[3].crop.to_canvas[:, 2]).astype(int)
    inside = frames[18][max(top, 0) : top + 96, max(left, 0) : left + 96]
    assert np.array_equal(sampled[3].images[0][max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]], inside)


def test_pairs_of_a_high_frame_rate_video_skip_frames(tmp_path: Path) -> None:
    assert [pair_stride(fps) for fps in (5, 24, 30, 50, 60, 120)] == [1, 1, 1, 2, 2, 4]
    video = write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=40)
    slow = plan_samples(video)
    frames = [frame.image_rgb for frame in read_frames(video)]
    for step in (2, 7):  # also longer than the distance between the pairs
        sampled = list(read_samples(replace(slow, stride=step), 96))
        starts = [start for start in slow.starts if start + step < 40]
        assert len(sampled) == len(starts)
        for each, start in zip(sampled, starts, strict=True):
            assert np.array_equal(each.frames_rgb[0], frames[start])
            assert np.array_equal(each.frames_rgb[1], frames[start + step])


def test_a_short_video_is_sampled_more_densely_and_a_single_frame_not_at_all(tmp_path: Path) -> None:
    assert (
        len(list(read_samples(plan_samples(write_test_video(tmp_path / "short.mp4", blurred=False, num_frames=13)), 96))) == 12
    )
    assert not list(read_samples(plan_samples(write_test_video(tmp_path / "one.mp4", blurred=False, num_frames=1)), 96))


def test_a_large_person_is_sampled_part_by_part_at_full_resolution() -> None:
    pose = dancer_track(1, body_px=300, size_px=400).pose[0]
    crops = [sample_crop(pose, 224, number) for number in range(len(PARTS))]
    for name, crop in zip(PARTS, crops, strict=True):
        assert crop.to_canvas[0, 0] == 1.0
        at = crop.apply(pose).xy[INDEX[name]]
        assert at.min() > 0
        assert at.max() < 223
    assert len({tuple(crop.to_canvas[:, 2]) for crop in crops}) > 3
    inside = np.stack([crop.apply(pose).xy for crop in crops])
    assert ((inside > 0) & (inside < 223)).all(axis=2).any(axis=0).all()  # every keypoint is inside some crop


def test_a_very_large_person_is_downsampled() -> None:
    pose = dancer_track(1, body_px=900, size_px=1000).pose[0]
    crop = sample_crop(pose, 224)
    assert 2 * 224 / 1125 * 0.9 < crop.to_canvas[0, 0] < 0.6
    assert sample_crop(pose, 224, 6).to_canvas.tolist() == crop.to_canvas.tolist()


def test_the_body_map_covers_the_keypoints() -> None:
    pose = dancer_track(1, body_px=84).pose[0]
    crop = sample_crop(pose, 128)
    body, at = body_map(crop.apply(pose), 128), crop.apply(pose).xy / 4
    for name in ("nose", "right_knee", "left_wrist", "neck", "right_ankle"):
        x, y = at[INDEX[name]].round().astype(int)
        assert body[y, x] == 255, name
    assert 0.05 < (body > 0).mean() < 0.4
    assert body[:, :2].max() == 0


def test_training_runs_use_the_same_crops_at_later_frames() -> None:
    track = dancer_track(20)
    frames = drawn(track, blurred=False)
    images, bodies = extract_runs(frames, track, 96, 4, (0, 1, 2, 4))
    assert images.shape == (4, 4, 96, 96, 3)
    assert bodies.shape == (4, 24, 24)
    short, _ = extract_runs(frames[:4], dancer_track(4), 96, 4, (0, 1, 2, 4))
    assert len(short) == 0
