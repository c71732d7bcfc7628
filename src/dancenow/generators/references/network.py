"""The generator of the crop family with a second source of pixels: references that are warped onto the pose.

Warped references enter beside the pose at a quarter of the canvas, and again, at half of it, before the last layer. There the
network first moves their pixels by a few px, because body parts are not rigid and keypoints err, and makes them brighter or
darker, because light falls differently on them. The color of each pixel is a mean of the generated one and of those of the
references, with weights that the network predicts; a reference that shows nothing at a pixel has no weight there.

In a finished image the outline of the head is copied, too, where it agrees with the generated one: a pose does not tell that of
hair.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from dancenow.generators.crop.network import (
    POSE_STRIDE,
    Generator,
    GeneratorConfig,
    activate,
    before_shuffle,
    composite_shadow,
    normalized_conv,
)
from dancenow.networks.blocks import normalize
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

CHANNELS_PER_SLOT = 4 * POSE_STRIDE**2
"""Of a warped reference: red, green, blue and validity of 4x4 px."""
INITIAL_LOGIT = 1.0
"""Of the weight of a reference: at the start a pixel is mostly copied where two references show it."""
_MAX_LOGIT = 6.0
DECISIVENESS = 4.0
"""Power of what each reference counts in a finished image, relative to the others."""
COPY_GAIN = 0.5
"""Logarithm of how much more copied pixels count in a finished image than in training, which rewards means."""
COPY_DECISIVENESS = 2.0
"""Power of what all references together count in a finished image, relative to the generated color: where both differ, a mean
looks like a ghost. With these three, filmed people are sharper and nearer to the truth by perceptual measures, and by SSIM as
near."""
SURE_FROM, SURE_TO = 0.25, 0.55
"""From how much knowledge of a head on its outline is copied in part, and from how much wholly."""
HEAD_EDGE = 2.0
"""Logarithm of the weight of a head's colors at its very edge, where the network sees no reference."""
AGREES_FROM, AGREES_TO = 0.8, 0.9
"""How much of a generated head and the copied one together is in both (intersection over union) from where on the outline is
copied, and where it may be as far as possible from what is generated: a head that looks elsewhere is copied in a wrong size."""
OUTLINE_REACH_PX = 4.0
"""Of a canvas of 256 px: how far the outline is from what is generated at most."""
MAX_SHIFT_PX = 8.0
"""How far the network moves pixels of a reference, along each axis of a canvas of 256 px."""
MAX_LOG_GAIN = 0.7
"""Logarithm of how much brighter or darker the network makes them."""


class ReferenceGenerator(Generator):
    """Pose maps and warped references [N,C+64 K,S/4,S/4] (see `PictureWarper`) to RGBA [N,4,S,S].

    With new layers at zero it generates what the plain generator of the same weights does, apart from the mean with the
    references.
    """

    means: Tensor

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
        self.align = nn.Sequential(*normalized_conv(4 * width, width), _zero(nn.Conv2d(width, 3 * slots, 3, padding=1)))
        self.recall = normalized_conv(width + 4 * slots, width)
        self.correct = _zero(nn.Conv2d(width, width, 1))
        self.mix = _zero(before_shuffle(width, slots))
        assert self.mix.bias is not None
        nn.init.constant_(self.mix.bias, INITIAL_LOGIT)
        self.register_buffer("means", _means_of_2x2(slots), persistent=False)

    @property
    def num_inputs(self) -> int:
        """Channels of what `forward` takes."""
        return NUM_CHANNELS + self.slots * CHANNELS_PER_SLOT

    def forward(self, pose_maps: Tensor) -> Tensor:
        """See the class; if `gives_plan`, what `finish` makes an image of, [N,4+4K(+1),S,S]: see `Plan.of`."""
        plan = self.plan(pose_maps)
        if self.gives_plan:
            return plan.joined()
        references = nn.functional.pixel_shuffle(pose_maps[:, NUM_CHANNELS:], POSE_STRIDE)
        return plan.mix(move_pixels(references, plan.shifts * largest_shift_px(self.config.canvas_px)))

    def plan(self, pose_maps: Tensor) -> "Plan":
        """What is to be done on the canvas."""
        warped = pose_maps[:, NUM_CHANNELS:]
        seen = self.see(warped)
        features = self._features(self.pose(pose_maps[:, :NUM_CHANNELS]) + seen)
        # At a quarter of the canvas, because bodies bend smoothly.
        aligned = torch.tanh(self.align(torch.cat([features.quarter, seen], dim=1)).float())
        aligned = self.upsample(aligned.contiguous())  # few channels that lie side by side are slow to enlarge
        shifts, gains = aligned[:, : 2 * self.slots], MAX_LOG_GAIN * aligned[:, 2 * self.slots :]
        halved = self.shuffle(nn.functional.conv2d(warped, self.means.to(warped.dtype)))
        moved = move_pixels(halved, shifts * (largest_shift_px(self.config.canvas_px) / 2))
        lit = brighten(moved.float(), gains).to(features.half.dtype)
        recalled = self.recall(torch.cat([features.half, lit], dim=1))
        rgba = activate(self.shuffle(self.leave[1](features.half + self.correct(recalled))).float())  # alpha near 1 has a slope
        logits = self.shuffle(self.mix(recalled)).float().clamp(max=_MAX_LOGIT)
        shadow = None if self.shade is None else self._shadow(features.eighth, self.shade)
        return Plan(rgba, logits, self.upsample(shifts), self.upsample(gains), shadow)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is generated at each px, and what is done with K references there.

    rgba: [N,4,h,w], generated color and alpha. logits: [N,K,h,w], the logarithm of the weight of each reference. shifts:
    [N,2K,h,w], how far its pixels are moved, as fractions of `MAX_SHIFT_PX`. gains: [N,K,h,w], the logarithm of how much
    brighter they become. shadow: [N,1,h,w], how much darker the plate becomes; None without a shadow head.
    """

    rgba: Tensor
    logits: Tensor
    shifts: Tensor
    gains: Tensor
    shadow: Tensor | None

    @classmethod
    def of(cls, joined: Tensor, slots: int) -> Self:
        """The inverse of `joined`."""
        sizes = [4, slots, 2 * slots, slots, joined.shape[1] - 4 - 4 * slots]
        rgba, logits, shifts, gains, shadow = joined.split(sizes, dim=1)
        return cls(rgba, logits, shifts, gains, shadow if shadow.shape[1] else None)

    def joined(self) -> Tensor:
        """All in one, [N,4+4K(+1),h,w]."""
        shadow = [] if self.shadow is None else [self.shadow]
        return torch.cat([self.rgba, self.logits, self.shifts, self.gains, *shadow], dim=1)

    def mix(self, moved: Tensor) -> Tensor:
        """The image RGBA [N,4,h,w] with references [N,4K,h,w] that were moved as planned."""
        mixed = mix_colors(self.rgba, brighten(moved.float(), self.gains), self.logits)
        return mixed if self.shadow is None else composite_shadow(mixed, self.shadow)


def finish(plan: Plan, warped: Tensor, head: Tensor, canvas_px: int) -> Tensor:
    """The image RGBA [N,4,h,w] of a plan, warped references [N,4K,h,w] and the head of the first one [N,5,h,w], see
    `FinePictures`, with signed colors.

    All may be enlarged, or a part of the canvas; canvas_px: the whole canvas at their resolution. A mean of several pictures
    is less sharp than any of them, so the one that counts most counts more here than in training, see `DECISIVENESS`.
    """
    shifts = plan.shifts * largest_shift_px(canvas_px)
    moved, head = move_pixels(warped, shifts), move_pixels(head, shifts[:, :2])
    counts = plan.logits + moved[:, 3::4].clamp_min(1e-6).log()
    together = COPY_DECISIVENESS * (counts.logsumexp(dim=1, keepdim=True) + COPY_GAIN)
    decided = torch.log_softmax(DECISIVENESS * counts, dim=1) + together
    validity = head[:, 3:4]
    alpha, sure = _outline(plan.rgba[:, 3:], validity, head[:, 4:], canvas_px)
    # Where the network sees no reference, and where it generates nobody.
    edge = sure * torch.maximum(validity - moved[:, 3:4], validity * (1 - plan.rgba[:, 3:]))
    logits = torch.cat([plan.logits + decided - counts, torch.full_like(edge, HEAD_EDGE)], dim=1)
    outlined = replace(
        plan, rgba=torch.cat([plan.rgba[:, :3], alpha], dim=1), logits=logits,
        gains=torch.cat([plan.gains, plan.gains[:, :1]], dim=1),
    )  # fmt: skip
    return outlined.mix(torch.cat([moved, head[:, :4] * (edge / validity.clamp_min(1e-6))], dim=1))


def _outline(alpha: Tensor, validity: Tensor, known: Tensor, canvas_px: int) -> tuple[Tensor, Tensor]:
    """An alpha [N,1,h,w] with the outline of a head, and how sure it is of that head, [N,1,h,w]."""
    sure = ((known - SURE_FROM) / (SURE_TO - SURE_FROM)).clamp(0, 1)
    copied = validity / known.clamp_min(1e-6)
    both, either = ((sure * f(alpha, copied)).sum(dim=(2, 3)) for f in (torch.minimum, torch.maximum))
    agreement = ((both / either.clamp_min(1e-6) - AGREES_FROM) / (AGREES_TO - AGREES_FROM)).clamp(0, 1)
    reaches_px = [round(share * OUTLINE_REACH_PX * canvas_px / 256) for share in agreement[:, 0].tolist()]
    limits = [_limits(each, reach_px) for each, reach_px in zip(alpha, reaches_px, strict=True)]
    least, most = (torch.stack(each) for each in zip(*limits, strict=True))
    return torch.lerp(alpha, torch.minimum(torch.maximum(copied, least), most), sure), sure * agreement[..., None, None]


def _limits(alpha: Tensor, reach_px: int) -> tuple[Tensor, Tensor]:
    """The least and the largest alpha [1,h,w] near each px."""
    least, most = (sign * nn.functional.max_pool2d(sign * alpha, 2 * reach_px + 1, 1, reach_px) for sign in (-1, 1))
    return least, most


def largest_shift_px(canvas_px: int) -> float:
    """How far the network moves pixels on a canvas of a size."""
    return MAX_SHIFT_PX * canvas_px / 256


def _means_of_2x2(slots: int) -> Tensor:
    """Weights [16K,64K,1,1] of a convolution: blocks of 4x4 px of K images to blocks of 2x2 means of 2x2 px."""
    one = torch.eye(2).repeat_interleave(2, dim=1) / 2
    return torch.kron(torch.eye(4 * slots), torch.kron(one, one))[:, :, None, None]


def move_pixels(planes: Tensor, shifts: Tensor) -> Tensor:
    """Look each pixel of K images of C planes [N,CK,S,S] up `shifts` [N,2K,S,S] px (right, down) beside itself; outside all is
    0."""
    count, _, height, width = planes.shape
    by = shifts.reshape(-1, 2, height, width)
    each = planes.float().reshape(len(by), -1, height, width)
    x = torch.arange(width, device=planes.device) + by[:, 0]
    y = torch.arange(height, device=planes.device)[:, None] + by[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    moved = nn.functional.grid_sample(each, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.reshape(count, -1, height, width).to(planes.dtype)


def brighten(planes: Tensor, gains: Tensor) -> Tensor:
    """K images [N,4K,S,S], brighter by the logarithms [N,K,S,S]: signed colors, multiplied by validity, and validity."""
    each = planes.unflatten(1, (-1, 4))
    color, validity = each[:, :, :3], each[:, :, 3:]
    lit = (color + validity) * gains.exp()[:, :, None] - validity
    return torch.cat([lit, validity], dim=2).flatten(1, 2)


def mix_colors(rgba: Tensor, warped: Tensor, logits: Tensor) -> Tensor:
    """Mix a generated image [N,4,S,S] with K warped ones [N,4K,S,S], whose colors are multiplied by their validity, by the
    logarithms [N,K,S,S] of their weights at full validity; the generated color has the weight 1."""
    color, total = rgba[:, :3], torch.ones_like(rgba[:, :1])
    for planes, weight in zip(warped.split(4, dim=1), logits.exp().split(1, dim=1), strict=True):
        color = torch.addcmul(color, planes[:, :3], weight)
        total = torch.addcmul(total, planes[:, 3:], weight)
    return torch.cat([color / total, rgba[:, 3:]], dim=1)


def _zero(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
