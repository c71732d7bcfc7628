"""The face network: predicts a residual for a face image, given the image and its landmark maps.

The residual face GAN of Everybody Dance Now (Chan et al., 2019, section 3.3) on a canvas of the face alone. Like the body's
generator it is a U-Net that never convolves at full resolution: images enter by pixel-unshuffle and leave by pixel-shuffle.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from dancenow.face.landmark_maps import NUM_MAPS
from dancenow.networks.blocks import Block, normalize

CANVAS_STEP_PX: Final = 16
"""Canvas sides are multiples of it."""
MIN_CANVAS_PX: Final = 48
"""The smallest canvas: below it the discriminator has no output."""
OUTPUT_GAIN: Final = 0.1
"""Gain of the last layer, which sums hundreds of features: without it the first steps of Adam distort the image strongly."""


@dataclass(frozen=True)
class FaceNetworkConfig:
    """Sizes of a face network.

    canvas_px: side of the square image, at about the footage's own scale. width: channels at half the resolution; deeper levels
    have 2 and 3 times as many. blocks: residual blocks at the deepest level.
    """

    canvas_px: int = 64
    width: int = 32
    blocks: int = 2

    def __post_init__(self) -> None:
        if self.canvas_px % CANVAS_STEP_PX or self.canvas_px < MIN_CANVAS_PX:
            raise ValueError(
                f"canvas_px must be a multiple of {CANVAS_STEP_PX} of at least {MIN_CANVAS_PX}, got {self.canvas_px}"
            )
        if self.width < 4 or self.blocks < 0:
            raise ValueError(f"width must be at least 4 and blocks at least 0, got {self.width} and {self.blocks}")


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, normalize(outputs), nn.ReLU(inplace=True))


class FaceNetwork(nn.Module):
    """Maps a face [N,3,S,S] in [-1,1] and its landmark maps [N,M,S,S] in [0,1] to the residual to add, [N,3,S,S].

    An untrained network adds nothing, so that training begins from the unchanged image.
    """

    def __init__(self, config: FaceNetworkConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.enter = nn.Sequential(nn.Conv2d(4 * (3 + NUM_MAPS), w, 1), _layer(w, w))
        self.down1 = nn.Sequential(_layer(w, 2 * w, stride=2), Block(2 * w))
        self.down2 = _layer(2 * w, 3 * w, stride=2)
        self.middle = nn.Sequential(*(Block(3 * w) for _ in range(config.blocks)))
        self.up2 = nn.Conv2d(3 * w, 2 * w, 1)
        self.join2 = nn.Sequential(_layer(4 * w, 2 * w), Block(2 * w))
        self.up1 = nn.Conv2d(2 * w, w, 1)
        self.join1 = nn.Sequential(_layer(2 * w, w), Block(w))
        self.leave = nn.Conv2d(w, 4 * 3, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, face: Tensor, maps: Tensor) -> Tensor:
        level0 = self.enter(self.unshuffle(torch.cat([face, maps.to(face.dtype)], dim=1)))
        level1 = self.down1(level0)
        deep = self.middle(self.down2(level1))
        level1 = self.join2(torch.cat([level1, self.upsample(self.up2(deep))], dim=1))
        level0 = self.join1(torch.cat([level0, self.upsample(self.up1(level1))], dim=1))
        added: Tensor = OUTPUT_GAIN * self.shuffle(self.leave(level0))
        return added


def refine_face(network: FaceNetwork, face: Tensor, maps: Tensor) -> Tensor:
    """The face [N,3,S,S] plus the network's residual, clamped to [-1,1]."""
    result: Tensor = face + network(face, maps).float()
    return result.clamp(-1, 1)
