"""Where frames show the scene: what training compares and copies."""

import numpy as np

from dancenow.generators.crop.dataset import crop_shown
from dancenow.subject.shown_scene import rim_px, shown_scene
from dancenow.types import Crop


def test_a_still_camera_without_overlays_shows_it_everywhere() -> None:
    assert shown_scene(64, 48, None, moves=False) is None


def test_overlays_hide_it() -> None:
    bar = np.zeros((48, 64), bool)
    bar[:8] = True
    shown = shown_scene(64, 48, bar, moves=False)
    assert shown is not None
    assert not shown[:8].any()
    assert (shown[8:] == 255).all()


def test_of_a_moving_camera_nothing_is_compared_at_the_rim_and_beyond_the_frame() -> None:
    shown = shown_scene(640, 480, None, moves=True)
    assert shown is not None
    rim = rim_px(640, 480)
    assert rim == 5
    assert (shown[rim:-rim, rim:-rim] == 255).all()
    assert int((shown > 0).sum()) == (640 - 2 * rim) * (480 - 2 * rim)
    below = Crop(np.array([[1.0, 0.0, -100.0], [0.0, 1.0, -440.0]]), 96)  # shows rows 440 to 535
    part = crop_shown(shown, below)
    assert (part[:30] == 255).all()
    assert not part[480 - rim - 440 :].any()
