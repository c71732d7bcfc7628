"""A small network on the fine detail of two consecutive frames and on the change between them, trained from scratch.

Of the first frame it sees only the high-pass residual (noise residuals: Fridrich and Kodovský, 2012).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX: Final = 16
"""Side of the scored patches; the receptive field is larger."""
_RESIDUAL_GAIN, _CHANGE_GAIN = 4.0, 2.0


@dataclass(frozen=True)
class ForensicConfig:
    """crop_px: side of the input images. width: channels of the first stage. frames: 2 uses both frames of a pair, 1 only the
    second, for comparison. blocks: residual blocks in each of the three stages after the first."""

    crop_px: int = 224
    width: int = 24
    frames: Literal[1, 2] = 2
    blocks: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        if self.crop_px % PATCH_PX or self.crop_px < 2 * PATCH_PX:
            raise ValueError(f"crop_px must be a multiple of {PATCH_PX}, at least {2 * PATCH_PX}, got {self.crop_px}")
        if self.width % 8 or self.width < 8 or self.frames not in (1, 2):
            raise ValueError(f"width must be a multiple of 8 and frames 1 or 2, got {self.width} and {self.frames}")


class _Block(nn.Module):
    """A residual block of two convolutions (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def _convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.GroupNorm(8, out_channels),
        nn.LeakyReLU(0.1, inplace=True),
    )


class ForensicNet(nn.Module):
    """Map pairs of frames to a logit per patch; positive means synthesized."""

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * times for times in (1, 2, 4, 5)]
        stages: list[nn.Module] = [_convolution(12 if config.frames == 2 else 6, widths[0], 2)]
        for (in_channels, out_channels), blocks in zip(pairwise(widths), config.blocks, strict=True):
            stages += [_convolution(in_channels, out_channels, 2), *(_Block(out_channels) for _ in range(blocks))]
        self.body = nn.Sequential(*stages)
        self.head = nn.Conv2d(widths[-1], 1, 1)
        blur = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("blur", (blur[:, None] * blur).expand(3, 1, 5, 5).contiguous(), persistent=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map pairs [B,2,3,H,W] in [-1,1] to patch logits [B,1,H/16,W/16]."""
        first, second = pairs[:, 0], pairs[:, 1]
        features = [second, self._residual(second)]
        if self.config.frames == 2:
            features += [self._residual(first), (second - first) * _CHANGE_GAIN]
        logits: Tensor = self.head(self.body(torch.cat(features, dim=1)))
        return logits

    def _residual(self, image: Tensor) -> Tensor:
        """The high-pass residual: the image minus its 5x5 binomial blur."""
        with torch.autocast(image.device.type, enabled=False):  # half precision is coarser than the residual
            padded = F.pad(image.float(), (2, 2, 2, 2), mode="reflect")
            return (image - F.conv2d(padded, self.blur, groups=3)) * _RESIDUAL_GAIN  # type: ignore[arg-type]
