"""The two discriminators of a training, one for single pictures and one for two consecutive ones, and their optimizer.

They are taught with the generator's pictures, and then judge them: least squares and feature matching, as in pix2pixHD.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.discriminator import Discriminator, DiscriminatorConfig
from dancenow.generators.crop.image_losses import Window
from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.networks import losses
from dancenow.networks.warping import canvas_to_canvas, warp
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.training.safe_step import SafeOptimizerStep


@dataclass(frozen=True, eq=False)
class Judged:
    """One discriminator and what it is shown."""

    discriminator: Discriminator
    made: Tensor
    real: Tensor
    maps: Tensor


class Discriminators:
    """`spatial` sees the last picture of every clip, `temporal` the last two, with their poses."""

    def __init__(self, spatial: DiscriminatorConfig, temporal: DiscriminatorConfig, learning_rate: float) -> None:
        self.spatial, self.temporal = Discriminator(spatial), Discriminator(temporal)
        parameters = [*self.spatial.parameters(), *self.temporal.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer, max_norm=math.inf)

    def terms(self, clip: Clip, maps: Tensor, image: Tensor, window: Window) -> dict[str, Tensor]:
        """Learn from this batch, then say what the generator has to answer for.

        maps: [B,T,C,S/4,S/4]; image: [B,T,3,S,S], composited; T at least 2.
        """
        judged = self._judged(clip, maps, image, window)
        self._learn(judged)
        adversarial, matching = [], []
        for each in judged:
            each.discriminator.requires_grad_(False)
            try:
                verdict = each.discriminator(each.made, each.maps)
                with torch.no_grad():
                    truth = each.discriminator(each.real, each.maps)
            finally:  # memory may run out here, and the next step teaches again
                each.discriminator.requires_grad_(True)
            adversarial.append(losses.lsgan_generator(verdict.scores))
            matching.append(losses.feature_matching(truth.features, verdict.features))
        return {"adversarial": torch.stack(adversarial).sum(), "feature_matching": torch.stack(matching).sum()}

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Both networks by name."""
        return {"spatial": self.spatial, "temporal": self.temporal}

    def _judged(self, clip: Clip, maps: Tensor, image: Tensor, window: Window) -> list[Judged]:
        last = window.of(maps[:, -1], POSE_STRIDE)
        single = Judged(self.spatial, window.of(image[:, -1]), window.of(clip.image[:, -1]), last)
        made, real = window.of(_last_two(image, clip)), window.of(_last_two(clip.image, clip))
        before = window.of(_maps_before(clip, image.shape[-1]), POSE_STRIDE)
        return [single, Judged(self.temporal, made, real, torch.cat([before, last], dim=1))]

    def _learn(self, judged: list[Judged]) -> None:
        terms = []
        for each in judged:
            real, made = each.discriminator(each.real, each.maps), each.discriminator(each.made.detach(), each.maps)
            terms.append(losses.lsgan_discriminator(real.scores, made.scores))
        self._optimizer_step(torch.stack(terms).sum())


def _maps_before(clip: Clip, canvas_px: int) -> Tensor:
    """The pose before the last, drawn where `_last_two` shows it: in the last one's window. [B,C,S/4,S/4]."""
    to_last = canvas_to_canvas(clip.to_canvas[:, -2], clip.to_canvas[:, -1])
    with torch.autocast(to_last.device.type, enabled=False):
        xy = clip.xy[:, -2] @ to_last[:, :, :2].mT + to_last[:, None, :, 2]
    return draw_pose(xy, clip.confidence[:, -2], clip.depth[:, -2], canvas_px, canvas_px // POSE_STRIDE)


def _last_two(images: Tensor, clip: Clip) -> Tensor:
    """The last picture and, in its window, the one before: [B,6,S,S]."""
    moved = warp(images[:, -2].float(), canvas_to_canvas(clip.to_canvas[:, -2], clip.to_canvas[:, -1]), images.shape[-1])
    return torch.cat([moved, images[:, -1]], dim=1)
