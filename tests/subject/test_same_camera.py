"""Detection of one fixed camera in two videos, from their backgrounds alone."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.subject.camera.homography import transform
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.camera_motion import BackgroundView
from dancenow.subject.same_camera import (
    background_view,
    background_view_of_plate,
    background_views,
    is_same_camera,
    same_camera,
)
from dancenow.types import FrameStatus, Plate
from helpers import moving_world
from helpers.filmed import HEIGHT, WIDTH, film, room


def plate_of(shift_px: tuple[float, float] = (0.0, 0.0), light: float = 1.0) -> Plate:
    by = np.array([[1, 0, shift_px[0]], [0, 1, shift_px[1]]], np.float64)
    moved = cv2.warpAffine(room(), by, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    return Plate((moved * light).astype(np.uint8), np.ones((HEIGHT, WIDTH), bool))


@pytest.mark.parametrize(("shift_px", "light", "same"), [((0, 0), 1.0, True), ((0, 0), 0.8, True), ((24, 6), 1.0, False)])
def test_the_same_room_from_the_same_place(tmp_path: Path, shift_px: tuple[float, float], light: float, same: bool) -> None:
    filmed = film(tmp_path, 60, lambda i: 40 + i)
    assert is_same_camera(VideoSource.open(filmed.video), filmed.track, plate_of(shift_px, light)) is same


def test_another_room_or_aspect_ratio_is_another_camera(tmp_path: Path) -> None:
    here, there = film(tmp_path / "a", 40, lambda i: 40 + i), film(tmp_path / "b", 40, lambda i: 40 + i, cut_at=0)
    views = [background_view(VideoSource.open(each.video), each.track) for each in (here, there)]
    assert same_camera(*views) is False
    cut = Plate(room()[:80], np.ones((80, WIDTH), bool))
    assert same_camera(views[0], background_view_of_plate(cut)) is False


def test_a_larger_video_of_the_same_place_is_the_same_camera(tmp_path: Path) -> None:
    filmed = film(tmp_path, 40, lambda i: 40 + i)
    large = Plate(np.asarray(cv2.resize(room(), (2 * WIDTH, 2 * HEIGHT)), np.uint8), np.ones((2 * HEIGHT, 2 * WIDTH), bool))
    assert is_same_camera(VideoSource.open(filmed.video), filmed.track, large)


def test_a_plain_wall_is_undecided(tmp_path: Path) -> None:
    filmed = film(tmp_path, 20, lambda i: 40 + i)
    wall = Plate(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), np.ones((HEIGHT, WIDTH), bool))
    assert is_same_camera(VideoSource.open(filmed.video), filmed.track, wall) is None
    assert same_camera(background_view_of_plate(wall), background_view(VideoSource.open(filmed.video), filmed.track)) is None


def test_the_person_is_not_part_of_the_background(tmp_path: Path) -> None:
    filmed = film(tmp_path, 60, lambda _: 80)
    view = background_view(VideoSource.open(filmed.video), filmed.track)
    assert not view.background[50:100, 75:85].any()
    assert view.background[:, :40].all()


def test_a_video_without_a_person_is_undecided(tmp_path: Path) -> None:
    filmed = film(tmp_path, 10, lambda _: 80)
    nobody = replace(filmed.track, status=np.full(10, FrameStatus.MISSING, np.uint8))
    assert same_camera(background_view(VideoSource.open(filmed.video), nobody), background_view_of_plate(plate_of())) is None


def test_the_background_of_a_pan_is_its_reference_view(tmp_path: Path) -> None:
    motion, num_frames, reference = moving_world.MOTIONS["pan"], 24, 12
    source = VideoSource.open(moving_world.film_scene(tmp_path / "pan.mp4", num_frames, motion))
    track = moving_world.filmed_track(num_frames, motion)
    camera = moving_world.known_trajectory(num_frames, motion, reference)
    size = moving_world.WIDTH, moving_world.HEIGHT
    truth = cv2.cvtColor(cv2.warpPerspective(moving_world.scene(), motion(reference), size), cv2.COLOR_RGB2GRAY)

    def error(view_of: CameraTrajectory | None) -> float:
        view = background_views(source, track, [slice(0, num_frames)], view_of)[0]
        return float(np.abs(view.gray.astype(np.int16) - truth)[view.background > 0].mean())

    assert error(camera) < 4
    assert error(None) > 15
    assert camera.aim_px is not None
    ends = transform(camera.to_reference[[0, -1]], np.array([size[0] / 2, size[1] / 2]))[:, 0]
    assert ends.min() < camera.aim_px[0] < ends.max()


def test_a_missing_video_is_an_error(tmp_path: Path) -> None:
    filmed = film(tmp_path, 10, lambda _: 80)
    with pytest.raises(UserError, match="does not exist"):
        background_view(VideoSource.open(tmp_path / "none.mp4"), filmed.track)


def test_other_people_in_one_of_the_videos_do_not_hide_that_the_camera_is_the_same(tmp_path: Path) -> None:
    """Whoever stays beside the dancer is in every sampled frame; the plate of the other video does not show them."""
    filmed = film(tmp_path, 40, lambda i: 40 + i)
    view = background_view(VideoSource.open(filmed.video), filmed.track)
    gray, rng = view.gray.copy(), np.random.default_rng(1)
    height, width = gray.shape
    wide = width // 2
    crowd = rng.integers(0, 255, (height // 6 + 1, wide // 6 + 1), np.uint8)
    gray[:, -wide:] = np.kron(crowd, np.ones((6, 6), np.uint8))[:height, :wide]
    crowded = BackgroundView(gray, view.background)
    assert same_camera(crowded, background_view_of_plate(plate_of()))
    assert same_camera(background_view_of_plate(plate_of()), crowded)
    assert same_camera(crowded, background_view_of_plate(plate_of((24.0, 6.0)))) is False
