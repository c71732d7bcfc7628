"""Stick figures with dots in the face, the conditioning of Everybody Dance Now (Chan et al., 2019, section 3.1).

Drawn on the device inside the step, antialiased, all limbs of all poses at once; left and right limbs have their own colors.
"""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

from dancenow.skeleton import HEAD_KEYPOINTS, KEYPOINTS, LIMB_COLORS_RGB, LIMB_NAMES, LIMBS, NUM_OPENPOSE

MIN_CONFIDENCE: Final = 0.2
"""Keypoints of lower confidence are not drawn: a guessed limb does not help training."""
BODY_WIDTH: Final = 0.009
"""Width of a limb of the body, and diameter of a dot in the face, as a fraction of the canvas's longer side: 4.6 px at 512."""
FINE_WIDTH: Final = 0.005
"""Width of fingers and feet."""

_IN_FACE: Final = np.asarray(np.isin(LIMBS, HEAD_KEYPOINTS).all(axis=1))
_FACE_COLORS_RGB: Final = [
    (255, 160, 160)
    if KEYPOINTS[k].startswith("right_")
    else (160, 255, 160)
    if KEYPOINTS[k].startswith("left_")
    else (255,) * 3
    for k in HEAD_KEYPOINTS
]

STROKES: Final = np.concatenate([LIMBS[~_IN_FACE], np.array([[k, k] for k in HEAD_KEYPOINTS])])
"""[P,2] keypoints between which a stroke is drawn, later ones on top; a dot has the same keypoint at both ends."""
STROKE_NAMES: Final = (
    *(name for name, face in zip(LIMB_NAMES, _IN_FACE, strict=True) if not face),
    *((KEYPOINTS[k], KEYPOINTS[k]) for k in HEAD_KEYPOINTS),
)
STROKE_COLORS_RGB: Final = np.concatenate([LIMB_COLORS_RGB[~_IN_FACE], np.array(_FACE_COLORS_RGB, np.uint8)])
"""[P,3] uint8."""
_IS_FINE: Final = (STROKES >= NUM_OPENPOSE).any(axis=1)


def draw_stick(xy: Tensor, confidence: Tensor, width_px: int, height_px: int) -> Tensor:
    """Draw poses on black.

    Args:
        xy: float [N,K,2] keypoints in canvas px. confidence: [N,K] in [0,1].

    Returns:
        float [N,3,height_px,width_px] RGB in [0,1].
    """
    strokes = torch.as_tensor(STROKES, device=xy.device)
    colors = torch.as_tensor(STROKE_COLORS_RGB / np.float32(255), device=xy.device, dtype=xy.dtype)
    longer_px = max(width_px, height_px)
    widths_px = np.maximum(np.where(_IS_FINE, FINE_WIDTH, BODY_WIDTH) * longer_px, 1.0)
    radius_px = torch.as_tensor(widths_px / 2, device=xy.device, dtype=xy.dtype)[:, None, None]
    present = (confidence[:, strokes].amin(dim=2) >= MIN_CONFIDENCE).to(xy.dtype)[..., None, None]
    image = xy.new_zeros(xy.shape[0], 3, height_px, width_px)
    seen = xy[confidence >= MIN_CONFIDENCE]
    if not len(seen):
        return image
    # Only inside the bounding box: a figure covers a small part of a whole frame.
    left, top, right, bottom = _bounds(seen, width_px, height_px, math.ceil(widths_px.max()))
    cover = (
        _distance_px(xy[:, strokes], (left, right), (top, bottom)).neg_().add_(radius_px + 0.5).clamp_(0.0, 1.0).mul_(present)
    )
    # A stroke is visible where no later one covers it.
    free = torch.cumprod((1 - cover).flip(1), dim=1).flip(1)
    cover[:, :-1] *= free[:, 1:]
    image[:, :, top:bottom, left:right] = torch.einsum("nphw,pc->nchw", cover, colors)
    return image


def _bounds(xy: Tensor, width_px: int, height_px: int, rim_px: int) -> tuple[int, int, int, int]:
    """Bounding box of points [M,2] with a margin, inside the canvas: left, top, right and bottom (exclusive)."""
    size = xy.new_tensor([width_px, height_px])
    low = (xy.amin(dim=0) - rim_px).clamp(min=0).minimum(size).long().tolist()
    high = (xy.amax(dim=0) + rim_px + 1).clamp(min=0).minimum(size).long().tolist()
    return low[0], low[1], max(high[0], low[0]), max(high[1], low[1])


def _distance_px(ends: Tensor, columns: tuple[int, int], rows: tuple[int, int]) -> Tensor:
    """Distance [N,P,h,w] of the centers of the pixels in `columns` and `rows` from the segments with ends [N,P,2,2]."""
    start, axis = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    dx = (torch.arange(*columns, device=ends.device, dtype=ends.dtype) - start[..., 0, None])[..., None, :]
    dy = (torch.arange(*rows, device=ends.device, dtype=ends.dtype) - start[..., 1, None])[..., :, None]
    along = axis / axis.square().sum(dim=-1, keepdim=True).clamp_min(1e-6)
    reach = (dx * along[..., 0, None, None] + dy * along[..., 1, None, None]).clamp_(0.0, 1.0)
    off_y = (reach * -axis[..., 1, None, None]).add_(dy).square_()
    return reach.mul_(-axis[..., 0, None, None]).add_(dx).square_().add_(off_y).sqrt_()
