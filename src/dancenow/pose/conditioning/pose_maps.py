"""Pose maps, the generator's conditioning: keypoint heatmaps, limb capsules with texture coordinates and depth.

A Gaussian heatmap per keypoint is the usual pose tensor of "do as I do" transfer. Each limb adds four maps of a soft capsule:
its mask, the coordinates along and across it (so that a stripe need not be counted from a joint), and its depth, which shows
which arm is in front. Trunk and head, too wide for a capsule, add five maps each: `pose.conditioning.body_frames`. The maps are
drawn on the device in every step, and never stored.
"""

from typing import Final

import torch
from torch import Tensor

from dancenow.pose.conditioning.body_frames import NUM_FRAME_MAPS, draw_frames
from dancenow.skeleton import LIMBS, NUM_KEYPOINTS, NUM_OPENPOSE

NUM_LIMBS: Final = len(LIMBS)
NUM_CHANNELS: Final = NUM_KEYPOINTS + 4 * NUM_LIMBS + NUM_FRAME_MAPS

HEATMAP_SIGMA: Final = 0.016
"""Standard deviation as a fraction of the canvas: one cell of a 64-cell map, which places a point to a fraction of a canvas
pixel."""
_LEAST_EXPONENT: Final = -40.0
LIMB_SIGMA: Final = 0.022
"""About half the width of an arm, so that the coordinates reach the skin."""


def draw_pose(xy: Tensor, confidence: Tensor, depth: Tensor, canvas_px: int, cells: int) -> Tensor:
    """Draw poses on a coarse grid.

    Args:
        xy: float [N,K,2] keypoints in canvas px. confidence: [N,K] in [0,1], 0 = missing. depth: [N,K] canvas px.
        canvas_px: side of the canvas that xy refers to.
        cells: side of the maps; each cell covers canvas_px / cells px.

    Returns:
        float [N, K + 4 L + 10, cells, cells]: heatmaps and limb capsules in [0,1], then capsules times the coordinate along
        the limb, across it, and depth, each in [-1,1], then the maps of trunk and head.
    """
    grid = (torch.arange(cells, device=xy.device, dtype=xy.dtype) + 0.5) / cells
    at = (xy + 0.5) / canvas_px
    limbs = torch.as_tensor(LIMBS, device=xy.device)
    present = confidence[:, limbs].amin(dim=2)
    capsule, along, across = _capsules(at[:, limbs], present, grid)
    limb_depth = torch.tanh(depth[:, limbs].mean(dim=2) * (4.0 / canvas_px))[..., None, None]
    frames = draw_frames(at, confidence, depth / canvas_px, grid)
    return torch.cat([_heatmaps(at, confidence, grid, grid), capsule, along, across, capsule * limb_depth, frames], dim=1)


def draw_heatmaps(xy: Tensor, confidence: Tensor, width_px: int, height_px: int) -> Tensor:
    """Draw keypoint heatmaps alone: a Gaussian for each of the 18 OpenPose keypoints, at the resolution of any canvas.

    xy: float [N,K,2] canvas px. confidence: [N,K] in [0,1]. Returns float [N,18,height_px,width_px] in [0,1]; the standard
    deviation is `HEATMAP_SIGMA` of the longer side.
    """
    longer_px = max(width_px, height_px)
    columns, rows = ((torch.arange(n, device=xy.device, dtype=xy.dtype) + 0.5) / longer_px for n in (width_px, height_px))
    return _heatmaps((xy[:, :NUM_OPENPOSE] + 0.5) / longer_px, confidence[:, :NUM_OPENPOSE], columns, rows)


def _heatmaps(at: Tensor, confidence: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Separable: exp(-(dx^2 + dy^2) / 2s^2) is an outer product of two vectors. [N,K,2] -> [N,K,H,W]."""
    across = _gaussian(((columns - at[..., 0, None]) / HEATMAP_SIGMA) ** 2)
    down = _gaussian(((rows - at[..., 1, None]) / HEATMAP_SIGMA) ** 2)
    return down[..., :, None] * across[..., None, :] * confidence[..., None, None]


def _capsules(ends: Tensor, present: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Soft segments exp(-d^2 / 2s^2) of the distance d to the segment, and the same times two coordinates in [-1,1].

    ends [N,L,2,2], present [N,L] -> three of [N,L,S,S]. Along: -1 at the first end, 1 at the second. Across: the signed
    distance from the axis, positive to the right when looking along the limb in the image.
    """
    start, axis = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    length = axis.norm(dim=-1).clamp_min(1e-4)
    unit = axis / length[..., None]
    dx = (grid - start[..., 0, None])[..., None, :]
    dy = (grid - start[..., 1, None])[..., :, None]
    unit_x, unit_y = unit[..., 0, None, None], unit[..., 1, None, None]
    reach = (dx * unit_x + dy * unit_y) / length[..., None, None]
    aside = dy * unit_x - dx * unit_y
    place = reach.clamp(0.0, 1.0)
    beyond = (reach - place) * length[..., None, None]
    capsule = _gaussian((aside.square() + beyond.square()) / LIMB_SIGMA**2) * present[..., None, None]
    return capsule, capsule * (2 * place - 1), capsule * (aside / (2 * LIMB_SIGMA)).clamp(-1.0, 1.0)


def _gaussian(squares: Tensor) -> Tensor:
    """exp(-squares / 2). Products of two are never so small that processors take many times as long for them."""
    return torch.exp((-0.5 * squares).clamp_min(_LEAST_EXPONENT))
