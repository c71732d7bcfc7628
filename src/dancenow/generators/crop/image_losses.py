"""The image losses and the weight of each pixel, for the training of one person and for pretraining.

Pixels where the plate is right count little; the shadow counts as much as the person; face, hands and feet count most,
because they are small and viewers look at them first.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.near_person import near_person
from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks import losses
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.skeleton import INDEX

DETAIL_PARTS = ("nose", "eye", "ear", "wrist", "thumb", "index", "pinky", "ankle", "heel", "toe")
DETAIL_POINTS: Final = [index for name, index in INDEX.items() if name.endswith(DETAIL_PARTS)]
"""Keypoints around which pixels count most."""
ALIGN_PX: Final = 16
PLATE_CHANGE: Final = 0.15
"""Change of the plate, of a range of 2, that counts as much as the person."""


@dataclass(frozen=True)
class Patch:
    """A square part of the canvas, in canvas px."""

    top_px: int
    left_px: int
    side_px: int

    def of(self, maps: Tensor, stride: int = 1) -> Tensor:
        """The part of images or maps [...,H,W] whose cells are `stride` px wide."""
        top, left, side = self.top_px // stride, self.left_px // stride, self.side_px // stride
        return maps[..., top : top + side, left : left + side]


def random_patch(canvas_px: int, patch_px: int, rng: np.random.Generator) -> Patch:
    """A random part of the canvas, aligned with the cells of the deepest maps that the discriminators see."""
    side = min(patch_px, canvas_px)
    top, left = (ALIGN_PX * int(rng.integers(0, (canvas_px - side) // ALIGN_PX + 1)) for _ in range(2))
    return Patch(top, left, side)


def pose_maps(clip: Clip, canvas_px: int) -> Tensor:
    """Draw the pose maps of every frame, [B,T,C,S/4,S/4]."""
    xy, confidence, depth = (x.flatten(0, 1) for x in (clip.xy, clip.confidence, clip.depth))
    maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
    return maps.reshape(*clip.xy.shape[:2], *maps.shape[1:])


def plate_change(image: Tensor, plate: Tensor) -> Tensor:
    """How much an image [B,3,S,S] differs from the plate, [B,1,S/4,S/4] in [0,1]: at the person and their shadow."""
    change = (image - plate).abs().mean(dim=1, keepdim=True)
    return F.avg_pool2d(change, POSE_STRIDE).mul(1 / PLATE_CHANGE).clamp(max=1)


def pixel_weights(mask: Tensor, maps: Tensor, change: Tensor) -> Tensor:
    """The weight of each pixel, [B,1,S,S]: low where the plate is right, highest at face, hands and feet."""
    near = F.max_pool2d(F.avg_pool2d(mask, POSE_STRIDE), 5, stride=1, padding=2)
    detail = maps[:, DETAIL_POINTS].amax(dim=1, keepdim=True)
    cells = 0.15 + torch.maximum(near, change) + 1.5 * detail
    return F.interpolate(cells, scale_factor=POSE_STRIDE, mode="bilinear", align_corners=False)


def stack_rows(real: Tensor, generated: Tensor) -> NDArray[np.uint8]:
    """Images [N,3,S,S] in [-1,1] as one uint8 [2 S, N S, 3]: the real ones above the generated ones."""
    rows = [torch.cat(list(images), dim=2) for images in (real, generated)]
    image = torch.cat(rows, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    return image.permute(1, 2, 0).cpu().numpy()


def image_terms(
    perceptual: PerceptualDistance,
    clip: Clip,
    maps: Tensor,
    rgba: Tensor,
    image: Tensor,
    patch: Patch,
    *,
    with_structure: bool = False,
) -> dict[str, Tensor]:
    """The loss terms of the last image of each clip: L1 everywhere, perceptual distance in the patch, prior of the matte,
    nobody far from the person; optionally structure in the patch.

    maps [B,T,C,S/4,S/4], rgba [B,T,4,S,S] and image [B,T,3,S,S], composited, belong to the clip's frames or its last ones.
    """
    generated, real = image[:, -1], clip.image[:, -1]
    # What the footage does not show tells nothing about alpha.
    shown = 1.0 if clip.shown is None else clip.shown[:, -1]
    alpha, mask, known = rgba[:, -1, 3:] * shown, clip.mask[:, -1] * shown, clip.known[:, -1]
    change = plate_change(real, clip.plate[:, -1])
    weight = pixel_weights(mask, maps[:, -1], change)
    unchanged = 1 - F.interpolate(change, scale_factor=POSE_STRIDE)
    far = ~near_person(clip.mask[:, -1], maps[:, -1]) * unchanged  # a cast shadow has an alpha, too
    terms = {
        "l1": losses.weighted_l1(generated, real, weight),
        "perceptual": perceptual(patch.of(generated), patch.of(real), patch.of(weight)).mean(),
        "matte": losses.matte_prior(alpha, mask, known * unchanged),
        "far": losses.nobody_there(alpha, far),
    }
    if with_structure:
        terms["structure"] = losses.structure(patch.of(generated), patch.of(real), patch.of(weight))
    return terms
