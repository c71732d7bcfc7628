"""The spatial and the temporal discriminator of a training, and their optimizer.

They are updated on each batch before the generator's terms are computed: least squares and feature matching, as in pix2pixHD.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.discriminator import Discriminator, DiscriminatorConfig
from dancenow.generators.crop.image_losses import Patch
from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.networks import losses
from dancenow.networks.warping import canvas_to_canvas, warp
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.training.safe_step import SafeOptimizerStep


@dataclass(frozen=True, eq=False)
class _Comparison:
    """One discriminator and its inputs: generated and real images, and their pose maps."""

    discriminator: Discriminator
    generated: Tensor
    real: Tensor
    maps: Tensor


class Discriminators:
    """`spatial` sees the last image of every clip, `temporal` the last two, with their poses."""

    def __init__(self, spatial: DiscriminatorConfig, temporal: DiscriminatorConfig, learning_rate: float) -> None:
        self.spatial, self.temporal = Discriminator(spatial), Discriminator(temporal)
        parameters = [*self.spatial.parameters(), *self.temporal.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer, max_norm=math.inf)

    def terms(self, clip: Clip, maps: Tensor, image: Tensor, patch: Patch) -> dict[str, Tensor]:
        """Update on this batch, then return the adversarial and feature matching terms of the generator.

        maps: [B,T,C,S/4,S/4]; image: [B,T,3,S,S], composited; T at least 2.
        """
        comparisons = self._comparisons(clip, maps, image, patch)
        self._update(comparisons)
        adversarial, matching = [], []
        for each in comparisons:
            each.discriminator.requires_grad_(False)
            try:
                fake = each.discriminator(each.generated, each.maps)
                with torch.no_grad():
                    real = each.discriminator(each.real, each.maps)
            finally:  # memory may run out here, and the next step updates them again
                each.discriminator.requires_grad_(True)
            adversarial.append(losses.lsgan_generator(fake.scores))
            matching.append(losses.feature_matching(real.features, fake.features))
        return {"adversarial": torch.stack(adversarial).sum(), "feature_matching": torch.stack(matching).sum()}

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Both networks by name."""
        return {"spatial": self.spatial, "temporal": self.temporal}

    def _comparisons(self, clip: Clip, maps: Tensor, image: Tensor, patch: Patch) -> list[_Comparison]:
        last = patch.of(maps[:, -1], POSE_STRIDE)
        single = _Comparison(self.spatial, patch.of(image[:, -1]), patch.of(clip.image[:, -1]), last)
        generated, real = patch.of(_last_two(image, clip)), patch.of(_last_two(clip.image, clip))
        before = patch.of(_maps_before(clip, image.shape[-1]), POSE_STRIDE)
        return [single, _Comparison(self.temporal, generated, real, torch.cat([before, last], dim=1))]

    def _update(self, comparisons: list[_Comparison]) -> None:
        terms = []
        for each in comparisons:
            real, fake = each.discriminator(each.real, each.maps), each.discriminator(each.generated.detach(), each.maps)
            terms.append(losses.lsgan_discriminator(real.scores, fake.scores))
        self._optimizer_step(torch.stack(terms).sum())


def _maps_before(clip: Clip, canvas_px: int) -> Tensor:
    """The pose maps [B,C,S/4,S/4] of the frame before the last, drawn on the canvas of the last."""
    to_last = canvas_to_canvas(clip.to_canvas[:, -2], clip.to_canvas[:, -1])
    with torch.autocast(to_last.device.type, enabled=False):
        xy = clip.xy[:, -2] @ to_last[:, :, :2].mT + to_last[:, None, :, 2]
    return draw_pose(xy, clip.confidence[:, -2], clip.depth[:, -2], canvas_px, canvas_px // POSE_STRIDE)


def _last_two(images: Tensor, clip: Clip) -> Tensor:
    """The last image and, moved to its canvas, the one before: [B,6,S,S]."""
    moved = warp(images[:, -2].float(), canvas_to_canvas(clip.to_canvas[:, -2], clip.to_canvas[:, -1]), images.shape[-1])
    return torch.cat([moved, images[:, -1]], dim=1)
