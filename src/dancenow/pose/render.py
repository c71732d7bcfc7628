"""From keypoints to the maps that the generator sees, drawn on the device inside the step and never stored.

Two kinds of map: a Gaussian heatmap per keypoint (the pose tensor of "do as I do" transfer) and a soft capsule per limb,
which tells the network what belongs together; a second capsule channel per limb carries its depth, so that it can know
which arm is in front.
"""

from typing import Final

import torch
from torch import Tensor

from dancenow.skeleton import LIMBS, NUM_KEYPOINTS

NUM_LIMBS: Final = len(LIMBS)
NUM_CHANNELS: Final = NUM_KEYPOINTS + 2 * NUM_LIMBS

HEATMAP_SIGMA: Final = 0.016
LIMB_SIGMA: Final = 0.012
"""Standard deviations as a share of the canvas: about one and a half cells of a 64-cell map, so that bilinear sampling
recovers positions to a fraction of a canvas pixel."""


def draw_pose(xy: Tensor, confidence: Tensor, depth: Tensor, canvas_px: int, cells: int) -> Tensor:
    """Draw poses on a coarse grid.

    Args:
        xy: float [N,K,2] keypoints in canvas px. confidence: [N,K] in [0,1], 0 = missing. depth: [N,K] canvas px.
        canvas_px: side of the canvas that xy refers to.
        cells: side of the maps; each cell covers canvas_px / cells px.

    Returns:
        float [N, K + 2 L, cells, cells]: heatmaps and limb capsules in [0,1], then capsules times depth in [-1,1].
    """
    grid = (torch.arange(cells, device=xy.device, dtype=xy.dtype) + 0.5) / cells
    at = (xy + 0.5) / canvas_px
    maps = [_heatmaps(at, confidence, grid)]
    limbs = torch.as_tensor(LIMBS, device=xy.device)
    present = confidence[:, limbs].amin(dim=2)
    capsule = _capsules(at[:, limbs], present, grid)
    limb_depth = torch.tanh(depth[:, limbs].mean(dim=2) * (4.0 / canvas_px))
    return torch.cat([*maps, capsule, capsule * limb_depth[..., None, None]], dim=1)


def _heatmaps(at: Tensor, confidence: Tensor, grid: Tensor) -> Tensor:
    """Separable: exp(-(dx^2 + dy^2) / 2s^2) is an outer product of two vectors. [N,K,2] -> [N,K,S,S]."""
    line = torch.exp(-0.5 * ((grid - at[..., None]) / HEATMAP_SIGMA) ** 2)
    return line[:, :, 1, :, None] * line[:, :, 0, None, :] * confidence[..., None, None]


def _capsules(ends: Tensor, present: Tensor, grid: Tensor) -> Tensor:
    """Soft segments: exp(-d^2 / 2s^2) of the distance d to the segment. ends [N,L,2,2], present [N,L] -> [N,L,S,S]."""
    start, along = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    length2 = along.square().sum(dim=-1).clamp_min(1e-8)
    dx = grid - start[..., 0, None]
    dy = grid - start[..., 1, None]
    unit = along / length2[..., None]
    position = (dy * unit[..., 1, None])[..., :, None] + (dx * unit[..., 0, None])[..., None, :]
    position = position.clamp_(0.0, 1.0)
    off_x = dx[..., None, :] - position * along[..., 0, None, None]
    off_y = dy[..., :, None] - position * along[..., 1, None, None]
    return torch.exp((off_x.square_() + off_y.square_()) * (-0.5 / LIMB_SIGMA**2)) * present[..., None, None]
