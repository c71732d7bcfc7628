"""Contract of every background: what the compositor relies on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dancenow
from dancenow.media.source import VideoSource
from dancenow.rendering.compositor import composite
from dancenow.rendering.scene import Scene
from dancenow.subject.background.base import Background, NoBackground, StillPlate
from dancenow.subject.background.mosaic import Mosaic, MosaicArea, MovingBackground
from dancenow.subject.background.picture import VideoBackground
from dancenow.subject.camera.replay import ReplayedCamera
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory
from dancenow.types import Plate

VIDEO = Path(dancenow.__file__).parent / "assets" / "dancer_source.mp4"


def _still_plate() -> Background:
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    return StillPlate(Plate(image, image[..., 0] > 50))


def _moving_background() -> Background:
    shifts = np.stack([np.array([[1.0, 0, 2 * i], [0, 1, i], [0, 0, 1]]) for i in range(5)])
    trajectory = CameraTrajectory(shifts, np.ones(5), 0, CameraKind.TURNING, 32, 24)
    area = MosaicArea.of_camera(trajectory)
    image = np.random.default_rng(0).integers(0, 256, (area.height_px, area.width_px, 3), np.uint8)
    mosaic = Mosaic(Plate(image, image[..., 0] > 50), area)
    return MovingBackground(mosaic, ReplayedCamera(trajectory, np.arange(5) / 25))


def _video() -> Background:
    return VideoBackground(VideoSource.open(VIDEO), 32, 24, 0.9)


BACKGROUNDS: dict[str, Callable[[], Background]] = {
    "still plate": _still_plate,
    "moving camera": _moving_background,
    "video": _video,
    "nothing": lambda: NoBackground(32, 24),
}
"""Add a background here."""


@pytest.fixture(params=BACKGROUNDS)
def background(request: pytest.FixtureRequest) -> Background:
    return BACKGROUNDS[request.param]()


@pytest.mark.parametrize("time_s", [0.0, 1 / 3, 1000.0])
def test_image_and_known_mask_fit_at_all_times(background: Background, time_s: float) -> None:
    image, known = background.at(time_s), background.known_at(time_s)
    assert image.dtype == np.uint8
    assert known.dtype == np.bool_
    assert image.shape in ((*known.shape, 3), (*known.shape, 4))
    assert image.shape == background.at(0.0).shape


def test_the_same_time_gives_the_same_image(background: Background) -> None:
    first = background.at(0.5).copy()
    background.at(2.0)
    np.testing.assert_array_equal(background.at(0.5), first)


def test_an_empty_scene_shows_the_background_and_is_writable(background: Background) -> None:
    expected = background.at(0.5).copy()
    image = composite(Scene(background), 0.5)
    np.testing.assert_array_equal(image, expected)
    image[:] = 0
    np.testing.assert_array_equal(background.at(0.5), expected)
