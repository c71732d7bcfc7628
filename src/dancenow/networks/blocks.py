"""Building blocks of several networks."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Residual block: two 3x3 convolutions, normalized, the sum activated by the next layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            normalize(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            normalize(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def normalize(channels: int) -> nn.Module:
    """Group norm: like instance norm it needs no batch, but it keeps the mean color of an image."""
    return nn.GroupNorm(max(1, channels // 16), channels)
