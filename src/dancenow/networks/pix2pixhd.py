"""The networks of pix2pixHD (Wang et al., 2018) with the sizes of its section 3.1 and appendix, for any number of channels.

Everybody Dance Now (Chan et al., 2019) is built on them, and benchmarks compare with them.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DOWNSAMPLINGS = 4
BLOCKS = 9
ENHANCER_BLOCKS = 3
MIN_DISCRIMINATOR_PX = 24
"""The smallest side at which a patch discriminator gives a score."""
DEPTH = 4
"""Layers of a patch discriminator whose features are matched, before the scores."""


class GlobalGenerator(nn.Module):
    """c7s1-64, d128, d256, d512, d1024, nine R1024, u512, u256, u128, u64, c7s1-3 for width 64: 182 million parameters.

    [N,inputs,H,W] to an image [N,3,H,W] in [-1,1]; H and W are multiples of 16, and 32 or more.
    """

    def __init__(self, inputs: int, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(DOWNSAMPLINGS + 1)]
        self.trunk = nn.Sequential(
            _wide(inputs, width),
            *(_down(a, b) for a, b in pairwise(widths)),
            *(ResidualBlock(widths[-1]) for _ in range(BLOCKS)),
            *(_up(b, a) for a, b in reversed(list(pairwise(widths)))),
        )
        self.leave = _to_image(width)
        self.apply(_as_published)

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = self.leave(self.features(x))
        return image

    def features(self, x: Tensor) -> Tensor:
        """The last features [N,width,H,W], which the enhancer uses."""
        features: Tensor = self.trunk(x)
        return features


class LocalEnhancer(nn.Module):
    """c7s1-32, d64, three R64, u32, c7s1-3 around a global generator of width 64 that works at half the resolution.

    The global generator's last features are added to the enhancer's at half resolution. H and W are multiples of 32.
    """

    def __init__(self, inputs: int, global_width: int = 64) -> None:
        super().__init__()
        width = global_width // 2
        self.enter = nn.Sequential(_wide(inputs, width), _down(width, global_width))
        self.trunk = nn.Sequential(*(ResidualBlock(global_width) for _ in range(ENHANCER_BLOCKS)), _up(global_width, width))
        self.leave = _to_image(width)
        self.apply(_as_published)

    def forward(self, x: Tensor, whole: GlobalGenerator) -> Tensor:
        image: Tensor = self.leave(self.trunk(self.enter(x) + whole.features(F.avg_pool2d(x, 2))))
        return image


class ResidualBlock(nn.Module):
    """Rk: two 3x3 convolutions with reflected borders and instance norm, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.body(x)
        return changed


class PatchGAN(nn.Module):
    """C64, C128, C256, C512 and the scores: each sees 70x70 px (Isola et al., 2017). Sides are 24 px or more."""

    def __init__(self, inputs: int, width: int = 64) -> None:
        super().__init__()
        widths = [inputs, width, 2 * width, 4 * width, 8 * width]
        strides = [2, 2, 2, 1]
        layers: list[nn.Module] = []
        for level, stride in enumerate(strides):
            convolution = nn.Conv2d(widths[level], widths[level + 1], 4, stride=stride, padding=1)
            norm = [nn.InstanceNorm2d(widths[level + 1])] if level else []
            layers.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2)))
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv2d(widths[-1], 1, 4, padding=1)
        self.apply(_as_published)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores [N,1,h,w] and the features of every layer."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.score(x), features


class MultiScalePatchGAN(nn.Module):
    """One separate network per scale: on the image, the image at half the size, and so on."""

    def __init__(self, inputs: int, width: int, scales: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchGAN(inputs, width) for _ in range(scales))

    def forward(self, parts: Sequence[Tensor]) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Inputs that are concatenated, [N,*,H,W] each, to the scores and the features at every scale."""
        x = torch.cat(list(parts), dim=1)
        scores, features = [], []
        for level, discriminator in enumerate(self.scales):
            if level:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            score, layer_features = discriminator(x)
            scores.append(score.float())  # their squares are summed: too coarse in bfloat16
            features.append(layer_features)
        return scores, features


def _wide(inputs: int, outputs: int) -> nn.Sequential:
    """c7s1-k."""
    convolution = nn.Conv2d(inputs, outputs, 7, padding=3, padding_mode="reflect")
    return nn.Sequential(convolution, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    """dk."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
    return nn.Sequential(convolution, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True))


def _up(inputs: int, outputs: int) -> nn.Sequential:
    """uk: a convolution with stride 1/2."""
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(convolution, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True))


def _to_image(width: int) -> nn.Sequential:
    """c7s1-3 with tanh instead of the norm."""
    return nn.Sequential(nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect"), nn.Tanh())


def _as_published(module: nn.Module) -> None:
    """Weights start as Gaussians of standard deviation .02 (pix2pixHD, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
