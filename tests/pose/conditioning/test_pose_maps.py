"""Pose maps locate keypoints to a fraction of a pixel, and are zero for missing keypoints."""

import torch

from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS, NUM_LIMBS, draw_pose
from dancenow.skeleton import INDEX, LIMB_NAMES, NUM_KEYPOINTS


def _one(xy: torch.Tensor, confidence: torch.Tensor, depth: torch.Tensor | None = None) -> torch.Tensor:
    depth = torch.zeros_like(confidence) if depth is None else depth
    return draw_pose(xy[None], confidence[None], depth[None], 256, 64)[0]


def test_the_centroid_of_a_heatmap_is_the_keypoint() -> None:
    xy = torch.rand(NUM_KEYPOINTS, 2, generator=torch.Generator().manual_seed(0)) * 180 + 38
    maps = _one(xy, torch.ones(NUM_KEYPOINTS))[:NUM_KEYPOINTS]
    cell = torch.arange(64) * 4 + 1.5
    total = maps.sum(dim=(1, 2))
    x = (maps.sum(dim=1) * cell).sum(dim=1) / total
    y = (maps.sum(dim=2) * cell).sum(dim=1) / total
    torch.testing.assert_close(torch.stack([x, y], dim=1), xy, atol=0.2, rtol=0)


def test_missing_keypoints_give_zero_maps() -> None:
    xy = torch.full((NUM_KEYPOINTS, 2), 128.0)
    confidence = torch.ones(NUM_KEYPOINTS)
    confidence[INDEX["right_wrist"]] = 0
    maps = _one(xy, confidence)
    assert maps.shape == (NUM_CHANNELS, 64, 64)
    assert maps[INDEX["right_wrist"]].abs().max() == 0
    for limb, ends in enumerate(LIMB_NAMES):
        gone = "right_wrist" in ends
        assert (maps[NUM_KEYPOINTS + limb].max() == 0) == gone


def test_a_limb_is_bright_along_its_whole_length() -> None:
    xy = torch.full((NUM_KEYPOINTS, 2), 20.0)
    start, end = INDEX["right_elbow"], INDEX["right_wrist"]
    xy[start], xy[end] = torch.tensor([80.0, 60.0]), torch.tensor([180.0, 200.0])
    limb = LIMB_NAMES.index(("right_elbow", "right_wrist"))
    capsule = _one(xy, torch.ones(NUM_KEYPOINTS))[NUM_KEYPOINTS + limb]
    for share in (0.0, 0.3, 0.5, 0.8, 1.0):
        at = ((1 - share) * xy[start] + share * xy[end]) / 4
        assert capsule[int(at[1]), int(at[0])] > 0.6
    assert capsule[10, 50] < 1e-3


def test_coordinates_run_along_and_across_a_limb() -> None:
    xy = torch.full((NUM_KEYPOINTS, 2), 20.0)
    start, end = INDEX["right_elbow"], INDEX["right_wrist"]
    xy[start], xy[end] = torch.tensor([128.0, 60.0]), torch.tensor([128.0, 200.0])
    limb = LIMB_NAMES.index(("right_elbow", "right_wrist"))
    maps = _one(xy, torch.ones(NUM_KEYPOINTS))[NUM_KEYPOINTS : NUM_KEYPOINTS + 4 * NUM_LIMBS]
    capsule, along, across = maps.unflatten(0, (4, NUM_LIMBS))[:3, limb]
    on_axis = (along / capsule)[16:50, 32]
    torch.testing.assert_close(on_axis, (torch.arange(16, 50) * 4 + 1.5 - 60) / 70 - 1, atol=0.02, rtol=0)
    row = (across / capsule)[32, 30:34]
    assert (row.diff() < 0).all()
    assert row[0] > 0 > row[-1]


def test_depth_maps_show_which_arm_is_in_front() -> None:
    xy = torch.full((NUM_KEYPOINTS, 2), 128.0)
    depth = torch.zeros(NUM_KEYPOINTS)
    depth[[INDEX["right_elbow"], INDEX["right_wrist"]]] = -60.0
    depth[[INDEX["left_elbow"], INDEX["left_wrist"]]] = 60.0
    maps = _one(xy, torch.ones(NUM_KEYPOINTS), depth)[NUM_KEYPOINTS + 3 * NUM_LIMBS :]
    assert maps[LIMB_NAMES.index(("right_elbow", "right_wrist"))].min() < -0.5
    assert maps[LIMB_NAMES.index(("left_elbow", "left_wrist"))].max() > 0.5
