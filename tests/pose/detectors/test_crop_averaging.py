"""Landmarks averaged over several crops: one crop changes nothing, several reduce jitter without bias."""

import math
from functools import cache

import cv2
import numpy as np
import pytest

from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.blazepose import NAME, BlazePose
from dancenow.pose.detectors.crop_averaging import CROP_OFFSETS, average_masks, offset_regions
from dancenow.pose.detectors.regions import RotatedRect, pixels_to_unit
from dancenow.types import FloatArray, ImageRGB, Pose

ROI = RotatedRect(300, 200, 400, 0.4)
SIZE = 256


def _spot_logits(region: RotatedRect, x_px: float, y_px: float) -> FloatArray:
    """The output of a perfect network for a region: a smooth spot at a fixed position in the frame."""
    to_frame = region.to_frame @ pixels_to_unit(SIZE)
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    at = np.stack([x, y, np.ones_like(x)], axis=-1) @ to_frame.T
    return np.asarray(6 - ((at - [x_px, y_px]) ** 2).sum(axis=-1) / 200, np.float32)


def test_one_crop_is_the_region_itself() -> None:
    assert offset_regions(ROI, 1) == [ROI]
    logits = np.random.default_rng(0).normal(size=(1, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_array_equal(average_masks(logits, [ROI], ROI), logits[0])


@pytest.mark.parametrize("num_crops", [2, 4])
def test_several_crops_differ_little_and_cancel_out(num_crops: int) -> None:
    regions = offset_regions(ROI, num_crops)
    assert len(set(regions)) == num_crops
    for region in regions:
        assert 0 < math.hypot(region.x_px - ROI.x_px, region.y_px - ROI.y_px) < 0.03 * ROI.size_px
    for name in ("x_px", "y_px", "angle_rad"):
        assert np.mean([getattr(region, name) for region in regions]) == pytest.approx(getattr(ROI, name), abs=1e-6)
    assert np.mean([region.size_px for region in regions]) == pytest.approx(ROI.size_px, rel=0.01)


@pytest.mark.parametrize("num_crops", sorted(CROP_OFFSETS))
def test_masks_of_all_crops_are_averaged_in_frame_coordinates(num_crops: int) -> None:
    regions = offset_regions(ROI, num_crops)
    logits = np.stack([_spot_logits(region, 330, 170) for region in regions])
    averaged, exact = average_masks(logits, regions, ROI), _spot_logits(ROI, 330, 170)
    inner = slice(20, -20)
    np.testing.assert_allclose(averaged[inner, inner], exact[inner, inner], rtol=0.02, atol=0.05)


def test_names_differ_so_that_tracks_are_cached_separately() -> None:
    assert BlazePose().name == NAME
    assert len({BlazePose(num_crops=num_crops).name for num_crops in CROP_OFFSETS}) == len(CROP_OFFSETS)


@cache
def _rendered() -> tuple[ImageRGB, Pose]:
    from dancenow.research.studio.body import build_body
    from dancenow.research.studio.choreography import DANCES
    from dancenow.research.studio.identity import IDENTITIES
    from dancenow.research.studio.motion import perform, solve
    from dancenow.research.studio.render import render
    from dancenow.research.studio.scene import ROOMS

    body = build_body(IDENTITIES["ada"])
    frame = next(iter(render(body, solve(perform(DANCES["pulse"], 24, 0.1), body), ROOMS["bright"], 384, 384)))
    return frame.image_rgb, frame.pose


def _noisy_landmarks(detector: BlazePose, seeds: int = 8) -> list[Landmarks]:
    """Detections in one image with added noise, in a region that moves a little."""
    image_rgb, pose = _rendered()
    center = pose.xy.mean(axis=0)
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.normal(0, 30, image_rgb.shape).astype(np.float32), (0, 0), 0.7)
        noisy = np.clip(image_rgb + noise, 0, 255).astype(np.uint8)
        x_px, y_px = center + rng.normal(0, 2, 2)
        found.append(detector.landmarks(noisy, RotatedRect(float(x_px), float(y_px), 1.3 * float(np.ptp(pose.xy[:, 1])), 0.0)))
    return found


@pytest.mark.slow
@pytest.mark.pretrained
def test_four_crops_jitter_less_than_one_and_are_as_accurate() -> None:
    _, exact = _rendered()
    spread, off = [], []
    for num_crops in (1, 4):
        xy = np.stack([each.pose.xy for each in _noisy_landmarks(BlazePose(1, num_crops=num_crops))])
        spread.append(xy.std(axis=0).mean())
        off.append(np.linalg.norm(xy.mean(axis=0) - exact.xy, axis=-1).mean())
    assert spread[1] < 0.85 * spread[0]
    assert off[1] < 1.1 * off[0]


@pytest.mark.slow
@pytest.mark.pretrained
def test_the_mask_and_the_next_region_of_four_crops_are_those_of_one() -> None:
    one, four = (_noisy_landmarks(BlazePose(1, num_crops=num_crops), 1)[0] for num_crops in (1, 4))
    masks = [each.mask(384, 384, 384) > 127 for each in (one, four)]
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.93
    assert one.next_roi.overlap(four.next_roi) > 0.93
