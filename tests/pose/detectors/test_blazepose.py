"""The geometry around the two networks: regions, masks, merged boxes and heatmaps. The networks are not run."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from dancenow.pose.detectors import blazepose
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.types import Pose


def test_a_region_maps_its_corners_to_the_frame_with_its_rotation() -> None:
    quarter = RotatedRect(100, 50, 40, math.pi / 2)
    center, corner = (quarter.to_frame @ [u, v, 1] for u, v in ((0.5, 0.5), (1.0, 0.5)))
    np.testing.assert_allclose(center, [100, 50])
    np.testing.assert_allclose(corner, [100, 70])


def test_overlap_of_regions_is_that_of_their_squares() -> None:
    roi = RotatedRect(0, 0, 10, 0)
    assert roi.overlap(roi) == pytest.approx(1)
    assert roi.overlap(RotatedRect(5, 0, 10, 0)) == pytest.approx(1 / 3)
    assert roi.overlap(RotatedRect(0, 0, 5, 0)) == pytest.approx(1 / 4)
    assert roi.overlap(RotatedRect(20, 0, 10, 0)) == 0


def test_a_body_upside_down_gives_a_region_upside_down() -> None:
    upright, headstand = (blazepose._roi_around(np.array([50.0, 50.0]), np.array([50.0, y])) for y in (10.0, 90.0))
    assert upright.angle_rad == pytest.approx(0)
    assert abs(headstand.angle_rad) == pytest.approx(math.pi)
    assert upright.size_px == pytest.approx(100)


@pytest.mark.parametrize("angle_rad", [0.0, 0.6, math.pi])
def test_the_mask_is_placed_on_the_person(standing: Callable[[float, float, float], Pose], angle_rad: float) -> None:
    logits = np.full((256, 256), -10, np.float32)
    logits[120:137, 192:225] = 10  # a spot to the right of the center, in the region's axes
    roi = RotatedRect(600, 300, 400, angle_rad)
    mask = Landmarks(standing(600, 300, 300), 1.0, roi, roi, logits).mask(640, 360, 1280)
    y, x = np.nonzero(mask > 127)
    reach_px = (208.5 / 256 - 0.5) * 400
    expected = np.array([600 + reach_px * math.cos(angle_rad), 300 + reach_px * math.sin(angle_rad)])
    np.testing.assert_allclose([x.mean(), y.mean()], expected / 2, atol=1.5)
    assert mask.max() == 254 or mask.max() == 255
    assert (mask > 127).mean() == pytest.approx(17 * 33 * (400 / 256) ** 2 / (1280 * 720), rel=0.1)


def test_boxes_of_one_person_are_merged_and_others_kept() -> None:
    corners = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [3, 0, 4, 1]], np.float32)
    points = np.array([[[0, 0]] * 2, [[1, 1]] * 2, [[3, 3]] * 2], np.float32)
    merged = blazepose._weighted_suppression(corners, points, np.array([0.6, 0.9, 0.7], np.float32))
    assert [score for _, score in merged] == pytest.approx([0.9, 0.7])
    np.testing.assert_allclose(merged[0][0], np.full((2, 2), 0.6), atol=1e-6)
    np.testing.assert_allclose(merged[1][0], np.full((2, 2), 3.0), atol=1e-6)


def test_there_is_an_anchor_for_each_of_the_detectors_boxes() -> None:
    anchors = blazepose._anchors()
    assert anchors.shape == (2254, 2)
    assert anchors.min() > 0
    assert anchors.max() < 1


def test_landmarks_move_to_the_center_of_a_confident_heatmap_only() -> None:
    points = np.zeros((3, 5), np.float32)
    points[:, :2] = 100.0, 120.0
    points[2, :2] = -40.0, 300.0  # outside the image
    heat = np.full((64, 64, 3), -20, np.float32)
    heat[31, 26:28, 0] = 3.0
    heat[31, 26, 1] = -1.0
    refined = blazepose._refine(points, heat)
    np.testing.assert_allclose(refined[0, :2], [26.5 * 4, 31 * 4], atol=0.01)
    np.testing.assert_array_equal(refined[1:], points[1:])


def test_the_neck_is_midway_between_the_shoulders() -> None:
    xy = np.zeros((39, 2))
    xy[11], xy[12] = (10, 0), (0, 4)
    pose = blazepose._to_keypoints(xy, np.linspace(0, 1, 39).astype(np.float32), np.zeros(39, np.float32))
    np.testing.assert_allclose(pose.xy[1], [5, 2])
    np.testing.assert_allclose(pose.xy[[2, 5]], [[0, 4], [10, 0]])
    assert pose.confidence[1] == pytest.approx(11 / 38), "as sure as the less sure shoulder"
