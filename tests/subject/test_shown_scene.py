"""Where frames show the scene: what training compares and copies."""

import numpy as np
import torch

from dancenow.generators.crop.dataset import Clip, crop_shown
from dancenow.generators.crop.image_losses import Patch, image_terms, pose_maps
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.subject.shown_scene import map_shown_scene, rim_px
from dancenow.types import Crop


def test_a_still_camera_without_overlays_shows_it_everywhere() -> None:
    assert map_shown_scene(64, 48, None, moves=False) is None


def test_overlays_hide_it() -> None:
    bar = np.zeros((48, 64), bool)
    bar[:8] = True
    shown = map_shown_scene(64, 48, bar, moves=False)
    assert shown is not None
    assert not shown[:8].any()
    assert (shown[8:] == 255).all()


def test_of_a_moving_camera_nothing_is_compared_at_the_rim_and_beyond_the_frame() -> None:
    shown = map_shown_scene(640, 480, None, moves=True)
    assert shown is not None
    rim = rim_px(640, 480)
    assert rim == 5
    assert (shown[rim:-rim, rim:-rim] == 255).all()
    assert int((shown > 0).sum()) == (640 - 2 * rim) * (480 - 2 * rim)
    below = Crop(np.array([[1.0, 0.0, -100.0], [0.0, 1.0, -440.0]]), 96)  # shows rows 440 to 535
    part = crop_shown(shown, below)
    assert (part[:30] == 255).all()
    assert not part[480 - rim - 440 :].any()


def test_of_a_tiny_frame_the_middle_is_left() -> None:
    shown = map_shown_scene(8, 6, None, moves=True)
    assert shown is not None
    assert shown.any()


def test_alpha_learns_nothing_where_nothing_is_shown() -> None:
    def slope(shown: torch.Tensor) -> float:
        image, one = torch.zeros(1, 1, 3, 64, 64), torch.ones(1, 1, 1, 64, 64)
        xy, depth = torch.zeros(1, 1, NUM_KEYPOINTS, 2), torch.zeros(1, 1, NUM_KEYPOINTS)
        clip = Clip(image, image, 0 * one, one, xy, depth, depth, torch.zeros(1, 1, 2, 3), shown)
        rgba = torch.full((1, 1, 4, 64, 64), 0.5, requires_grad=True)
        perceptual = PerceptualDistance(EfficientNetTrunk(), depth=1)
        terms = image_terms(perceptual, clip, pose_maps(clip, 64), rgba, image, Patch(0, 0, 64))
        (gradient,) = torch.autograd.grad(terms["matte"], rgba)
        return float(gradient.abs().sum())

    one = torch.ones(1, 1, 1, 64, 64)
    assert slope(one) > 0
    assert slope(0 * one) == 0
