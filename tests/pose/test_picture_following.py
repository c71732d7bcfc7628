"""Keypoints move as the picture does: what trembles beside it is steadied, and fast moves are followed."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import open_video
from dancenow.pose.filtering.flow_smoothing import follow_motion
from dancenow.pose.filtering.keypoint_flow import KeypointSteps, StepMeter
from dancenow.pose.picture_following import follow_picture
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

SIDE_PX, SQUARE_PX, COUNT = 360, 150, 24


def texture(seed: int, side_px: int) -> ImageRGB:
    noise = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3)).astype(np.float32)
    return np.asarray(((cv2.GaussianBlur(noise, (0, 0), 2) - 128) * 4 + 128).clip(0, 255), np.uint8)


def true_corner(index: int) -> tuple[int, int]:
    """Where the moving square is: it goes to the right, faster and faster."""
    return 20 + index + index * index // 12, 40 + 2 * index


def frames() -> list[ImageRGB]:
    room, square = texture(0, SIDE_PX), texture(1, SQUARE_PX)
    images = []
    for index in range(COUNT):
        image = room.copy()
        x, y = true_corner(index)
        image[y : y + SQUARE_PX, x : x + SQUARE_PX] = square
        images.append(image)
    return images


def tracks(noise_px: float = 0.7) -> tuple[PoseTrack, PoseTrack]:
    """The true keypoints on the square, and trembling ones."""
    rng = np.random.default_rng(5)
    on_square = rng.uniform(12, SQUARE_PX - 12, (NUM_KEYPOINTS, 2))
    xy = np.stack([on_square + true_corner(index) for index in range(COUNT)])
    confidence, depth = np.ones((COUNT, NUM_KEYPOINTS), np.float32), np.zeros((COUNT, NUM_KEYPOINTS), np.float32)

    def track(places: NDArray[np.float64]) -> PoseTrack:
        pose, status = Pose(places.astype(np.float32), confidence, depth), np.full(COUNT, FrameStatus.MEASURED, np.uint8)
        return PoseTrack(pose, np.arange(COUNT) / 12, status, SIDE_PX, SIDE_PX, "drawn", "0" * 64)

    return track(xy), track(xy + rng.normal(0, noise_px, xy.shape))


def step_error_px(track: PoseTrack, true: PoseTrack) -> float:
    """Mean error of the motion from frame to frame."""
    return float(np.linalg.norm(np.diff(track.pose.xy - true.pose.xy, axis=0), axis=-1).mean())


def measured(track: PoseTrack) -> KeypointSteps:
    meter = StepMeter([track])
    for index, image in enumerate(frames()):
        meter.take(index, image)
    return meter.steps()[0]


def test_keypoints_follow_the_picture() -> None:
    true, trembling = tracks()
    steps = measured(trembling)
    assert steps.known.mean() > 0.8
    followed = follow_motion(trembling, steps)
    assert step_error_px(followed, true) < 0.5 * step_error_px(trembling, true)
    assert np.abs(followed.pose.xy - true.pose.xy).mean() < 0.8 * np.abs(trembling.pose.xy - true.pose.xy).mean()


def test_true_keypoints_stay() -> None:
    true, _ = tracks()
    assert np.abs(follow_motion(true, measured(true)).pose.xy - true.pose.xy).max() < 1


def test_steps_over_cuts_and_of_hidden_keypoints_are_unknown() -> None:
    track, _ = tracks()
    confidence = track.pose.confidence.copy()
    confidence[:, 3] = 0
    status = track.status.copy()
    status[15:17] = FrameStatus.MISSING, FrameStatus.FILLED
    steps = measured(replace(track, pose=replace(track.pose, confidence=confidence), status=status, cuts=(8,)))
    assert not steps.known[7].any()
    assert not steps.known[:, 3].any()
    assert not steps.known[14:17].any()
    assert steps.known[9:13].any()


def test_a_step_far_from_the_detector_is_not_believed() -> None:
    """A hand that the detector lost is not carried along by what hides it."""
    true, _ = tracks()
    by = np.diff(true.pose.xy, axis=0) + np.float32(30)
    followed = follow_motion(true, KeypointSteps(by, np.ones(by.shape[:2], bool)))
    np.testing.assert_allclose(followed.pose.xy, true.pose.xy, atol=1e-3)


def test_the_solution_is_the_minimum() -> None:
    """Nothing nearby costs less than what `follow_motion` finds."""
    rng = np.random.default_rng(1)
    true, trembling = tracks(0.3)
    steps = KeypointSteps(
        np.diff(true.pose.xy, axis=0) + rng.normal(0, 0.2, true.pose.xy[1:].shape).astype(np.float32),
        rng.random(true.pose.confidence[1:].shape) < 0.8,
    )
    followed = follow_motion(trembling, steps).pose.xy.astype(np.float64)

    def cost(places: NDArray[np.float64]) -> float:
        off = ((np.diff(places, axis=0) - steps.by) ** 2).sum(axis=2)
        return float(((places - trembling.pose.xy) ** 2).sum() + 4 * off[steps.known].sum())

    least = cost(followed)
    assert least < cost(trembling.pose.xy.astype(np.float64))
    for _ in range(20):
        assert least < cost(followed + rng.normal(0, 0.05, followed.shape))


def test_people_of_a_video_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    true, trembling = tracks()
    video = tmp_path / "square.mp4"
    with VideoWriter(video, SIDE_PX, SIDE_PX, fps=Fraction(12), crf=8) as writer:
        for index, image in enumerate(frames()):
            writer.write(image, Fraction(index, 12))
    first = follow_picture(open_video(video), [true, trembling])
    assert step_error_px(first[1], true) < 0.6 * step_error_px(trembling, true)
    assert np.abs(first[0].pose.xy - true.pose.xy).max() < 1.5
    with monkeypatch.context() as patched:
        patched.setattr(StepMeter, "take", lambda *_: pytest.fail("measured again"))
        again = follow_picture(open_video(video), [true, trembling])
    np.testing.assert_array_equal(again[1].pose.xy, first[1].pose.xy)
    for path in (tmp_path / "cache").rglob("*.npz"):
        path.write_bytes(b"damaged")
    mended = follow_picture(open_video(video), [true, trembling])
    np.testing.assert_array_equal(mended[1].pose.xy, first[1].pose.xy)


def test_one_frame_stays_as_it_is() -> None:
    track = tracks()[0].part(0, 1)
    assert (
        follow_motion(track, KeypointSteps(np.zeros((0, NUM_KEYPOINTS, 2), np.float32), np.zeros((0, NUM_KEYPOINTS), bool)))
        is track
    )


def test_damaged_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must be"):
        KeypointSteps(np.zeros((3, 4, 2), np.float32), np.zeros((2, 4), bool))


def test_a_keypoint_that_is_missing_in_one_of_two_frames_has_no_step() -> None:
    track, _ = tracks()
    confidence = track.pose.confidence.copy()
    confidence[10, 4] = 0
    steps = measured(replace(track, pose=replace(track.pose, confidence=confidence)))
    assert not steps.known[9:11, 4].any()
    assert steps.known[8, 4]


def moving(width_px: int, height_px: int, by: tuple[int, int], box_px: tuple[int, int, int, int]) -> KeypointSteps:
    """The steps between two pictures that move by `by`, of keypoints along the diagonal of a box (left, top, right, bottom)."""
    image = texture(3, max(width_px, height_px) + 100)[:height_px, :width_px]
    base = np.linspace(box_px[:2], box_px[2:], NUM_KEYPOINTS).astype(np.float32)
    pose = Pose(np.stack([base, base + np.array(by, np.float32)]), *np.ones((2, 2, NUM_KEYPOINTS), np.float32))
    status = np.full(2, FrameStatus.MEASURED, np.uint8)
    track = PoseTrack(pose, np.arange(2) / 12, status, width_px, height_px, "drawn", "0" * 64)
    meter = StepMeter([track])
    for index in range(2):
        shifted = np.roll(image, (by[1] * index, by[0] * index), axis=(0, 1))
        meter.take(index, np.ascontiguousarray(shifted))
    return meter.steps()[0]


@pytest.mark.parametrize(
    ("size_px", "by", "box_px"),
    [
        ((1000, 1200), (8, 6), (120, 60, 600, 1000)),  # reduced
        ((300, 300), (3, -2), (140, 140, 150, 160)),  # enlarged
        ((12, 300), (0, 4), (6, 100, 6, 200)),  # each side by its own factor
        ((300, 12), (4, 0), (100, 6, 200, 6)),
    ],
)
def test_windows_of_all_sizes_have_true_steps(
    size_px: tuple[int, int], by: tuple[int, int], box_px: tuple[int, int, int, int]
) -> None:
    steps = moving(*size_px, by, box_px)
    assert steps.known.mean() > 0.3
    np.testing.assert_allclose(np.median(steps.by[0][steps.known[0]], axis=0), by, atol=1.0)


def test_a_person_is_measured_alike_beside_a_small_one() -> None:
    true, _ = tracks()
    places = true.pose.xy.mean(axis=1, keepdims=True) + 0.02 * (true.pose.xy - true.pose.xy.mean(axis=1, keepdims=True))
    small = replace(true, pose=replace(true.pose, xy=places.astype(np.float32)))
    meter = StepMeter([small, true])
    for index, image in enumerate(frames()):
        meter.take(index, image)
    np.testing.assert_array_equal(meter.steps()[1].by, measured(true).by)


def test_where_nothing_is_to_be_seen_no_step_is_known() -> None:
    """Inside of a plain block that moves the flow stands still, there and back."""
    base = np.linspace((180, 180), (220, 320), NUM_KEYPOINTS).astype(np.float32)
    pose = Pose(np.stack([base, base + np.array((8, 0), np.float32)]), *np.ones((2, 2, NUM_KEYPOINTS), np.float32))
    status = np.full(2, FrameStatus.MEASURED, np.uint8)
    meter = StepMeter([PoseTrack(pose, np.arange(2) / 12, status, 500, 500, "drawn", "0" * 64)])
    for index in range(2):
        image = np.full((500, 500, 3), 90, np.uint8)
        image[100:400, 100 + 8 * index : 300 + 8 * index] = (200, 30, 30)
        meter.take(index, image)
    assert not meter.steps()[0].known.any()
