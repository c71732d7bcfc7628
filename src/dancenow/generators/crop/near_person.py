"""Where the person of a clip may be, by masks and by their pose: the rest of the canvas cannot show them."""

from typing import Final

import torch.nn.functional as F
from torch import Tensor

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.pose.conditioning.pose_maps import NUM_LIMBS
from dancenow.skeleton import NUM_KEYPOINTS

_PERSON: Final = 0.02
"""Mean of the detector's mask in a cell from which the cell belongs to the person."""
_BODY: Final = 0.1
"""Heatmap or limb in a cell from which it belongs to the person, whom masks do not always show whole."""
_NEAR_CELLS: Final = 3
"""Cells around the person in which everything may be theirs: hair, hands that a mask lacks."""


def near_person(mask: Tensor, maps: Tensor) -> Tensor:
    """Where the person may be, bool [N,1,S,S], by masks [N,1,S,S] and pose maps [N,C,S/4,S/4]."""
    shown = F.avg_pool2d(mask, POSE_STRIDE) > _PERSON
    body = maps[:, : NUM_KEYPOINTS + NUM_LIMBS].amax(dim=1, keepdim=True) > _BODY
    near = F.max_pool2d((shown | body).float(), 2 * _NEAR_CELLS + 1, stride=1, padding=_NEAR_CELLS)
    return F.interpolate(near, size=mask.shape[-2:]).bool()
