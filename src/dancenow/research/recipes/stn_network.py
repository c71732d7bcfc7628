"""A spatial transformer for poses: a localization network on two tracks, and differentiable sampling of the pose tensor.

After Jaderberg et al., 2015: theta -> grid -> sampler; here theta is a similarity of log scale, rotation and translation per
clip, and also moves the keypoints. `pose.retargeting.spatial_transformer` runs the trained network without torch.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.pose.retargeting.spatial_transformer import FIGURE_INPUTS, FRAME_INPUTS, REACH

KIND: Final = "transformer"
FRAME_CODE: Final = 48
HIDDEN: Final = 96
WINDOW: Final = 3.2
"""Side of the square that the pose tensor shows, in heights of the body, around a point half a height above home."""
HEATMAP_SIGMA: Final = 0.09
"""Standard deviation of a keypoint's Gaussian, in heights: wide, so that the sampler's gradient reaches."""


class LocalizationNet(nn.Module):
    """Predicts (log scale, rotation, x, y) [N,4] from frames [N,F,4K] with weights [N,F] and figures [N,G] of source and
    target.

    Frames are encoded one by one and averaged over the clip, so that neither their number nor their order matters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames = nn.Sequential(nn.Linear(FRAME_INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, FRAME_CODE), nn.ReLU())
        inputs = 2 * (FIGURE_INPUTS + FRAME_CODE)
        self.clip = nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4)
        )
        last = self.clip[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # initially the identity
        nn.init.zeros_(last.bias)
        self.reach: Tensor
        self.register_buffer("reach", torch.tensor([REACH[0], REACH[1], REACH[2], REACH[2]]), persistent=False)

    def forward(
        self,
        source_frames: Tensor,
        source_known: Tensor,
        source_figure: Tensor,
        target_frames: Tensor,
        target_known: Tensor,
        target_figure: Tensor,
    ) -> Tensor:
        """theta [N,4]."""
        codes = [self._code(source_frames, source_known), self._code(target_frames, target_known)]
        theta: Tensor = torch.tanh(self.clip(torch.cat([source_figure, target_figure, *codes], dim=1))) * self.reach
        return theta

    def _code(self, frames: Tensor, known: Tensor) -> Tensor:
        coded: Tensor = self.frames(frames) * known[..., None]
        return coded.sum(dim=1) / known.sum(dim=1, keepdim=True).clamp_min(1e-6)


def move_points(theta: Tensor, xy: Tensor) -> Tensor:
    """Apply theta [N,4] to points [N,...,2] in heights from home."""
    linear, shift = _affine(theta)
    flat = xy.flatten(1, -2) @ linear.transpose(1, 2) + shift[:, None]
    return flat.reshape(xy.shape)


def move_tensor(theta: Tensor, maps: Tensor) -> Tensor:
    """Sample pose tensors [N,C,S,S] through theta [N,4]: the counterpart of `move_points` for heatmaps."""
    linear, shift = _affine(theta)
    # The window is centered half a height above home; affine_grid takes the source position of each pixel.
    centre = torch.tensor([0.0, -0.5], device=maps.device, dtype=maps.dtype)
    inverse = torch.linalg.inv(linear)
    back = (inverse @ (centre - shift)[..., None])[..., 0] - centre
    matrix = torch.cat([inverse, (back / (WINDOW / 2))[..., None]], dim=2)
    grid = functional.affine_grid(matrix, list(maps.shape), align_corners=False)
    return functional.grid_sample(maps, grid, align_corners=False)


def draw_heatmaps(xy: Tensor, confidence: Tensor, cells: int) -> Tensor:
    """Draw points [N,K,2], in heights from home, as a pose tensor [N,K,S,S]."""
    centre = torch.tensor([0.0, -0.5], device=xy.device, dtype=xy.dtype)
    line = ((torch.arange(cells, device=xy.device, dtype=xy.dtype) + 0.5) / cells - 0.5) * WINDOW
    at = xy - centre
    along = torch.exp(-0.5 * ((line - at[..., None]) / HEATMAP_SIGMA) ** 2)
    return along[:, :, 1, :, None] * along[:, :, 0, None, :] * confidence[..., None, None]


def _affine(theta: Tensor) -> tuple[Tensor, Tensor]:
    scale, turn = theta[:, 0].exp(), theta[:, 1]
    cos, sin = scale * turn.cos(), scale * turn.sin()
    return torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1), theta[:, 2:]
