"""A network that begins as a trunk trained on ImageNet and is trained on from there: it knows materials and edges already.

What was learnt on all sorts of pictures tells unknown generators from cameras better than what was learnt on known ones alone
(Ojha, Li and Lee, 2023).
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dancenow.models.juror import PATCH_PX, ForensicConfig, Juror
from dancenow.models.perceptual import STAGE_ENDS, STAGES, EfficientNetTrunk

CHANNELS: Final = tuple(STAGES[stage][-1] for stage in (0, 1, 2, 4))
"""Of the trunk's features at strides 2, 4, 8, 16."""
_TINY: Final = 1e-4


class TrunkNet(Juror):
    """The first stages of EfficientNet-Lite0 on both pictures; of each stage's features in a patch it sees the mean, the
    deviation, and the mean change between the pictures."""

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__(config)
        self.trunk = EfficientNetTrunk().requires_grad_(True)
        self.trunk.blocks = self.trunk.blocks[: STAGE_ENDS[config.trunk - 1] + 1]
        del self.trunk.head
        kinds = 3 if config.frames == 2 else 2
        inner = 2 * config.width
        self.read = nn.Conv2d(kinds * sum(CHANNELS[: config.trunk]), inner, 1)
        self.decide = nn.Sequential(
            nn.GroupNorm(8, inner), nn.LeakyReLU(0.1), nn.Conv2d(inner, inner, 3, 1, 1), nn.GroupNorm(8, inner),
            nn.LeakyReLU(0.1), nn.Conv2d(inner, 1, 1),
        )  # fmt: skip

    def begin_as(self, trunk: EfficientNetTrunk) -> None:
        """Take over a trained trunk's weights."""
        own = self.trunk.state_dict()
        self.trunk.load_state_dict({name: value for name, value in trunk.state_dict().items() if name in own})

    def patches(self, pairs: Tensor) -> Tensor:
        """See `Juror`."""
        size = (pairs.shape[-2] // PATCH_PX, pairs.shape[-1] // PATCH_PX)
        now = self.trunk.features(pairs[:, 1], self.config.trunk)
        before = self.trunk.features(pairs[:, 0], self.config.trunk) if self.config.frames == 2 else now
        seen: list[Tensor] = []
        for a, b in zip(before, now, strict=True):
            mean = _pooled(b, size)
            seen += [mean, (_pooled(b.float().square(), size) - mean.float().square()).clamp(min=_TINY).sqrt()]
            if self.config.frames == 2:
                seen.append(_pooled((b - a).abs(), size))
        logits: Tensor = self.decide(self.read(torch.cat([each.float() for each in seen], dim=1)))
        return logits


def _pooled(features: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(features, size)
