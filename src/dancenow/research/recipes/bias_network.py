"""The bias correction network for detected tracks: residual temporal convolutions over all keypoints of a body at once.

`pose.detectors.bias_correction` runs the trained network without torch and describes its inputs and outputs.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.pose.detectors.bias_correction import DILATIONS, FIRST_WIDTH, GAIN_IN, GAIN_OUT, INPUTS, OUTPUTS
from dancenow.skeleton import NUM_KEYPOINTS

KIND: Final = "corrector"
HIDDEN: Final = 160


class BiasCorrectionNetwork(nn.Module):
    """Predicts offsets of x, y and depth [N,G,K,3] for motions: keypoints [N,G,K,6] and limbs [N,L]
    (`pose.detectors.bias_correction.Motion`)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv1d(INPUTS, HIDDEN, FIRST_WIDTH, padding=FIRST_WIDTH // 2, padding_mode="replicate")
        self.blocks = nn.ModuleList(_Block(dilation, dropout) for dilation in DILATIONS)
        self.norm = nn.LayerNorm(HIDDEN)
        self.last = nn.Linear(HIDDEN, OUTPUTS)
        nn.init.zeros_(self.last.weight)  # initially no change
        nn.init.zeros_(self.last.bias)

    def forward(self, keypoints: Tensor, limbs: Tensor) -> Tensor:
        count, frames = keypoints.shape[:2]
        rows = torch.cat([keypoints.flatten(2), limbs[:, None].expand(-1, frames, -1)], dim=2)
        hidden = self.first((GAIN_IN * rows).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
        change: Tensor = self.last(functional.silu(self.norm(hidden)))
        return GAIN_OUT * change.view(count, frames, NUM_KEYPOINTS, 3)


class _Block(nn.Module):
    """A residual block of a temporal convolution on rows [N,G,H]."""

    def __init__(self, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(HIDDEN)
        self.time = nn.Conv1d(HIDDEN, HIDDEN, 3, padding=dilation, dilation=dilation, padding_mode="replicate")
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = functional.silu(self.time(self.norm(hidden).transpose(1, 2)).transpose(1, 2))
        change: Tensor = self.out(self.drop(inner))
        return hidden + change
