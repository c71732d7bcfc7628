"""Lines of any direction continue through a hole: stripes, the folds of a curtain, the edge of a floor."""

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.subject.background.completion import complete
from dancenow.subject.background.hole_filling import fill_smoothly
from dancenow.subject.background.line_continuation import continue_lines, main_directions

Picture = NDArray[np.uint8]


def stripes(angle_deg: float, height_px: int = 160, width_px: int = 200) -> Picture:
    """Soft stripes in one direction."""
    y, x = np.mgrid[:height_px, :width_px]
    turn = math.radians(angle_deg)
    light = 128 + 60 * np.sin((x * math.sin(turn) - y * math.cos(turn)) / 5)
    return np.asarray(np.rint(light)[..., None].repeat(3, axis=2), np.uint8)


def body(height_px: int = 160, width_px: int = 200) -> NDArray[np.bool_]:
    hole = np.zeros((height_px, width_px), np.uint8)
    cv2.ellipse(hole, (width_px // 2, height_px // 2), (width_px // 10, height_px // 4), 0, 0, 360, 1, -1)
    return np.asarray(hole > 0)


@pytest.mark.parametrize("angle_deg", [0.0, 34.0, 79.0, 88.6, 89.0, 90.0, 121.0, 178.0])
def test_stripes_of_any_direction_are_found_and_continue(angle_deg: float) -> None:
    truth, hole = stripes(angle_deg), body()
    damaged = np.where(hole[..., None], np.uint8(0), truth)
    strongest = main_directions(damaged, ~hole, hole)[0]
    assert abs((strongest - angle_deg + 90) % 180 - 90) < 0.6
    for picture in continue_lines(damaged, ~hole, hole, strongest):
        assert np.abs(picture.image - truth)[hole].mean() < 8
        assert np.array_equal(picture.image[:20], truth[:20].astype(np.float32)), "the rest stays"
        assert (picture.far[hole] > 0).all()
        assert picture.valid.all()


def test_a_direction_without_lines_costs_what_it_crosses() -> None:
    truth, hole = stripes(90.0), body()
    (along,), (across,) = (
        [each.across[hole].mean() for each in continue_lines(truth, ~hole, hole, angle_deg, [2])] for angle_deg in (90.0, 0.0)
    )
    assert across > 20 * along


def test_what_lies_beyond_the_border_is_not_continued() -> None:
    truth = stripes(90.0)
    hole = np.zeros(truth.shape[:2], bool)
    hole[60:, 80:120] = True  # feet at the lower border
    above, below, both = continue_lines(truth, ~hole, hole, 90.0)
    assert above.valid.all()
    assert not below.valid[hole].any()
    assert not both.valid[hole].any()
    assert np.array_equal(below.image, truth.astype(np.float32)), "nothing changes where there is nothing to continue"


def curtain(height_px: int = 240, width_px: int = 180) -> Picture:
    """Folds that lean and fade, above a floor."""
    y, x = np.mgrid[:height_px, :width_px].astype(np.float64)
    fold = np.sin((x - 0.03 * y) / 7) + 0.6 * np.sin((x - 0.03 * y) / 17 + 1)
    light = 130 + (38 - 0.08 * y) * fold
    floor = np.full_like(light, 205) + 0.05 * x
    return np.asarray(np.rint(np.where(y < 180, light, floor))[..., None].repeat(3, axis=2), np.uint8)


def test_the_folds_of_a_curtain_continue_down_to_the_floor() -> None:
    truth = curtain()
    hole = np.zeros(truth.shape[:2], np.uint8)
    cv2.ellipse(hole, (90, 130), (26, 88), 0, 0, 360, 1, -1)
    known = hole == 0
    damaged = np.where(known[..., None], truth, np.uint8(0))
    off = {
        name: np.abs(fill(damaged, known).astype(int) - truth)[~known].mean()
        for name, fill in (("smooth", fill_smoothly), ("completed", complete))
    }
    assert off["completed"] < 0.28 * off["smooth"]
    edge = ~known & (np.abs(np.arange(240) - 180) < 6)[:, None]
    assert np.abs(complete(damaged, known).astype(int) - truth)[edge].mean() < 20, "the floor begins where it does beside"
