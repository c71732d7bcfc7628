"""Multi-scale patch discriminators of one image or of two consecutive images.

PatchGAN at several scales as in pix2pixHD (Wang et al., 2018); the temporal one sees two images and two poses, as in
Everybody Dance Now (Chan et al., 2019). Poses join where the features have the resolution of the pose maps.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS


@dataclass(frozen=True)
class DiscriminatorConfig:
    """frames: consecutive images that are seen together. width: channels of the first layer. scales: pyramid levels."""

    frames: int = 1
    width: int = 24
    scales: int = 2


@dataclass(frozen=True, eq=False)
class DiscriminatorOutput:
    """Per scale: the patch scores [N,1,h,w], and the features of every layer for feature matching."""

    scores: list[Tensor]
    features: list[list[Tensor]]


class PatchDiscriminator(nn.Module):
    """One scale: 3 strided and one plain convolution; every score sees a patch of about 70 px."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        w = config.width
        self.image1 = nn.Sequential(nn.Conv2d(3 * config.frames, w, 4, stride=2, padding=1), nn.LeakyReLU(0.2))
        self.image2 = self._layer(w, 2 * w, stride=2)
        # Squeezed first: the many sparse maps would otherwise cost more than the image.
        self.pose = nn.Conv2d(NUM_CHANNELS * config.frames, 2 * w, 1)
        self.joint = self._layer(4 * w, 4 * w, stride=2)
        self.deep = self._layer(4 * w, 4 * w, stride=1)
        self.score = nn.Conv2d(4 * w, 1, 3, padding=1)

    @staticmethod
    def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        kernel = 4 if stride == 2 else 3
        convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False)
        return nn.Sequential(convolution, nn.InstanceNorm2d(outputs, affine=True), nn.LeakyReLU(0.2))

    def forward(self, images: Tensor, pose_maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        first = self.image1(images)
        second = self.image2(first)
        third = self.joint(torch.cat([second, self.pose(pose_maps)], dim=1))
        fourth = self.deep(third)
        return self.score(fourth), [first, second, third, fourth]


class Discriminator(nn.Module):
    """Images [N,3T,S,S] and pose maps [N,CT,S/4,S/4] of T consecutive frames to a `DiscriminatorOutput` at every scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.pyramid = nn.ModuleList(PatchDiscriminator(config) for _ in range(config.scales))

    def forward(self, images: Tensor, pose_maps: Tensor) -> DiscriminatorOutput:
        expected = pose_maps.shape[-1] * POSE_STRIDE
        if images.shape[-1] != expected:
            raise ValueError(f"pose maps of {pose_maps.shape[-1]} cells go with {expected} px, got {images.shape[-1]} px")
        scores, features = [], []
        for level, discriminator in enumerate(self.pyramid):
            if level:
                images, pose_maps = F.avg_pool2d(images, 2), F.avg_pool2d(pose_maps, 2)
            score, layer_features = discriminator(images, pose_maps)
            scores.append(score)
            features.append(layer_features)
        return DiscriminatorOutput(scores, features)
