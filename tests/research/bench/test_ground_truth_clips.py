"""Exact keypoints of external clips: reading, and scores in the person's box."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.metrics.regions import person_box
from dancenow.research.bench import ground_truth_clips
from dancenow.research.bench.ground_truth_clips import LABELS, compare_frames, read_exact_track, score_result_video
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB

SIDE, FRAMES = 96, 8


def camera() -> NDArray[np.float32]:
    """Looks along z, with a focal length of 1.5 half images: 72 px."""
    return np.array([[1.5, 0, 0, 0], [0, -1.5, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], np.float32)


def keypoints() -> NDArray[np.float32]:
    """[T,23,2] px of an upright body, pixel centers at halves."""
    rng = np.random.default_rng(0)
    body = np.stack([rng.uniform(36, 60, len(LABELS)), np.linspace(16, 80, len(LABELS))], axis=1)
    return np.repeat(body[None], FRAMES, axis=0).astype(np.float32)


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, Path]:
    """A noisy video and its npz."""
    images = [np.random.default_rng(t).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8) for t in range(FRAMES)]
    return write(tmp_path / "a.mp4", images), save(tmp_path / "a.npz")


def write(path: Path, images: list[ImageRGB]) -> Path:
    with VideoWriter(path, SIDE, SIDE, fps=Fraction(30), crf=6) as writer:
        for t, image in enumerate(images):
            writer.write(image, Fraction(t, 30))
    return path


def save(path: Path, **changes: Any) -> Path:
    depth = np.full((FRAMES, len(LABELS)), 4.0, np.float32)
    depth[:, LABELS.index("left_wrist")] = 3.0
    fields: dict[str, Any] = {
        "kp2d": keypoints(),
        "depth": depth,
        "camera": camera(),
        "fps": 30.0,
        "labels": np.array(LABELS),
    } | changes
    np.savez(path, **fields)
    return path


def test_keypoints_are_converted_to_pixel_centers_at_integers(clip: tuple[Path, Path]) -> None:
    video, npz = clip
    track = read_exact_track(npz, video)
    pose, given = track.pose[0], keypoints()[0]
    assert (len(track), track.width_px) == (FRAMES, SIDE)
    assert track.fps == pytest.approx(30)
    for ours, theirs in (
        ("nose", "nose"),
        ("left_knee", "left_knee"),
        ("right_toe", "right_big_toe"),
        ("left_heel", "left_heel"),
    ):
        np.testing.assert_allclose(pose.xy[INDEX[ours]], given[LABELS.index(theirs)] - 0.5, atol=1e-4)
    shoulders = given[[LABELS.index("left_shoulder"), LABELS.index("right_shoulder")]].mean(axis=0)
    np.testing.assert_allclose(pose.xy[INDEX["neck"]], shoulders - 0.5, atol=1e-4)
    hands = [INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("thumb", "index", "pinky")]
    assert not pose.confidence[hands].any()
    assert np.delete(pose.confidence, hands).min() == 1
    assert pose.depth[INDEX["left_wrist"]] == pytest.approx(-1.0 / 4.0 * 72)  # 1 m nearer than the hips at 4 m
    assert pose.depth[INDEX["neck"]] == 0


def test_only_the_person_box_is_scored(clip: tuple[Path, Path], tmp_path: Path) -> None:
    video, npz = clip
    track = read_exact_track(npz, video)
    box = person_box(track.pose[0], SIDE, SIDE)
    assert box is not None
    assert box.right - box.left < SIDE - 12
    images = [frame.image_rgb.copy() for frame in read_frames(video)]
    perfect = compare_frames(images, video, track, frames=(0, FRAMES), every=4)
    assert (perfect.psnr_db, perfect.frames) == (100, FRAMES)
    assert perfect.ssim == pytest.approx(1)
    assert perfect.perceptual == pytest.approx(0, abs=1e-6)
    for image in images:
        image[:, : box.left - 6] = 0
    outside = compare_frames(images, video, track, frames=(0, FRAMES), every=4)
    assert outside == perfect
    gray = score_result_video(write(tmp_path / "gray.mp4", [np.full_like(images[0], 128)] * FRAMES), npz, video, every=4)
    assert gray.ssim < 0.2
    assert gray.psnr_db < 15
    assert gray.perceptual > 0.2


def test_unsuitable_files_raise_one_sentence(clip: tuple[Path, Path], tmp_path: Path) -> None:
    video, npz = clip
    other = tmp_path / "other.npz"
    for changes in ({"labels": np.array(LABELS[::-1])}, {"kp2d": keypoints()[:, :17]}, {"depth": np.zeros((3, 4))}):
        with pytest.raises(UserError, match="holds no exact keypoints"):
            read_exact_track(save(other, **changes), video)
    np.savez(other, kp2d=keypoints())
    with pytest.raises(UserError, match="holds no exact keypoints"):
        read_exact_track(other, video)
    other.write_bytes(npz.read_bytes()[:900])
    for path in (other, tmp_path / "absent.npz"):
        with pytest.raises(UserError, match="holds no exact keypoints"):
            read_exact_track(path, video)
    short = {"kp2d": keypoints()[:5], "depth": np.ones((5, len(LABELS)), np.float32)}
    with pytest.raises(UserError, match=r"has 5 poses but .* has 8 frames"):
        read_exact_track(save(other, **short), video)
    track = read_exact_track(npz, video)
    with pytest.raises(UserError, match="not every frame of"):
        compare_frames([], video, track, frames=(0, FRAMES))
    with pytest.raises(UserError, match="there are no frames 4 to 4"):
        compare_frames([], video, track, frames=(4, 4))


def test_an_exact_subject_is_prepared_with_the_exact_track(
    clip: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(ground_truth_clips, "prepare", lambda video, out, **words: asked.update(words, video=video, out=out))
    ground_truth_clips.prepare_exact_subject(*clip, tmp_path / "me")
    assert asked["track"].detector == ground_truth_clips.DETECTOR
    assert asked["consent"].kind == "rendered"
    assert not asked.get("hold_out")
