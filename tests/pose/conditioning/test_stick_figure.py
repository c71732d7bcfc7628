"""Stick figures: limbs are drawn at the keypoints, in the colors of their side."""

import numpy as np
import pytest
import torch

from dancenow.pose.conditioning.stick_figure import STROKE_COLORS_RGB, STROKE_NAMES, draw_stick
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX, MIRROR, NUM_KEYPOINTS
from dancenow.types import Pose
from helpers.bodies import standing_body

WIDTH, HEIGHT = 320, 384


@pytest.fixture
def body() -> Pose:
    return standing_body(150.0, 200.0, 300.0)


def drawn(pose: Pose, confidence: np.ndarray | None = None) -> torch.Tensor:
    xy = torch.from_numpy(pose.xy[None])
    sure = torch.from_numpy((pose.confidence if confidence is None else confidence)[None])
    return draw_stick(xy, sure, WIDTH, HEIGHT)[0]


def moved(pose: Pose, by_px: list[float]) -> Pose:
    return Pose(pose.xy + np.array(by_px, np.float32), pose.confidence)


def at(image: torch.Tensor, xy: np.ndarray) -> list[float]:
    x, y = np.round(xy).astype(int)
    return [float(v) for v in image[:, y, x]]


def test_every_limb_has_its_color_halfway_between_its_ends(body: Pose) -> None:
    for index, (start, end) in enumerate(STROKE_NAMES):
        # Each limb alone, because some limbs hide others.
        confidence = np.zeros(NUM_KEYPOINTS, np.float32)
        confidence[[INDEX[start], INDEX[end]]] = 1.0
        middle = (body.xy[INDEX[start]] + body.xy[INDEX[end]]) / 2
        image = drawn(body, confidence)
        if start != end:
            assert at(image, middle) == pytest.approx(STROKE_COLORS_RGB[index] / 255, abs=0.3), (start, end)
        assert image.sum() > 0


def test_the_right_side_has_warm_colors_and_the_left_cold_ones(body: Pose) -> None:
    image = drawn(body)
    for part in ("elbow", "knee"):
        right, left = at(image, body.xy[INDEX[f"right_{part}"]]), at(image, body.xy[INDEX[f"left_{part}"]])
        assert right[0] > right[2] + 0.2
        assert left[2] > left[0] + 0.2


def test_the_face_is_five_dots(body: Pose) -> None:
    confidence = np.zeros(NUM_KEYPOINTS, np.float32)
    confidence[list(HEAD_KEYPOINTS)] = 1.0
    spread = Pose(body.xy.copy(), body.confidence)
    spread.xy[list(HEAD_KEYPOINTS)] = [[150, 100], [120, 90], [180, 90], [90, 100], [210, 100]]
    image = drawn(spread, confidence).amax(dim=0)
    assert all(image[round(float(y)), round(float(x))] > 0.9 for x, y in spread.xy[list(HEAD_KEYPOINTS)])
    dot = image[80:120, 130:170]
    assert 3 < float(dot.sum()) < 30
    assert image[95, 105] == 0  # nothing between them


def test_invisible_keypoints_are_not_drawn(body: Pose) -> None:
    confidence = np.ones(NUM_KEYPOINTS, np.float32)
    confidence[INDEX["right_wrist"]] = 0.1
    image = drawn(body, confidence)
    forearm = (body.xy[INDEX["right_wrist"]] + body.xy[INDEX["right_elbow"]]) / 2
    assert sum(at(image, forearm)) == 0
    assert drawn(body, np.zeros(NUM_KEYPOINTS, np.float32)).abs().max() == 0


def test_edges_are_smooth_and_move_with_the_pose(body: Pose) -> None:
    image = drawn(body)
    partial = ((image > 0.02) & (image < 0.3)).any(dim=0).sum()
    assert partial > 50
    shifted = moved(body, [3, 5])
    torch.testing.assert_close(drawn(shifted)[:, 5:, 3:], image[:, :-5, :-3], atol=1e-4, rtol=0)
    nudged = moved(body, [0.3, 0])
    assert 0 < float((drawn(nudged) - image).abs().max()) < 0.5


def test_mirroring_a_person_swaps_the_side_colors(body: Pose) -> None:
    mirrored = body.xy.copy()
    mirrored[:, 0] = WIDTH - 1 - mirrored[:, 0]
    silhouette = drawn(body).amax(dim=0) > 0.2
    image = drawn(Pose(np.ascontiguousarray(mirrored[MIRROR]), body.confidence))
    assert ((image.amax(dim=0) > 0.2) != silhouette.flip(1)).float().mean() < 0.002
    assert at(image, mirrored[MIRROR][INDEX["right_knee"]])[0] > 0.3


def test_a_batch_draws_each_person_separately_even_across_the_edge(body: Pose) -> None:
    outside = moved(body, [-150, 0])
    both = draw_stick(torch.from_numpy(np.stack([body.xy, outside.xy])), torch.ones(2, NUM_KEYPOINTS), WIDTH, HEIGHT)
    torch.testing.assert_close(both[0], drawn(body), atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1], drawn(outside), atol=1e-5, rtol=0)
    assert both[1].sum() > 0
    gone = moved(body, [-5000, 9000])
    assert drawn(gone).abs().max() == 0
