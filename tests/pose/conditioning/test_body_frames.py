"""The frame maps of trunk and head encode the position within the body and the facing direction."""

from collections.abc import Callable

import torch

from dancenow.pose.conditioning.body_frames import NUM_FRAME_MAPS, draw_frames
from dancenow.skeleton import INDEX
from dancenow.types import Pose

GRID = (torch.arange(64) + 0.5) / 64
Standing = Callable[[float, float, float], Pose]


def maps_of(pose: Pose) -> tuple[torch.Tensor, torch.Tensor]:
    """Five maps of the trunk and five of the head."""
    at, confidence = torch.from_numpy(pose.xy)[None] / 256, torch.from_numpy(pose.confidence)[None]
    maps = draw_frames(at, confidence, torch.zeros_like(confidence), GRID)[0]
    assert maps.shape == (NUM_FRAME_MAPS, 64, 64)
    return maps[:5], maps[5:]


def cell(pose: Pose, *names: str) -> tuple[int, int]:
    """Row and column of the mean of some keypoints."""
    x, y = pose.xy[[INDEX[name] for name in names]].mean(axis=0) / 4
    return round(float(y)), round(float(x))


def test_the_trunk_frame_covers_shoulders_to_hips(standing: Standing) -> None:
    pose = standing(128, 140, 200)
    (window, across, along, facing, _), _ = maps_of(pose)
    middle = cell(pose, "right_shoulder", "left_shoulder", "right_hip", "left_hip")
    assert window[middle] > 0.95
    top, bottom = cell(pose, "right_shoulder", "left_shoulder"), cell(pose, "right_hip", "left_hip")
    assert along[top] / window[top] < -0.8 < 0.8 < along[bottom] / window[bottom]
    assert across[middle[0], middle[1] - 4] * across[middle[0], middle[1] + 4] < 0
    assert window[cell(pose, "left_ankle")] < 1e-3
    assert facing[middle] != 0


def test_front_and_back_views_differ(standing: Standing) -> None:
    front = standing(128, 140, 200)
    back = _turned(front)
    middle = cell(front, "right_shoulder", "left_shoulder", "right_hip", "left_hip")
    assert maps_of(front)[0][3][middle] * maps_of(back)[0][3][middle] < 0


def _turned(pose: Pose) -> Pose:
    """A person with the back to the camera: left and right swap in the image, the face keypoints do not."""
    xy = pose.xy.copy()
    xy[:, 0] = 256 - xy[:, 0]
    return Pose(xy, pose.confidence)


def test_the_head_frame_encodes_where_the_nose_points(standing: Standing) -> None:
    prefetch = standing(128, 140, 200)
    xy = prefetch.xy.copy()
    xy[INDEX["nose"], 0] += 8
    aside = Pose(xy, prefetch.confidence)
    at = cell(prefetch, "right_eye", "left_eye")
    assert maps_of(prefetch)[1][0][at] > 0.8
    assert abs(float(maps_of(prefetch)[1][3][at])) < 0.2 < abs(float(maps_of(aside)[1][3][at]))


def test_missing_keypoints_give_zero_maps_without_nan(standing: Standing) -> None:
    pose = standing(128, 140, 200)
    confidence = pose.confidence.copy()
    confidence[[INDEX["left_hip"], INDEX["neck"]]] = 0
    trunk, head = maps_of(Pose(pose.xy, confidence))
    assert trunk.abs().max() == 0
    assert head.abs().max() == 0
    trunk, head = maps_of(Pose(pose.xy * 0 + 128, pose.confidence))  # all keypoints in one point
    assert torch.isfinite(trunk).all()
    assert torch.isfinite(head).all()
    assert trunk[0].mean() < 0.01  # a degenerate frame has a small window
    assert head[0].mean() < 0.01
