"""Metric sanity check: each kind of damage does what it says, and the table shows which metrics follow it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import dancenow.evaluation.evaluator
import dancenow.evaluation.metric_sanity
from dancenow.errors import UserError
from dancenow.evaluation.identity_similarity import IdentitySimilarity
from dancenow.evaluation.metric_sanity import (
    _DAMAGE,
    LEVELS,
    MAY_IGNORE,
    MUST_FOLLOW,
    UNITS,
    _Clip,
    check_monotonicity,
    follows,
)
from dancenow.evaluation.metric_summary import identity_metrics, image_metrics, pose_metrics
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.types import ImageRGB, PoseTrack
from helpers.drawn_world import dancer_track, person
from helpers.perceptual import random_distance

FRAMES, SIDE = 16, 96


def dance(other: bool = False) -> list[ImageRGB]:
    track = dancer_track(FRAMES, body_px=72, size_px=SIDE)
    images = [person(track.pose[t], SIDE)[0] for t in range(FRAMES)]
    return [image[..., ::-1].copy() for image in images] if other else images


@pytest.fixture(scope="module")
def material() -> _Clip:
    return _Clip(dance(), dance(other=True), dancer_track(FRAMES, body_px=72, size_px=SIDE), Fraction(24))


def squared_error(material: _Clip, kind: str, level: float) -> list[float]:
    damaged = [_DAMAGE[kind](material, t, level) for t in range(FRAMES)]
    return [float(np.square(a.astype(float) - b).mean()) for a, b in zip(damaged, material.own, strict=True)]


@pytest.mark.parametrize("kind", list(LEVELS))
def test_more_damage_gives_a_larger_error(kind: str, material: _Clip) -> None:
    errors = [np.mean(squared_error(material, kind, level)) for level in LEVELS[kind]]
    assert errors[0] > 0
    assert errors == sorted(errors)


@pytest.mark.parametrize("kind", ["identity swap", "hide"])
def test_fractions_of_damaged_frames_are_exact_and_nested(kind: str, material: _Clip) -> None:
    less: set[int] = set()
    for share in (1 / 8, 1 / 4, 1 / 2):
        more = {t for t, error in enumerate(squared_error(material, kind, share)) if error > 0}
        assert len(more) == pytest.approx(share * FRAMES)
        assert less <= more
        less = more


def test_shift_moves_down_and_right_and_freeze_repeats_images(material: _Clip) -> None:
    moved = _DAMAGE["shift"](material, 3, 6)
    np.testing.assert_array_equal(moved[3:, 6:], material.own[3][:-3, :-6])
    held = [_DAMAGE["freeze"](material, t, 4) for t in range(8)]
    np.testing.assert_array_equal(held[7], material.own[4])
    np.testing.assert_array_equal(held[3], material.own[0])


def test_a_metric_follows_if_it_worsens_at_every_step() -> None:
    assert follows([1.0, 0.9, 0.2], "higher")
    assert follows([0.0, 1.0, 2.0], "lower")
    assert not follows([1.0, 0.9, 0.95], "higher")
    assert not follows([0.0, 0.0, 1.0], "lower")
    assert not follows([0.0, None, 1.0], "lower")


def test_every_metric_and_damage_has_a_rule_or_a_reason() -> None:
    track, likeness = dancer_track(2), [IdentitySimilarity(1, 1)] * 2
    names = {figure.name for figure in [*identity_metrics(likeness, likeness), *pose_metrics(track, track)]}
    names |= {figure.name for figure in image_metrics([], [])}
    assert names <= set(MUST_FOLLOW)
    assert set(UNITS) == set(LEVELS) == set(_DAMAGE)
    for name, must in MUST_FOLLOW.items():
        reasons = next((said for family, said in MAY_IGNORE.items() if name.startswith(family)), {})
        assert set(must) | set(reasons) == set(LEVELS), name
        assert not set(must) & set(reasons), name


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[ImageRGB]], Path]:
    """Writes clips; the detector knows the dance, and the trunk has random weights."""

    def detect(video: VideoInput, every: int = 1, on_progress: ProgressCallback = ignore_progress) -> PoseTrack:
        del on_progress, every
        return dancer_track(open_video(video).info.num_frames or 0, body_px=72, size_px=SIDE)

    monkeypatch.setattr(dancenow.evaluation.metric_sanity, "detect_poses", detect)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "detect_poses", detect)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "PerceptualDistance", random_distance)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "create_detector", object)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: Path())
    monkeypatch.setattr("dancenow.evaluation.identity_similarity.GALLERY_FRAMES", 4)

    def write(name: str, images: list[ImageRGB]) -> Path:
        height, width = images[0].shape[:2]
        with VideoWriter(tmp_path / name, width, height, fps=Fraction(24)) as writer:
            for t, image in enumerate(images):
                writer.write(image, Fraction(t, 24))
        return tmp_path / name

    return write


@pytest.mark.slow
def test_the_table_of_a_synthetic_clip_has_no_failure(film: Callable[[str, list[ImageRGB]], Path]) -> None:
    levels = {"identity swap": (0.5, 1.0)}
    clip, other = film("a.mp4", dance()), film("b.mp4", dance(other=True))
    result = check_monotonicity(clip, levels, other=other, num_frames=FRAMES, every=2)
    assert result["failures"] == []
    rows = {(row["name"], row["region"], row["damage"]): row for row in result["rows"]}
    assert rows["identity", "body", "identity swap"]["follows"]
    assert rows["SSIM", "person", "identity swap"]["values"][0] == pytest.approx(1, abs=1e-4)
    assert len(rows["SSIM", "person", "identity swap"]["values"]) == 3
    overlooked = rows["pose distance", "all", "identity swap"]
    assert not overlooked["must"]
    assert not overlooked["follows"]  # the stand-in for the detector sees no bodies
    assert "same motion" in overlooked["reason"]


def test_clips_that_do_not_match_are_rejected(film: Callable[[str, list[ImageRGB]], Path]) -> None:
    clip, small = film("a.mp4", dance()), film("b.mp4", [image[:64] for image in dance()])
    with pytest.raises(UserError, match="differ in size"):
        check_monotonicity(clip, other=small, num_frames=8)
    with pytest.raises(UserError, match="16 frames but 48 are needed"):
        check_monotonicity(clip, other=clip)
    with pytest.raises(UserError, match=r"no damage 'rust'.*blur"):
        check_monotonicity(clip, {"rust": (1.0,)}, other=clip)
