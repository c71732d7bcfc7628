"""The camera of a video over time, against homographies that are known."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.subject.camera.estimation import CameraEstimator
from dancenow.subject.camera.homography import corner_shift_px, local_scale, transform
from dancenow.subject.camera.trajectory import (
    CameraKind,
    CameraTrajectory,
    crop_through,
    load_trajectory,
    move_track,
    save_trajectory,
)
from dancenow.types import Crop, Frame, FrameStatus, ImageRGB, Pose, PoseTrack
from helpers.moving_world import HEIGHT, MOTIONS, WIDTH, Motion, look, scene


def standing(num_frames: int, motion: Motion) -> PoseTrack:
    """Somebody who stands in the middle of the scene, as the moving camera sees them."""
    spread = np.random.default_rng(1).uniform([382, 200], [418, 320], (NUM_KEYPOINTS, 2))
    xy = np.stack([transform(motion(i), spread) for i in range(num_frames)]).astype(np.float32)
    pose = Pose(xy, np.full(xy.shape[:2], 0.9, np.float32))
    status = np.full(num_frames, FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, np.arange(num_frames) / 25, status, WIDTH, HEIGHT, "drawn", "0" * 64)


def filmed(
    motion: Motion, num_frames: int, place: Callable[[int], ImageRGB] | None = None, noise: float = 1.5
) -> CameraTrajectory:
    """Film a scene with somebody in it, and estimate the camera."""
    rng = np.random.default_rng(2)
    empty, track = scene(), standing(num_frames, motion)
    estimator = CameraEstimator(track)
    for index in range(num_frames):
        image = cv2.warpPerspective(empty if place is None else place(index), motion(index), (WIDTH, HEIGHT))
        body = track.pose.xy[index]
        x = 4 * np.sin(index)  # the person moves against the background
        cv2.ellipse(image, (int(body[:, 0].mean() + x), int(body[:, 1].mean())), (16, 58), 0, 0, 360, (200, 30, 30), -1)
        noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        estimator.take(Frame(noisy, index, Fraction(index, 25)))
    return estimator.estimate()


def largest_error_px(camera: CameraTrajectory, motion: Motion) -> float:
    """Of a corner of any frame, in px of that frame."""
    truth = np.stack([motion(i) @ np.linalg.inv(motion(camera.reference)) for i in range(len(camera))])
    errors = camera.to_reference @ truth  # px of the reference view, there and back
    return float(np.nanmax(corner_shift_px(errors, WIDTH, HEIGHT)))


@pytest.mark.parametrize("name", MOTIONS)
def test_a_camera_that_turns_and_zooms_is_followed_to_a_fraction_of_a_pixel(name: str) -> None:
    camera = filmed(MOTIONS[name], 40)
    assert camera.kind is CameraKind.TURNING
    assert camera.shift_px.max() > 3
    assert largest_error_px(camera, MOTIONS[name]) < 0.6
    assert camera.confidence.min() > 0.8


def test_a_person_who_first_hides_most_of_a_plain_wall_does_not_bend_the_picture() -> None:
    wall = np.full((480, 800, 3), 170, np.uint8)
    cv2.rectangle(wall, (270, 140), (530, 330), (120, 110, 100), 3)  # a door
    cv2.line(wall, (0, 345), (800, 345), (90, 90, 90), 3)
    motion, rng = MOTIONS["shake"], np.random.default_rng(4)
    spread = np.random.default_rng(1).uniform([250, 110], [550, 330], (NUM_KEYPOINTS, 2))  # arms up, then down
    narrow = 400 + (spread - 400) * [0.12, 1] + [0, 60]
    xy = np.stack([transform(motion(i), spread if i < 8 else narrow) for i in range(60)]).astype(np.float32)
    pose = Pose(xy, np.full(xy.shape[:2], 0.9, np.float32))
    track = PoseTrack(pose, np.arange(60) / 25, np.full(60, FrameStatus.MEASURED, np.uint8), WIDTH, HEIGHT, "drawn", "0" * 64)
    estimator = CameraEstimator(track)
    for index in range(60):
        image = cv2.warpPerspective(wall, motion(index), (WIDTH, HEIGHT))
        body = xy[index]
        center = int(body[:, 0].mean() + 3 * np.sin(index)), int(body[:, 1].mean())
        cv2.ellipse(image, center, (18, int(np.ptp(body[:, 1]) / 2)), 0, 0, 360, (200, 30, 30), -1)
        noisy = np.clip(image + rng.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)
        estimator.take(Frame(noisy, index, Fraction(index, 25)))
    camera = estimator.estimate()
    truth = np.stack([motion(i) @ np.linalg.inv(motion(camera.reference)) for i in range(60)])
    errors_px = corner_shift_px(camera.to_reference @ truth, WIDTH, HEIGHT)
    assert errors_px[8:].max() < 3
    assert np.median(errors_px[8:]) < 1


def test_a_tripod_has_exactly_no_motion() -> None:
    camera = filmed(lambda _: look(), 12)
    assert camera.is_still
    assert (camera.to_reference == np.eye(3)).all()


def test_a_film_on_a_screen_behind_the_person_does_not_move_the_camera() -> None:
    """The screen has most of the edges: of a picture that pans and zooms, then of another one."""
    wall = np.full_like(scene(), 190)
    cv2.rectangle(wall, (430, 90), (690, 330), (20, 20, 20), 8)
    cv2.rectangle(wall, (520, 330), (560, 480), (40, 40, 40), -1)  # its stand
    cv2.line(wall, (0, 350), (800, 350), (120, 110, 100), 3)

    def room(index: int) -> ImageRGB:
        image, zoom = wall.copy(), 1 + index / 80
        picture = cv2.warpAffine(
            scene(0 if index < 28 else 7), np.array([[zoom, 0, -4.0 * index], [0, zoom, -index]]), (800, 480)
        )
        image[94:326, 434:686] = picture[94:326, 434:686]
        return image

    assert filmed(lambda _: look(), 40, room).is_still


def test_standing_still_before_a_panning_camera_is_standing_still_in_the_reference_view() -> None:
    camera = filmed(MOTIONS["pan"], 40)
    world = camera.to_world(standing(40, MOTIONS["pan"]))
    assert np.ptp(standing(40, MOTIONS["pan"]).pose.xy[:, 0, 0]) > 50
    assert np.ptp(world.pose.xy, axis=0).max() < 1


def test_another_place_after_a_cut_has_no_confidence() -> None:
    there, elsewhere = scene(0), scene(7)
    camera = filmed(MOTIONS["shake"], 30, lambda i: there if i < 22 else elsewhere)
    assert (camera.confidence[:22] > 0.7).all()
    assert (camera.confidence[22:] == 0).all()


def test_a_camera_that_walks_is_recognized_by_parallax() -> None:
    """Near things move three times as fast as far ones."""
    far, near = scene(0), scene(7)
    stripes = (np.arange(far.shape[1]) // 50 % 2 == 0)[None, :, None]

    def place(index: int) -> ImageRGB:
        shift = np.array([[1, 0, 5.0 * index], [0, 1, 0]])
        mask = cv2.warpAffine(np.broadcast_to(stripes, far.shape).astype(np.uint8), shift, far.shape[1::-1])
        return np.where(mask > 0, cv2.warpAffine(near, shift, far.shape[1::-1]), far).astype(np.uint8)

    assert filmed(lambda i: look(pan_deg=0.2 * i), 40, place).kind is CameraKind.TRAVELING


def test_lamps_that_flicker_do_not_look_like_motion() -> None:
    empty = scene().astype(np.float32)
    camera = filmed(lambda _: look(), 16, lambda i: np.clip(empty * (1 + 0.25 * np.sin(i)), 0, 255).astype(np.uint8))
    assert camera.is_still


def test_a_trajectory_is_read_as_it_was_written(tmp_path: Path) -> None:
    camera = filmed(MOTIONS["shake"], 8)
    save_trajectory(tmp_path / "camera.npz", camera)
    again = load_trajectory(tmp_path / "camera.npz")
    assert (again.to_reference == camera.to_reference).all()
    assert (again.kind, again.reference, again.width_px) == (camera.kind, camera.reference, WIDTH)
    (tmp_path / "camera.npz").write_bytes(b"PK no")
    with pytest.raises(UserError, match="damaged"):
        load_trajectory(tmp_path / "camera.npz")


def test_a_crop_of_the_reference_view_shows_the_same_things_in_a_frame() -> None:
    crop = Crop(np.array([[0.8, 0, -90.0], [0, 0.8, -40.0]]), 128)
    homography = look(4, 2, 1.1, 3) @ np.linalg.inv(look())
    in_frame = crop_through(crop, homography)
    points = transform(np.linalg.inv(homography), np.array([[150.0, 120.0], [190.0, 150.0], [170.0, 90.0]]))
    expected = transform(homography, points) @ crop.to_canvas[:, :2].T + crop.to_canvas[:, 2]
    found = points @ in_frame.to_canvas[:, :2].T + in_frame.to_canvas[:, 2]
    assert np.abs(found - expected).max() < 0.5


def test_depth_grows_with_what_the_camera_magnifies() -> None:
    track = standing(3, lambda _: look())
    track.pose.depth[:] = 2.0
    twice = np.broadcast_to(np.diag([2.0, 2.0, 1.0]), (3, 3, 3))
    assert np.allclose(move_track(track, twice).pose.depth, 4.0)
    assert np.allclose(local_scale(twice[0], np.array([5.0, 7.0])), 2.0)
