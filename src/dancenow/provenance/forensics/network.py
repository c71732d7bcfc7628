"""A small network on what is fine in two consecutive pictures and on what changes between them, trained from nothing.

What a blur takes away is all that it sees of the first picture (fine residuals: Fridrich and Kodovský, 2012).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX: Final = 16
"""Side of the patches that are judged; each is judged by what lies around it, too."""
_FINE_GAIN, _CHANGE_GAIN = 4.0, 2.0


@dataclass(frozen=True)
class ForensicConfig:
    """crop_px: side of the pictures it is made for. width: channels of the first stage. frames: 2 sees both pictures of a pair,
    1 the second alone, for comparison. blocks: residual blocks of each of the three stages after the first."""

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
    """Two convolutions beside a shortcut (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(8, after), nn.LeakyReLU(0.1, inplace=True)
    )


class FineNet(nn.Module):
    """Pairs of pictures in, a logit per patch out; positive says synthesized."""

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * times for times in (1, 2, 4, 5)]
        stages: list[nn.Module] = [_convolution(12 if config.frames == 2 else 6, widths[0], 2)]
        for (before, after), blocks in zip(pairwise(widths), config.blocks, strict=True):
            stages += [_convolution(before, after, 2), *(_Block(after) for _ in range(blocks))]
        self.body = nn.Sequential(*stages)
        self.head = nn.Conv2d(widths[-1], 1, 1)
        blur = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("blur", (blur[:, None] * blur).expand(3, 1, 5, 5).contiguous(), persistent=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Pairs [B,2,3,H,W] in [-1,1] to the logits of patches [B,1,H/16,W/16]."""
        before, now = pairs[:, 0], pairs[:, 1]
        seen = [now, self._fine(now)]
        if self.config.frames == 2:
            seen += [self._fine(before), (now - before) * _CHANGE_GAIN]
        logits: Tensor = self.head(self.body(torch.cat(seen, dim=1)))
        return logits

    def _fine(self, picture: Tensor) -> Tensor:
        """What a blur over five pixels takes away."""
        with torch.autocast(picture.device.type, enabled=False):  # half precision is coarser than what is looked for
            padded = F.pad(picture.float(), (2, 2, 2, 2), mode="reflect")
            return (picture - F.conv2d(padded, self.blur, groups=3)) * _FINE_GAIN  # type: ignore[arg-type]
