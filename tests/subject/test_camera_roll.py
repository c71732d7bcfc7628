"""The roll of a camera is read from the upright lines of a room, and the dance it filmed is set upright."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.subject.camera.leveling import level_camera
from dancenow.subject.camera.roll import estimate_roll, median_lean, turn_about_center
from dancenow.subject.camera.trajectory import CameraTrajectory, move_track
from dancenow.subject.camera_motion import BackgroundView
from dancenow.subject.same_camera import background_views
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, ImageRGB, Plate, PoseTrack
from helpers.drawn_world import FPS, dancer_track, person

SIZE = 480
CENTER = (SIZE - 1) / 2


def room(converge: float = 0.0) -> NDArray[np.uint8]:
    """Cupboards and shelves: uint8 [H,W], with upright lines that meet below the picture, and boards of a floor across them."""
    rng = np.random.default_rng(4)
    image = np.full((SIZE, SIZE), 150, np.uint8)
    for x in range(20, SIZE - 40, 55):
        y, gray = int(rng.integers(20, 120)), int(rng.integers(30, 110))
        cv2.rectangle(image, (x, y), (x + 34, y + int(rng.integers(120, 240))), gray, -1)
    for x in range(-200, SIZE, 60):
        cv2.line(image, (x, SIZE - 1), (x + 160, SIZE - 110), 90, 2, cv2.LINE_AA)
    low = converge * SIZE / 2
    corners = np.array([[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]], np.float32)
    moved = corners + np.array([[-low, 0], [low, 0], [-low / 2, 0], [low / 2, 0]], np.float32)
    return np.asarray(cv2.warpPerspective(image, cv2.getPerspectiveTransform(corners, moved), (SIZE, SIZE)), np.uint8)


def turned(gray: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    turn = turn_about_center(float(np.deg2rad(degrees)), SIZE, SIZE)
    return np.asarray(cv2.warpPerspective(gray, turn, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT), np.uint8)


def everywhere(gray: NDArray[np.uint8]) -> BackgroundView:
    return BackgroundView(gray, np.full_like(gray, 255))


@pytest.mark.parametrize("degrees", [-18.0, -6.0, 0.0, 9.0, 20.0])
@pytest.mark.parametrize("converge", [0.0, 0.3])
def test_the_roll_is_that_by_which_the_view_was_turned(degrees: float, converge: float) -> None:
    roll_rad = estimate_roll(everywhere(turned(room(converge), degrees)), float(np.deg2rad(degrees)))
    assert roll_rad is not None
    assert np.rad2deg(roll_rad) == pytest.approx(degrees, abs=1.5)


def test_a_person_who_leans_does_not_turn_the_room() -> None:
    roll_rad = estimate_roll(everywhere(room()), float(np.deg2rad(14)))
    assert roll_rad is not None
    assert abs(np.rad2deg(roll_rad)) < 1.5


def test_without_lines_no_roll_is_sure() -> None:
    noise = np.random.default_rng(0).normal(128, 30, (SIZE, SIZE)).clip(0, 255).astype(np.uint8)
    for gray in (np.full((SIZE, SIZE), 128, np.uint8), cv2.GaussianBlur(noise, (0, 0), 2)):
        assert estimate_roll(everywhere(np.asarray(gray, np.uint8))) is None


def slanted(gray: NDArray[np.uint8], degrees: float, places: list[int], thick: int = 5) -> NDArray[np.uint8]:
    """The picture with lines at an angle through places of its middle row."""
    drawn, along = gray.copy(), np.tan(np.deg2rad(degrees))
    for x in places:
        ends = [(round(x - along * (CENTER - y)), y) for y in (100, SIZE - 100)]
        cv2.line(drawn, ends[0], ends[1], 30, thick, cv2.LINE_AA)
    return drawn


@pytest.mark.parametrize(("degrees", "places"), [(12, [140, 240, 340]), (34, [240]), (30, [100, 160, 220, 280, 340])])
def test_lines_of_a_court_and_a_rail_are_not_uprights(degrees: float, places: list[int]) -> None:
    plain = np.full((SIZE, SIZE), 150, np.uint8)
    assert estimate_roll(everywhere(slanted(plain, degrees, places)), 0.0) is None


def test_lines_of_the_person_do_not_count() -> None:
    plain, background = np.full((SIZE, SIZE), 150, np.uint8), np.full((SIZE, SIZE), 255, np.uint8)
    gray = slanted(plain, 10, list(range(120, 360, 30)))
    assert estimate_roll(everywhere(gray)) is not None
    background[90 : SIZE - 90, 60 : SIZE - 60] = 0
    assert estimate_roll(BackgroundView(gray, background)) is None


def test_the_lean_is_that_of_the_standing_body() -> None:
    upright = dancer_track(24, body_px=300, size_px=SIZE)
    turn = np.broadcast_to(turn_about_center(0.2, SIZE, SIZE), (24, 3, 3))
    lean_rad, turned_rad = median_lean(upright), median_lean(move_track(upright, turn))
    assert lean_rad == pytest.approx(0, abs=0.03)
    assert turned_rad == pytest.approx(0.2, abs=0.03)
    unseen = replace(upright, pose=replace(upright.pose, confidence=np.zeros_like(upright.pose.confidence)))
    assert median_lean(unseen) is None


def rgb(gray: NDArray[np.uint8]) -> ImageRGB:
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)


def filmed(path: Path, degrees: float, frames: int = 24) -> tuple[VideoSource, PoseTrack]:
    """A dancer in the room, by a camera that is turned so that both lean by an angle."""
    upright = dancer_track(frames, body_px=300, size_px=SIZE)
    with VideoWriter(path, SIZE, SIZE, fps=Fraction(FPS)) as writer:
        for index in range(frames):
            image, mask = person(upright.pose[index], SIZE)
            frame = np.where(mask[..., None] > 0, image, rgb(room()))
            writer.write(
                np.stack([turned(frame[..., channel], degrees) for channel in range(3)], axis=-1), Fraction(index, FPS)
            )
    turn = np.broadcast_to(turn_about_center(float(np.deg2rad(degrees)), SIZE, SIZE), (frames, 3, 3))
    return VideoSource.open(path), move_track(upright, turn)


def level(
    source: VideoSource, track: PoseTrack, camera: CameraTrajectory, target: Target
) -> tuple[CameraTrajectory, tuple[str, ...]]:
    return level_camera(track, camera, background_views(source, track, track.shots, camera), target)


@pytest.fixture
def target() -> Target:
    track = replace(dancer_track(24, body_px=300, size_px=SIZE), source_sha256="1" * 64)
    return Target("straight", Plate(rgb(room(0.2)), np.ones((SIZE, SIZE), bool)), track)


def test_the_dance_of_a_turned_camera_is_set_upright(tmp_path: Path, target: Target) -> None:
    source, track = filmed(tmp_path / "askew.mp4", 13)
    camera = CameraTrajectory.still(len(track), SIZE, SIZE)
    leveled, notes = level(source, track, camera, target)
    assert not leveled.is_still
    assert len(notes) == 1
    assert "turned by 1" in notes[0]
    lean_rad = median_lean(leveled.to_world(track))
    assert lean_rad is not None
    assert abs(np.rad2deg(lean_rad)) < 2


def test_a_level_camera_stays_as_it_is(tmp_path: Path, target: Target) -> None:
    source, track = filmed(tmp_path / "straight.mp4", 0)
    camera = CameraTrajectory.still(len(track), SIZE, SIZE)
    assert level(source, track, camera, target) == (camera, ())


def test_a_source_and_a_target_that_lean_alike_stay_as_they_are(tmp_path: Path, target: Target) -> None:
    source, track = filmed(tmp_path / "askew.mp4", 13)
    plate = Plate(rgb(turned(room(), 13)), target.plate.known)
    leaning = replace(target, plate=plate, track=replace(track, source_sha256="1" * 64))
    camera = CameraTrajectory.still(len(track), SIZE, SIZE)
    assert level(source, track, camera, leaning) == (camera, ())


def test_what_the_target_s_camera_filmed_is_not_turned(tmp_path: Path, target: Target) -> None:
    """Part of the lines is hidden in the source, so its roll is not sure; but the plate shows the same room from there."""
    source, track = filmed(tmp_path / "askew.mp4", 6)
    own = replace(target, plate=Plate(rgb(turned(room(), 6)), target.plate.known))
    camera = CameraTrajectory.still(len(track), SIZE, SIZE)
    assert level(source, track, camera, own) == (camera, ())


def test_all_shots_of_a_view_are_turned_alike_and_those_without_anybody_tell_nothing(tmp_path: Path, target: Target) -> None:
    source, track = filmed(tmp_path / "askew.mp4", 13)
    confidence, status = track.pose.confidence.copy(), track.status.copy()
    confidence[16:], status[16:] = 0, FrameStatus.MISSING
    cut = replace(track, cuts=(10, 16), status=status, pose=replace(track.pose, confidence=confidence))
    leveled, _ = level(source, cut, CameraTrajectory.still(len(track), SIZE, SIZE), target)
    turns = np.arctan2(leveled.to_reference[:, 0, 1], leveled.to_reference[:, 0, 0])
    assert np.rad2deg(turns[:16]) == pytest.approx(-13, abs=1.5)
    assert np.ptp(turns[:16]) == 0
