"""The generator of the crop family with a second source of pixels: references that are warped onto the pose.

Warped references enter beside the pose at a quarter of the canvas, and again before the last layer. There the network first
moves their pixels by a few px, because body parts are not rigid and keypoints err. The color of each pixel is a mean of the
generated one and of those of the references, with weights that the network predicts; a reference that shows nothing at a pixel
has no weight there.
"""

import torch
from torch import Tensor, nn

from dancenow.generators.crop.network import (
    POSE_STRIDE,
    Generator,
    GeneratorConfig,
    activate,
    before_shuffle,
    composite_shadow,
)
from dancenow.networks.blocks import normalize
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

CHANNELS_PER_SLOT = 4 * POSE_STRIDE**2
"""Of a warped reference: red, green, blue and validity of 4x4 px."""
INITIAL_LOGIT = 1.0
"""Of the weight of a reference: at the start a pixel is mostly copied where two references show it."""
_MAX_LOGIT = 6.0
MAX_SHIFT_PX = 8.0
"""How far the network moves pixels of a reference, along each axis of a canvas of 256 px."""


class ReferenceGenerator(Generator):
    """Pose maps and warped references [N,C+64 K,S/4,S/4] (see `PictureWarper`) to RGBA [N,4,S,S].

    With new layers at zero it generates what the plain generator of the same weights does, apart from the mean with the
    references.
    """

    def __init__(self, config: GeneratorConfig, slots: int) -> None:
        """slots: number K of warped references.

        Raises:
            ValueError: the generator has a fine stage.
        """
        if config.fine:
            raise ValueError("a generator with references has no fine stage")
        super().__init__(config)
        self.slots, self.gives_plan, width = slots, False, config.width
        self.see = nn.Sequential(
            nn.Conv2d(slots * CHANNELS_PER_SLOT, 2 * width, 1, bias=False), normalize(2 * width), nn.ReLU(inplace=True),
            _zero(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
        )  # fmt: skip
        self.align = nn.Sequential(*_beside(width, slots), _zero(nn.Conv2d(width, 2 * slots, 3, padding=1)))
        self.recall = nn.Sequential(*_beside(width, slots))
        self.correct = _zero(nn.Conv2d(width, width, 1))
        self.mix = _zero(before_shuffle(width, slots))
        assert self.mix.bias is not None
        nn.init.constant_(self.mix.bias, INITIAL_LOGIT)

    @property
    def num_inputs(self) -> int:
        """Channels of what `forward` takes."""
        return NUM_CHANNELS + self.slots * CHANNELS_PER_SLOT

    def forward(self, pose_maps: Tensor) -> Tensor:
        """See the class; if `gives_plan`, the plan alone."""
        plan, moved = self.plan(pose_maps)
        return plan if self.gives_plan else _mix_plan(plan, moved)

    def plan(self, pose_maps: Tensor) -> tuple[Tensor, Tensor]:
        """What `finish` makes an image of, [N,4+3K(+1),S,S], and the references moved as planned, [N,4K,S,S].

        Generated color and alpha; for each reference the logarithm of its weight, and how far its pixels are moved as fractions
        of `MAX_SHIFT_PX`; with a shadow head, how much darker the plate becomes.
        """
        maps, warped = pose_maps[:, :NUM_CHANNELS], pose_maps[:, NUM_CHANNELS:]
        features, level1 = self._features(self.pose(maps) + self.see(warped))
        full = nn.functional.pixel_shuffle(warped, POSE_STRIDE)
        shifts = self._shifts(features, full)
        moved = move_pixels(full, shifts * largest_shift_px(self.config.canvas_px))
        recalled = self.recall(_beside_features(features, moved))
        rgba = activate(self.shuffle(self.leave[1](features + self.correct(recalled)))).float()
        logits = self.shuffle(self.mix(recalled)).float().clamp(max=_MAX_LOGIT)
        shadow = [] if self.shade is None else [self._shadow(level1, self.shade)]
        return torch.cat([rgba, logits, shifts, *shadow], dim=1), moved

    def _shifts(self, features: Tensor, full: Tensor) -> Tensor:
        """How far the pixels of each reference are moved, [N,2K,S,S], as fractions of `MAX_SHIFT_PX`."""
        shifts: Tensor = self.upsample(torch.tanh(self.align(_beside_features(features, full)).float()))
        return shifts


def finish(plan: Tensor, warped: Tensor, canvas_px: int) -> Tensor:
    """The image RGBA [N,4,h,w] of a plan [N,4+3K(+1),h,w] (see `ReferenceGenerator.plan`) and warped references [N,4K,h,w].

    Both may be enlarged, or a part of the canvas; canvas_px: the whole canvas at their resolution.
    """
    slots = warped.shape[1] // 4
    shifts = plan[:, 4 + slots : 4 + 3 * slots]
    return _mix_plan(plan, move_pixels(warped, shifts * largest_shift_px(canvas_px)))


def _mix_plan(plan: Tensor, moved: Tensor) -> Tensor:
    """The image RGBA [N,4,h,w] of a plan and the references moved as planned."""
    slots = moved.shape[1] // 4
    mixed = mix_colors(plan[:, :4], moved.float(), plan[:, 4 : 4 + slots])
    shadow = plan[:, 4 + 3 * slots :]
    return composite_shadow(mixed, shadow) if shadow.shape[1] else mixed


def largest_shift_px(canvas_px: int) -> float:
    """How far the network moves pixels on a canvas of a size."""
    return MAX_SHIFT_PX * canvas_px / 256


def _beside_features(features: Tensor, full: Tensor) -> Tensor:
    """Features and the pixels of the references, both at half the canvas."""
    return torch.cat([features, nn.functional.pixel_unshuffle(full, 2)], dim=1)


def move_pixels(planes: Tensor, shifts: Tensor) -> Tensor:
    """Look each pixel of K images [N,4K,S,S] up `shifts` [N,2K,S,S] px (right, down) beside itself; outside all is 0."""
    count, _, height, width = planes.shape
    each, by = planes.float().reshape(-1, 4, height, width), shifts.reshape(-1, 2, height, width)
    x = torch.arange(width, device=planes.device) + by[:, 0]
    y = torch.arange(height, device=planes.device)[:, None] + by[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    moved = nn.functional.grid_sample(each, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.reshape(count, -1, height, width).to(planes.dtype)


def mix_colors(rgba: Tensor, warped: Tensor, logits: Tensor) -> Tensor:
    """Mix a generated image [N,4,S,S] with K warped ones [N,4K,S,S], whose colors are multiplied by their validity, by the
    logarithms [N,K,S,S] of their weights at full validity; the generated color has the weight 1."""
    planes = warped.unflatten(1, (-1, 4))
    weight = logits.exp()[:, :, None]
    color = rgba[:, :3] + (planes[:, :, :3] * weight).sum(dim=1)
    total = 1 + (planes[:, :, 3:] * weight).sum(dim=1)
    return torch.cat([color / total, rgba[:, 3:]], dim=1)


def _beside(width: int, slots: int) -> tuple[nn.Module, ...]:
    """A layer that sees the generated features beside the pixels of the references, both at half the canvas."""
    convolution = nn.Conv2d(width + slots * CHANNELS_PER_SLOT // 4, width, 3, padding=1, bias=False)
    return convolution, normalize(width), nn.ReLU(inplace=True)


def _zero(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
