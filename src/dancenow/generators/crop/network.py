"""The generator: pose maps in, the person's color and alpha out.

Like pix2pixHD (Wang et al., 2018: strided encoder, residual blocks, upsampling decoder, instance norm, a fine stage around a
coarse one), but a U-Net that never convolves at full resolution: poses enter at a quarter of it, and images leave by
pixel-shuffle (Shi et al., 2016). That makes it tens of times cheaper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from dancenow.errors import UserError
from dancenow.networks.blocks import Block, normalize
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

POSE_STRIDE = 4
"""Canvas px per cell of the pose maps, and of the encoder's first level."""
ALPHA_EPSILON = 1e-4
INITIAL_SHADOW = 0.02
SHADOW_GAIN = 6.0
"""With it shadows are learned in a few hundred steps of a draft; with less they stay faint."""
EMPTY_LOGIT = -2.0
"""Initial logit of alpha: an almost transparent image on the plate, not a gray veil over it."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of a generator.

    canvas_px: side of the square image. width: channels at the half-resolution level; deeper levels have 2, 4 and 6
    times as many. blocks: residual blocks at the deepest level. fine: the image is generated at half the canvas and refined by
    a second stage, for canvases of 1024 px. shade: also darken the plate, as the person's shadow does.
    """

    canvas_px: int = 256
    width: int = 32
    blocks: int = 4
    fine: bool = False
    shade: bool = False

    def __post_init__(self) -> None:
        step = 64 if self.fine else 32
        if self.canvas_px % step or self.canvas_px < 64:
            raise ValueError(f"canvas_px must be a multiple of {step} of at least 64, got {self.canvas_px}")
        if self.width < 4 or self.blocks < 0:
            raise ValueError(f"width must be at least 4 and blocks at least 0, got {self.width} and {self.blocks}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the sizes from a checkpoint's header.

        Versions before 0.2 wrote `previous`: whether the generator also saw the image that it generated before.

        Raises:
            UserError: it did; such models are not supported.
        """
        if data.get("previous"):
            raise UserError(
                "this model generates each image from the one before, which is no longer supported; train it again."
            )
        return cls(**{name: value for name, value in data.items() if name != "previous"})


def normalized_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, normalized and rectified."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, normalize(outputs), nn.ReLU(inplace=True))


def before_shuffle(inputs: int, outputs: int) -> nn.Conv2d:
    """The convolution before a pixel-shuffle by 2; the four pixels made from one are equal at the start.

    Without that (ICNR, Aitken et al., 2017) a checkerboard has to be trained away first.
    """
    convolution = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
    with torch.no_grad():
        for parameter in (convolution.weight, convolution.bias):
            assert parameter is not None
            parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
    return convolution


class FineStage(nn.Module):
    """Features [N,w,S/4,S/4] of the coarse stage and the squeezed pose [N,2w,S/4,S/4] to what is added to the coarse
    image at full size, [N,4,S,S] before the last activations; zero at the start (the enhancer of pix2pixHD, reversed).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = max(width // 2, 4)
        self.join = nn.Sequential(normalized_conv(3 * width, width), Block(width), before_shuffle(width, half))
        last = before_shuffle(half, 4)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.leave = nn.Sequential(normalized_conv(half, half), last)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, features: Tensor, pose: Tensor) -> Tensor:
        x = torch.relu(self.shuffle(self.join(torch.cat([features, pose], dim=1))))
        added: Tensor = self.shuffle(self.leave(x))
        return added


class _RecoveringReLU(torch.autograd.Function):
    """max(x, 0) that also has a slope below 0 for gradients that increase x, so that no unit dies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        recovering: Tensor = gradient * ((x > 0) | (gradient < 0))
        return recovering


class ShadowHead(nn.Module):
    """Features [N,C,h,w] to how much darker the plate becomes, [N,1,h,w] in [0,0.9]: a little everywhere at the start.

    The person's alpha cannot learn this: where it is 0, its sigmoid is flat. Here a place without shadow still has a gradient.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, 1, 3, padding=1)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, INITIAL_SHADOW / SHADOW_GAIN)
        self.body = nn.Sequential(normalized_conv(channels, width), last)

    def forward(self, features: Tensor) -> Tensor:
        dark: Tensor = self.body(features) * SHADOW_GAIN
        if not dark.requires_grad:
            return torch.relu(dark).clamp(max=0.9)
        shade: Tensor = _RecoveringReLU.apply(dark)  # type: ignore[no-untyped-call]
        return shade.clamp(max=0.9)


def composite_shadow(rgba: Tensor, shadow: Tensor) -> Tensor:
    """Combine an image [N,4,S,S] and a shadow [N,1,S,S]: the shadow is black with an alpha of its darkening."""
    color, alpha = rgba[:, :3], rgba[:, 3:]
    dark = shadow * (1 - alpha)
    covered = alpha + dark
    # Where nothing is visible the color is black, so that the first trace of a shadow has the right gradient.
    return torch.cat([(color * alpha - dark - ALPHA_EPSILON) / (covered + ALPHA_EPSILON), covered], dim=1)


class Features(NamedTuple):
    """What a generator of width w knows before its last layers: half [N,w,S/2,S/2], quarter [N,2w,S/4,S/4] and eighth
    [N,4w,S/8,S/8] of the canvas, from which shadows are made."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor


class Generator(nn.Module):
    """Pose maps [N,C,S/4,S/4] to RGBA [N,4,S,S]: color in [-1,1], alpha in [0,1].

    Every image is a function of its pose alone, so nothing drifts. `refining`: whether the fine stage, if any, takes part.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config, self.refining = config, True
        w = config.width
        # Squeezed first: many sparse maps hold little information per channel.
        self.pose = nn.Conv2d(NUM_CHANNELS, 2 * w, 1)
        self.enter = nn.Sequential(normalized_conv(2 * w, 2 * w), Block(2 * w))
        self.down1 = nn.Sequential(normalized_conv(2 * w, 4 * w, stride=2), Block(4 * w))
        self.down2 = normalized_conv(4 * w, 6 * w, stride=2)
        self.middle = nn.Sequential(*(Block(6 * w) for _ in range(config.blocks)))
        self.up2 = nn.Conv2d(6 * w, 4 * w, 3, padding=1)
        self.join2 = nn.Sequential(normalized_conv(8 * w, 4 * w), Block(4 * w))
        self.up1 = nn.Conv2d(4 * w, 2 * w, 3, padding=1)
        self.join1 = nn.Sequential(normalized_conv(4 * w, 2 * w), Block(2 * w))
        self.up0 = before_shuffle(2 * w, w)
        self.shuffle = nn.PixelShuffle(2)
        last = before_shuffle(w, 4)
        assert last.bias is not None
        with torch.no_grad():
            last.bias[-4:] = EMPTY_LOGIT
        self.leave = nn.Sequential(normalized_conv(w, w), last)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.fine = FineStage(w) if config.fine else None
        self.shade = ShadowHead(4 * w, w) if config.shade else None

    @property
    def num_inputs(self) -> int:
        """Channels of what `forward` takes."""
        return NUM_CHANNELS

    def forward(self, pose_maps: Tensor) -> Tensor:
        """See the class."""
        pose = self.pose(pose_maps)
        features = self._features(pose)
        out = self.shuffle(self.leave[1](features.half))
        if self.fine is not None:
            out = self.upsample(out)
            if self.refining:
                out = out + self.fine(features.half, pose)
        return self._with_shadow(activate(out), features.eighth)

    def _features(self, pose: Tensor) -> Features:
        """Features of a squeezed pose [N,2w,S/4,S/4]; all are half as large with a fine stage."""
        x = nn.functional.avg_pool2d(pose, 2) if self.fine is not None else pose
        level0 = self.enter(x)
        level1 = self.down1(level0)
        deep = self.middle(self.down2(level1))
        # Convolve, then upsample: a quarter of the cost of the other order.
        level1 = self.join2(torch.cat([level1, self.upsample(self.up2(deep))], dim=1))
        level0 = self.join1(torch.cat([level0, self.upsample(self.up1(level1))], dim=1))
        return Features(self.leave[0](torch.relu(self.shuffle(self.up0(level0)))), level0, level1)

    def _with_shadow(self, rgba: Tensor, eighth: Tensor) -> Tensor:
        return rgba if self.shade is None else composite_shadow(rgba.float(), self._shadow(eighth, self.shade))

    def _shadow(self, eighth: Tensor, shade: ShadowHead) -> Tensor:
        """How much darker the plate becomes, [N,1,S,S]."""
        size = [self.config.canvas_px] * 2
        return nn.functional.interpolate(shade(eighth).float(), size=size, mode="bilinear", align_corners=False)


def activate(out: Tensor) -> Tensor:
    """The last activations of an image [N,4,S,S]: color in [-1,1], alpha in [0,1]."""
    # Activate all channels, then slice: activations of a part of the channels take several times as long on a CPU.
    return torch.cat([torch.tanh(out)[:, :3], torch.sigmoid(out)[:, 3:]], dim=1)


def generate_clips(generator: Generator, maps: Tensor) -> Tensor:
    """Generate the frames of clips, [B,T,4,S,S] from pose maps [B,T,C,S/4,S/4]; gradients flow through the last frame alone.

    Neighboring frames are so alike that a second one with gradients teaches little for its cost.
    """
    frames: list[Tensor] = []
    last = maps.shape[1] - 1
    for t in range(last + 1):
        with torch.set_grad_enabled(torch.is_grad_enabled() and t == last):
            frames.append(generator(maps[:, t]))
    return torch.stack(frames, dim=1)
