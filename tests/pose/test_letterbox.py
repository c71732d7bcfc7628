"""Letterboxing: a whole frame on a canvas and back."""

import cv2
import numpy as np
import pytest

from dancenow.pose.letterbox import Letterbox
from dancenow.types import Pose
from helpers.drawn_world import room


@pytest.mark.parametrize(
    ("frame", "longer_px", "canvas", "inner"),
    [
        ((1920, 1080), 512, (512, 288), (512, 288)),
        ((1080, 1920), 256, (160, 256), (144, 256)),
        ((640, 480), 512, (512, 384), (512, 384)),
        ((854, 480), 256, (256, 160), (256, 144)),
        ((128, 128), 64, (64, 64), (64, 64)),
        ((4000, 30), 64, (64, 32), (64, 1)),
    ],
)
def test_canvas_sizes_are_multiples_of_the_cell(
    frame: tuple[int, int], longer_px: int, canvas: tuple[int, int], inner: tuple[int, int]
) -> None:
    box = Letterbox.of_frame(*frame, longer_px)
    assert (box.width_px, box.height_px) == canvas
    assert (box.inner_width_px, box.inner_height_px) == inner
    twice = box.doubled()
    assert (twice.width_px, twice.height_px) == (2 * canvas[0], 2 * canvas[1])
    assert twice.scale == pytest.approx((2 * box.scale[0], 2 * box.scale[1]))


def test_letterboxing_a_frame_can_be_undone() -> None:
    frame = cv2.resize(room(128), (320, 180), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    box = Letterbox.of_frame(320, 180, 256)
    canvas = box.place(frame)
    assert canvas.shape == (160, 256, 3)
    np.testing.assert_array_equal(canvas[0], canvas[box.top_px])  # edges are repeated
    back = box.take_back(canvas)
    assert back.shape == frame.shape
    assert np.abs(back.astype(int) - frame).mean() < 2


def test_keypoints_move_with_the_image() -> None:
    frame = np.zeros((180, 320, 3), np.uint8)
    cv2.circle(frame, (200, 60), 9, (255, 255, 255), -1)
    box = Letterbox.of_frame(320, 180, 128)
    for each in (box, box.doubled()):
        pose = each.apply(Pose(np.full((28, 2), (200, 60), np.float32), np.ones(28, np.float32)))
        rows, columns = np.nonzero(each.place(frame)[..., 0] > 127)
        assert pose.xy[0] == pytest.approx((columns.mean(), rows.mean()), abs=0.3)
