"""Keep what else changes in the footage out of the training: screens, passers-by, leaves, and the holes of the plate.

The generator is to show the person and their shadow. What differs from the plate far from the person and is no shadow would
teach it to paint the background, as a veil around the person; there the plate of a clip becomes the frame itself.
"""

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.near_person import near_person

_CHANGE: Final = 0.06
"""Of a range of 1: 15 levels."""


def without_other_changes(clip: Clip, maps: Tensor) -> Clip:
    """The clip, whose plate is the frame itself where neither the person nor their shadow changes it.

    maps [B,T,C,S/4,S/4]: pose maps of the clip.
    """
    near = near_person(clip.mask.flatten(0, 1), maps.flatten(0, 1)).unflatten(0, clip.mask.shape[:2])
    other = ~near & (_is_no_shadow(clip.image, clip.plate) | (clip.known < 0.5))
    plate, known = torch.where(other, clip.image, clip.plate), clip.known.masked_fill(other, 1.0)
    return replace(clip, plate=plate, known=known)


def _is_no_shadow(image: Tensor, plate: Tensor) -> Tensor:
    """Where images [B,T,3,S,S] differ from the plate and are not a darker plate, bool [B,T,1,S,S]."""
    seen, empty = (each.float().add(1).mul(0.5) for each in (image, plate))
    darker = ((seen * empty).sum(dim=2, keepdim=True) / empty.square().sum(dim=2, keepdim=True).clamp(min=1e-4)).clamp(max=1)
    return (seen - darker * empty).abs().amax(dim=2, keepdim=True) > _CHANGE
