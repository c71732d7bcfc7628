"""What the networks that tell synthesized from real have in common: sizes, and pairs of pictures in, a logit per patch out."""

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX: Final = 16
"""Side of the patches that are judged; each is judged by what lies around it, too."""


@dataclass(frozen=True)
class ForensicConfig:
    """crop_px: side of the pictures it is made for. width: channels of the first stage. frames: 2 sees both pictures of a pair,
    1 the second alone, for comparison. blocks: residual blocks of each of the three stages after the first. trunk: stages of
    a pretrained trunk to begin with instead, 0 for none. beside: whether the body is judged beside its room, see `Juror`."""

    crop_px: int = 224
    width: int = 24
    frames: Literal[1, 2] = 2
    blocks: tuple[int, int, int] = (1, 1, 1)
    trunk: int = 0
    beside: bool = False

    def __post_init__(self) -> None:
        if self.crop_px % PATCH_PX or self.crop_px < 2 * PATCH_PX:
            raise ValueError(f"crop_px must be a multiple of {PATCH_PX}, at least {2 * PATCH_PX}, got {self.crop_px}")
        if self.width % 8 or self.width < 8 or self.frames not in (1, 2):
            raise ValueError(f"width must be a multiple of 8 and frames 1 or 2, got {self.width} and {self.frames}")
        if not 0 <= self.trunk <= 4:  # the fifth stage's cells are larger than a patch
            raise ValueError(f"trunk must be 0 to 4, got {self.trunk}")


class Juror(nn.Module):
    """A network: pairs of pictures in, a logit per patch out; positive says synthesized.

    With `config.beside` the mean of the room's patches, times what was learnt, is taken off all: what a camera, a light or an
    encoding does to everything is then no sign of anything (as when a splice is found by its noise: Cozzolino and Verdoliva,
    2020).
    """

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__()
        self.config = config
        self.beside = nn.Parameter(torch.tensor(0.5)) if config.beside else None

    def forward(self, pairs: Tensor, body: Tensor) -> Tensor:
        """Pairs [B,2,3,S,S] in [-1,1] and bodies [B,1,H,W] in [0,1] to the logits of patches [B,1,S/16,S/16]."""
        logits = self.patches(pairs)
        if self.beside is None:
            return logits
        here = F.interpolate(body, logits.shape[-2:], mode="area")
        away = 1 - F.max_pool2d(here, 3, 1, 1)
        # As if one patch more were at zero: where there is hardly any room, nothing is taken off.
        room = (logits * away).sum(dim=(2, 3), keepdim=True) / (away.sum(dim=(2, 3), keepdim=True) + 1)
        return logits - self.beside * room

    def patches(self, pairs: Tensor) -> Tensor:
        """The logits of patches by themselves."""
        raise NotImplementedError
