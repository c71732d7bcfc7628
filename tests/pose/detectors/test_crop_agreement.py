"""One pose from several crops: a mean where they agree, no point between two limbs where they do not."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.detectors.crop_agreement import NEAR, agree
from dancenow.skeleton import INDEX, KEYPOINTS, MIRROR
from dancenow.types import Pose

REGION_PX = 400.0
LEGS = [INDEX[name] for name in KEYPOINTS if name.endswith(("knee", "ankle", "heel", "toe"))]


def _standing() -> Pose:
    """Somebody whose left and right are 60 px apart."""
    xy = np.zeros((len(KEYPOINTS), 2), np.float32)
    for index, name in enumerate(KEYPOINTS):
        xy[index] = 200 + 30 * (name.startswith("left") - float(name.startswith("right"))), 40 + 12 * index
    for index in range(len(KEYPOINTS)):
        xy[index, 1] = xy[min(index, int(MIRROR[index])), 1]
    return Pose(xy, np.full(len(KEYPOINTS), 0.9, np.float32), np.arange(len(KEYPOINTS), dtype=np.float32))


def _with_noise(pose: Pose, seed: int) -> Pose:
    """The pose as another crop finds it: all keypoints less than a px off."""
    noise = np.random.default_rng(seed).uniform(-0.7, 0.7, pose.xy.shape)
    return replace(pose, xy=(pose.xy + noise).astype(np.float32))


def _exchanged(pose: Pose, keypoints: list[int]) -> Pose:
    order = np.arange(len(KEYPOINTS))
    order[keypoints] = MIRROR[keypoints]
    return pose[order]


def test_one_crop_is_kept_as_it_is() -> None:
    pose = _standing()
    assert agree([pose], REGION_PX) is pose


@pytest.mark.parametrize("num_crops", [2, 4])
def test_crops_that_agree_are_averaged(num_crops: int) -> None:
    crops = [_with_noise(_standing(), seed) for seed in range(num_crops)]
    found = agree(crops, REGION_PX)
    np.testing.assert_allclose(found.xy, np.mean([crop.xy for crop in crops], axis=0), atol=1e-4)
    np.testing.assert_allclose(found.depth, _standing().depth, atol=1e-4)
    np.testing.assert_allclose(found.confidence, 0.9, atol=1e-5)


@pytest.mark.parametrize("keypoints", [LEGS, list(range(len(KEYPOINTS)))])
def test_sides_that_one_crop_exchanged_are_exchanged_back(keypoints: list[int]) -> None:
    crops = [_with_noise(_standing(), seed) for seed in range(4)]
    found = agree([*crops[:3], _exchanged(crops[3], keypoints)], REGION_PX)
    np.testing.assert_allclose(found.xy, agree(crops, REGION_PX).xy, atol=1e-4)
    np.testing.assert_allclose(found.confidence, 0.9, atol=1e-5)


@pytest.mark.parametrize("num_crops", [2, 4])
def test_half_of_the_crops_with_other_sides_give_no_leg_between_the_two(num_crops: int) -> None:
    crops = [_with_noise(_standing(), seed) for seed in range(num_crops)]
    split = [_exchanged(crop, LEGS) if index % 2 else crop for index, crop in enumerate(crops)]
    found = agree(split, REGION_PX)
    apart = np.abs(found.xy - found.xy[MIRROR])[LEGS, 0]
    assert apart.min() > 55  # exchanged or not, but one leg on each side


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("num_crops", [2, 4])
@pytest.mark.parametrize("keypoints", [LEGS, LEGS[2:], list(range(len(KEYPOINTS)))])
def test_a_body_is_never_put_together_from_two_sides(keypoints: list[int], num_crops: int, seed: int) -> None:
    """Half of the crops exchanged them, and which are surer differs from keypoint to keypoint."""
    rng = np.random.default_rng(seed)
    crops = []
    for index in range(num_crops):
        sure = rng.uniform(0.8, 1, len(KEYPOINTS)).astype(np.float32)
        crop = replace(_with_noise(_standing(), seed + index), confidence=sure)
        crops.append(_exchanged(crop, keypoints) if index % 2 else crop)
    found = agree(crops, REGION_PX)
    is_right = found.xy[:, 0] < 200
    named_right = np.array([name.startswith("right") for name in KEYPOINTS])
    side = is_right == named_right  # as it should be
    for group in (keypoints, [k for k in range(len(KEYPOINTS)) if k not in keypoints]):
        paired = [k for k in group if MIRROR[k] != k]
        assert len(set(side[paired].tolist())) <= 1


def test_crops_that_are_sure_of_nothing_give_nothing() -> None:
    pose = _standing()
    unsure = replace(pose, confidence=np.zeros_like(pose.confidence))
    found = agree([unsure, unsure], REGION_PX)
    assert np.isfinite(found.xy).all()
    assert not found.confidence.any()


def test_the_surer_crops_decide_about_the_sides() -> None:
    pose = _standing()
    unsure = replace(_exchanged(pose, LEGS), confidence=pose.confidence * 0.5)
    np.testing.assert_allclose(agree([unsure, pose], REGION_PX).xy, pose.xy, atol=1e-4)


def test_what_one_crop_alone_found_does_not_count() -> None:
    """Both ankles on one leg: exchanging sides does not help."""
    pose = _standing()
    ankle, other = INDEX["right_ankle"], INDEX["left_ankle"]
    confused = pose.xy.copy()
    confused[ankle] = confused[other]
    found = agree([pose, pose, replace(pose, xy=confused), pose], REGION_PX)
    np.testing.assert_allclose(found.xy, pose.xy, atol=1e-4)
    assert found.confidence[ankle] == pytest.approx(0.9 * 3 / 4)
    assert found.confidence[other] == pytest.approx(0.9)


def test_the_spread_of_a_limb_that_is_hard_to_see_is_still_averaged() -> None:
    pose = _standing()
    wrist = INDEX["left_wrist"]
    crops = []
    for offset_px in (-0.4, 0.4):
        xy = pose.xy.copy()
        xy[wrist, 0] += offset_px * NEAR * REGION_PX
        crops.append(replace(pose, xy=xy))
    np.testing.assert_allclose(agree(crops, REGION_PX).xy[wrist], pose.xy[wrist], atol=1e-3)
