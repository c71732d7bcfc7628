"""What generated pictures are judged by without discriminators, and where: shared by a person's own training and the base's.

Where the plate is right little counts; the shadow counts as the person does; face, hands and feet count most, being small
and looked at first.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks import losses
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.skeleton import INDEX

DETAIL_PARTS = ("nose", "eye", "ear", "wrist", "thumb", "index", "pinky", "ankle", "heel", "toe")
DETAIL_POINTS: Final = [index for name, index in INDEX.items() if name.endswith(DETAIL_PARTS)]
"""Keypoints around which pictures are judged most strictly."""
ALIGN_PX: Final = 16
SHADE: Final = 0.15
"""Change of the plate, of a range of 2, that counts as much as the person does."""


@dataclass(frozen=True)
class Window:
    """A square part of the canvas, in canvas px."""

    top_px: int
    left_px: int
    side_px: int

    def of(self, maps: Tensor, stride: int = 1) -> Tensor:
        """The part of pictures or maps [...,H,W] whose cells are `stride` px wide."""
        top, left, side = self.top_px // stride, self.left_px // stride, self.side_px // stride
        return maps[..., top : top + side, left : left + side]


def draw_window(canvas_px: int, judged_px: int, rng: np.random.Generator) -> Window:
    """A random part of the canvas, aligned with the cells of the deepest maps that the judges see."""
    side = min(judged_px, canvas_px)
    top, left = (ALIGN_PX * int(rng.integers(0, (canvas_px - side) // ALIGN_PX + 1)) for _ in range(2))
    return Window(top, left, side)


def pose_maps(clip: Clip, canvas_px: int) -> Tensor:
    """The conditioning of every frame, [B,T,C,S/4,S/4]."""
    xy, confidence, depth = (x.flatten(0, 1) for x in (clip.xy, clip.confidence, clip.depth))
    maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
    return maps.reshape(*clip.xy.shape[:2], *maps.shape[1:])


def shade_of(image: Tensor, plate: Tensor) -> Tensor:
    """Where a picture [B,3,S,S] differs from the plate, [B,1,S/4,S/4] in [0,1]: the person, and the shadow that they cast."""
    change = (image - plate).abs().mean(dim=1, keepdim=True)
    return F.avg_pool2d(change, POSE_STRIDE).mul(1 / SHADE).clamp(max=1)


def attention(mask: Tensor, maps: Tensor, shade: Tensor) -> Tensor:
    """How much each pixel counts, [B,1,S,S]: little where the plate is right, most at face and hands."""
    near = F.max_pool2d(F.avg_pool2d(mask, POSE_STRIDE), 5, stride=1, padding=2)
    detail = maps[:, DETAIL_POINTS].amax(dim=1, keepdim=True)
    cells = 0.15 + torch.maximum(near, shade) + 1.5 * detail
    return F.interpolate(cells, scale_factor=POSE_STRIDE, mode="bilinear", align_corners=False)


def one_above_the_other(real: Tensor, made: Tensor) -> NDArray[np.uint8]:
    """Pictures [N,3,S,S] in [-1,1] as one, uint8 [2 S, N S, 3]: the real ones above the generated ones."""
    rows = [torch.cat(list(images), dim=2) for images in (real, made)]
    picture = torch.cat(rows, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    return picture.permute(1, 2, 0).cpu().numpy()


def picture_terms(
    perceptual: PerceptualDistance,
    clip: Clip,
    maps: Tensor,
    rgba: Tensor,
    image: Tensor,
    window: Window,
    *,
    with_structure: bool = False,
) -> dict[str, Tensor]:
    """The terms of the last picture of each clip: L1 everywhere, the perceptual distance in the window, the matte's prior;
    if wanted, structure in the window.

    maps [B,T,C,S/4,S/4], rgba [B,T,4,S,S] and image [B,T,3,S,S], composited, are of the clip's frames or of its last ones.
    """
    made, real = image[:, -1], clip.image[:, -1]
    alpha, mask, known = rgba[:, -1, 3:], clip.mask[:, -1], clip.known[:, -1]
    shade = shade_of(real, clip.plate[:, -1])
    weight = attention(mask, maps[:, -1], shade)
    terms = {
        "l1": losses.weighted_l1(made, real, weight),
        "perceptual": perceptual(window.of(made), window.of(real), window.of(weight)).mean(),
        "matte": losses.matte_prior(alpha, mask, known * (1 - F.interpolate(shade, scale_factor=POSE_STRIDE))),
    }
    if with_structure:
        terms["structure"] = losses.structure(window.of(made), window.of(real), window.of(weight))
    return terms
