"""Scenes by what the user names: colors, images, videos and nothing, and one sentence where a scene does not do."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.pose.person_crop import window
from dancenow.pose.retargeting.base import IdentityRetargeter
from dancenow.progress import ignore_progress
from dancenow.rendering.compositor import composite
from dancenow.rendering.layer import Layer
from dancenow.rendering.scene import Scene
from dancenow.rendering.scene_choice import Dance, SceneChoice
from dancenow.rendering.scenes import open_scene, scene_name
from dancenow.subject.background.base import NoBackground
from dancenow.subject.background.picture import VideoBackground, cover_frame
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from helpers.alpha_files import over_color


def opened(scene: str, tmp_path: Path, out: str = "out.mp4") -> SceneChoice:
    return open_scene(scene, "still", tmp_path / out, None)


def counting_video(path: Path, num_frames: int, width_px: int = 96, height_px: int = 64) -> Path:
    """Gray frames, each 20 levels lighter than the one before, 10 a second."""
    with VideoWriter(path, width_px, height_px, fps=Fraction(10), crf=4) as writer:
        for i in range(num_frames):
            writer.write(np.full((height_px, width_px, 3), min(20 + 20 * i, 250), np.uint8), Fraction(i, 10))
    return path


def dance_of(subject: Subject) -> Dance:
    track = subject.track
    camera = CameraTrajectory.still(len(track), track.width_px, track.height_px)
    return Dance(subject.source, None, track, track, Target.of_subject(subject), IdentityRetargeter(), "none", "still", camera)


def test_a_picture_fills_the_frame_from_its_middle() -> None:
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 13:27] = 200
    np.testing.assert_array_equal(cover_frame(image, 20, 20), np.full((20, 20, 3), 200, np.uint8))


@pytest.mark.parametrize(("name", "rgb"), [("white", (255, 255, 255)), ("#20A040", (32, 160, 64))])
def test_a_color_is_everywhere(drawn_subject: Subject, tmp_path: Path, name: str, rgb: tuple[int, int, int]) -> None:
    staged = opened(name, tmp_path).stage([dance_of(drawn_subject)], {}, ignore_progress)
    image = staged.views[0].background.at(1.0)
    assert image.shape == (drawn_subject.track.height_px, drawn_subject.track.width_px, 3)
    assert (image == rgb).all()
    assert staged.notes == ()


def test_an_image_file_is_shown(drawn_subject: Subject, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 200, 3), (10, 20, 200), np.uint8))
    choice = opened(str(tmp_path / "wall.png"), tmp_path)
    assert choice.files == (tmp_path / "wall.png",)
    image = choice.stage([dance_of(drawn_subject)], {}, ignore_progress).views[0].background.at(0.0)
    assert (image == (200, 20, 10)).all()


def test_a_video_runs_with_the_dance_and_starts_again(tmp_path: Path) -> None:
    video = VideoSource.open(counting_video(tmp_path / "count.mp4", 5))
    background = VideoBackground(video, 30, 30, 0.5)
    shown = [int(background.at(time_s)[15, 15, 0]) for time_s in (0.0, 0.05, 0.1, 0.3, 0.49, 0.5, 0.72, 0.1)]
    np.testing.assert_allclose(shown, [20, 20, 40, 80, 100, 20, 60, 40], atol=2)


def test_a_video_that_repeats_says_so(drawn_subject: Subject, tmp_path: Path) -> None:
    dance = dance_of(drawn_subject)
    for num_frames, count in ((5, 1), (30, 0)):
        video = counting_video(tmp_path / "count.mp4", num_frames, 128, 128)
        notes = opened(str(video), tmp_path).stage([dance], {}, ignore_progress).notes
        assert len(notes) == count
        assert all("lasts 0.5 s and the dance 2.5 s: it repeats" in note for note in notes)


def test_what_is_wrong_with_a_scene_is_one_sentence(drawn_subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    for scene, message in (
        ("beach", "there is no scene 'beach': give target"),
        ("#12345", "there is no scene '#12345'"),
        ("a" * 5000, "there is no scene 'aaa"),
        (str(tmp_path / "notes.txt"), "notes.txt is not a video"),
        (str(tmp_path / "broken.png"), "broken.png"),
        (str(tmp_path), "is a folder"),
    ):
        with pytest.raises(UserError, match=message):
            opened(scene, tmp_path)
    with pytest.raises(UserError, match="--camera follow repeats the camera"):
        open_scene("white", "follow", tmp_path / "out.mp4", None)
    with pytest.raises(UserError, match="holds no transparency"):
        opened("transparent", tmp_path)
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((40, 80, 3), np.uint8))
    small_video = counting_video(tmp_path / "small.mp4", 3, 62, 200)
    for path in (tmp_path / "small.png", small_video):
        with pytest.raises(UserError, match="too small for frames of 128x128 px"):
            opened(str(path), tmp_path).require_suits(drawn_subject.track, False)
    for scene, out in (("white", "out.mp4"), ("transparent", "out.mov")):
        with pytest.raises(UserError, match="goes with --scene target only"):
            opened(scene, tmp_path, out).require_suits(drawn_subject.track, True)
    opened("target", tmp_path).require_suits(drawn_subject.track, True)


def test_a_report_names_a_scene_without_its_folders() -> None:
    assert scene_name("/home/me/beach.png") == "beach.png"
    assert scene_name("#20a040") == "#20a040"


def test_without_a_background_a_layer_keeps_its_alpha() -> None:
    rgba = np.random.default_rng(0).uniform(-1, 1, (32, 32, 4)).astype(np.float32)
    rgba = 0.8 * cv2.GaussianBlur(rgba, (0, 0), 2).astype(np.float32)
    rgba[..., 3] = cv2.GaussianBlur(np.pad(np.ones((12, 12), np.float32), 10), (0, 0), 3)
    crop = window(np.array([30.0, 25.0]), 40.0, 32)
    near, far = Layer(rgba, crop, 40.0), Layer(rgba[::-1].copy(), window(np.array([45.0, 22.0]), 40.0, 32), 30.0)
    for layers in ((near,), (near, far)):
        image = composite(Scene(NoBackground(70, 50), layers), 0.0)
        assert image.shape == (50, 70, 4)
        assert image[0, 0, 3] == 0
        for gray in (0, 90, 255):
            plate = PlainBackground(gray)
            opaque = composite(Scene(plate, layers), 0.0)
            assert np.abs(over_color(image, (gray, gray, gray)) - opaque).max() < 2.5


class PlainBackground:
    """One gray."""

    def __init__(self, gray: int) -> None:
        self._image = np.full((50, 70, 3), gray, np.uint8)

    def at(self, _time_s: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return self._image

    def known_at(self, _time_s: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return np.ones((50, 70), np.bool_)
