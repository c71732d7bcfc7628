"""Perceptual distance of two images: distances between deep features of an ImageNet trunk, as a loss and as a metric.

It has the form of LPIPS (Zhang et al., CVPR 2018) without its learned weights, on EfficientNet-Lite0 (Tan and Le, 2019; weights
Apache-2.0), whose batch normalizations are folded into the convolutions on loading.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.storage import pretrained

STRIDES: Final = (2, 4, 8, 16, 32)
"""Input px per feature px of each stage."""
STAGE_ENDS: Final = (0, 2, 4, 10, 15)
"""The block that ends each stage: the last one at its resolution."""
# Repeats, kernel, stride of the first, expansion, channels in, channels out: the Lite0 variant of the paper's table 1.
STAGES: Final = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
POOLED_CHANNELS: Final = 1280
BATCH_NORM_EPSILON: Final = 1e-3  # TensorFlow's, with which the weights were trained
NORM_EPSILON: Final = 1e-8


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: with stride 2 and an odd remainder, the far side gets the extra row."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        # Padding by one more on both sides and dropping the first output is the uneven padding, without copying the input.
        drop = [int(self.stride[0] == 2 and size % 2 == 0) for size in x.shape[-2:]]
        padding = [(self.kernel_size[0] - 1) // 2 + extra for extra in drop]
        y = functional.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        kept: Tensor = y[..., drop[0] :, drop[1] :]
        return kept


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel, project by 1x1; add the input where the shapes agree (MobileNetV2)."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.expand = SameConv(channels_in, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, channels_out, 1)
        self.adds_input = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        # In place: this network is limited by memory traffic, not arithmetic.
        inner = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(functional.relu6(self.depthwise(inner), inplace=True))
        return x + y if self.adds_input else y


class EfficientNetTrunk(nn.Module):
    """EfficientNet-Lite0 without its classifier, frozen. It has no batch statistics, so train and eval mode are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList(
            InvertedResidual(kernel, stride if i == 0 else 1, expansion, channels_in if i == 0 else channels_out, channels_out)
            for repeats, kernel, stride, expansion, channels_in, channels_out in STAGES
            for i in range(repeats)
        )
        self.head = SameConv(320, POOLED_CHANNELS, 1)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time of the default on a CPU

    @classmethod
    def pretrained(cls) -> Self:
        """Load the trunk trained on ImageNet; its file is downloaded once and cached.

        Raises:
            UserError: the file is not in the cache and cannot be downloaded.
        """
        return cls.from_file(pretrained.path("efficientnet_lite0"))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Load the trunk with the weights of the published .pth file."""
        trunk = cls()
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for conv, conv_name, norm_name in trunk._published_names():
                weight, bias = _fold_batch_norm(state_dict, conv_name, norm_name)
                conv.weight.copy_(weight)
                assert conv.bias is not None
                conv.bias.copy_(bias)
        return trunk

    def _published_names(self) -> Iterator[tuple[SameConv, str, str]]:
        """Each convolution with the names of its weights and of the batch normalization behind it in the published file."""
        yield self.stem, "_conv_stem", "_bn0"
        for i, block in enumerate(self.blocks):
            assert isinstance(block, InvertedResidual)
            if block.expand is not None:
                yield block.expand, f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0"
            yield block.depthwise, f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1"
            yield block.project, f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2"
        yield self.head, "_conv_head", "_bn1"

    def features(self, image: Tensor, depth: int = len(STRIDES)) -> tuple[Tensor, ...]:
        """The last features at each of the first `depth` strides of 2, 4, 8, 16, 32.

        image: [N,3,H,W] RGB in [-1,1], any size. Returns tensors [N,C,ceil(H/stride),ceil(W/stride)], C = 16, 24, 40, 112, 320.
        """
        image = image.to(self.stem.weight.dtype, memory_format=torch.channels_last)
        x = functional.relu6(self.stem(_to_training_range(image)), inplace=True)
        outputs = []
        for i in range(STAGE_ENDS[depth - 1] + 1):
            x = self.blocks[i](x)
            if i in STAGE_ENDS:
                outputs.append(x)
        return tuple(outputs)

    def pooled(self, image: Tensor) -> Tensor:
        """One descriptor per image, float32 [N,1280], for a Fréchet distance. image: [N,3,H,W] RGB in [-1,1]."""
        return self.pool(self.features(image))

    def pool(self, features: tuple[Tensor, ...]) -> Tensor:
        """The same descriptor from existing features of all five strides."""
        return functional.relu6(self.head(features[-1])).mean((2, 3)).float()


class PerceptualDistance(nn.Module):
    """Perceptual distance of two images: 0 = the same, at most 4, lower is better.

    Mean over stages l of the mean over positions p of |a_lp / |a_lp| - b_lp / |b_lp||^2, with a_lp the features of an image at
    a position. Source: LPIPS (Zhang et al. 2018, eq. 1) with equal channel weights, on another trunk: its values are not those
    of LPIPS, for which see `dancenow.metrics.lpips`.

    depth: number of stages, finest first; 3 (to stride 8) suits a loss, all 5 a metric. Moved to bfloat16, which is faster on a
    GPU only, the trunk runs in it and the distance still in float32.
    """

    def __init__(self, trunk: EfficientNetTrunk | None = None, depth: int = len(STRIDES)) -> None:
        """Use the pretrained trunk unless one is given.

        Raises:
            UserError: the pretrained file is not in the cache and cannot be downloaded.
        """
        super().__init__()
        if not 1 <= depth <= len(STRIDES):
            raise ValueError(f"depth must be 1 to {len(STRIDES)}, got {depth}")
        self.trunk = EfficientNetTrunk.pretrained() if trunk is None else trunk
        self.depth = depth

    def forward(self, image: Tensor, reference: Tensor, weight: Tensor | None = None) -> Tensor:
        """Distances [N] between images [N,3,H,W] RGB in [-1,1]. Gradients flow to `image` only.

        weight: [N,1,H,W], at least 0: weight of each pixel; the distance is the weighted mean, so the scale does not matter.
        """
        return self.compare(self.features(image), self.reference_features(reference), weight)

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The trunk's features of the first `depth` stages, with gradients: see `EfficientNetTrunk.features`."""
        return self.trunk.features(image, self.depth)

    @torch.no_grad()
    def reference_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The same without gradients; keep them where one reference serves several comparisons."""
        return self.features(image)

    def pooled(self, image: Tensor) -> Tensor:
        """Descriptors float32 [N,1280] for a Fréchet distance: see `EfficientNetTrunk.pooled`."""
        return self.trunk.pooled(image)

    def compare(self, features: tuple[Tensor, ...], reference: tuple[Tensor, ...], weight: Tensor | None = None) -> Tensor:
        """Distances [N] between features of `features` or `reference_features`; `weight` as in `forward`."""
        stages = [_unit_distance(a, b) for a, b in zip(features, reference, strict=True)]
        if weight is None:
            means = [distance.mean((1, 2)) for distance in stages]
        else:
            means = [_weighted_mean(distance, weight) for distance in stages]
        return torch.stack(means).mean(0)


def _to_training_range(image: Tensor) -> Tensor:
    """Convert RGB in [-1,1] to the range of the training images: (value in 0..255 - 127) / 128."""
    return image * (127.5 / 128) + 0.5 / 128


def _fold_batch_norm(state_dict: Mapping[str, Tensor], conv_name: str, norm_name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution equivalent to a convolution followed by its frozen batch normalization."""
    gain = state_dict[f"{norm_name}.weight"] / torch.sqrt(state_dict[f"{norm_name}.running_var"] + BATCH_NORM_EPSILON)
    weight = state_dict[f"{conv_name}.weight"] * gain[:, None, None, None]
    return weight, state_dict[f"{norm_name}.bias"] - state_dict[f"{norm_name}.running_mean"] * gain


def _unit_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance [N,h,w] between the unit vectors of a and b [N,C,h,w]."""
    return (_unit(a.float()) - _unit(b.float())).square().sum(1)


def _unit(features: Tensor) -> Tensor:
    # The epsilon is inside the root: the gradient stays finite where all channels are zero.
    return features * torch.rsqrt(features.square().sum(1, keepdim=True) + NORM_EPSILON)


def _weighted_mean(distance: Tensor, weight: Tensor) -> Tensor:
    """[N] from distance [N,h,w] and weight [N,1,H,W], which is averaged over the area of each feature."""
    small = functional.adaptive_avg_pool2d(weight.float(), (distance.shape[-2], distance.shape[-1]))[:, 0]
    return (distance * small).sum((1, 2)) / small.sum((1, 2)).clamp_min(NORM_EPSILON)
