"""Two face networks that undo each other: the source's face made the target's, and back.

CycleGAN (Zhu, Park, Isola and Efros, 2017) on the networks of `face.network`: what changes is added to the picture, so that
training begins from the identity. Both are shown where the face's parts are, and so are their judges: expression and turn of
the head are kept because a picture that shows another one than its maps is no real picture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dancenow.face.network import FaceNetwork, FaceNetworkConfig


@dataclass(frozen=True, eq=False)
class Cycled:
    """What a cycle makes of faces of both people, [N,3,S,S] each: theirs made the other's, these made theirs again, and their
    own as the network that makes such faces leaves them."""

    target: Tensor
    source: Tensor
    source_again: Tensor
    target_again: Tensor
    target_same: Tensor
    source_same: Tensor


class FaceCycle(nn.Module):
    """to_target makes a source's face the target's, to_source the other way round."""

    def __init__(self, config: FaceNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.to_target, self.to_source = FaceNetwork(config), FaceNetwork(config)

    def forward(self, source: Tensor, source_maps: Tensor, target: Tensor, target_maps: Tensor) -> Cycled:
        """Faces [N,3,S,S] and their maps [N,M,S,S]."""
        count = len(source)
        # Each network sees two batches at once: half the calls.
        there = _added(self.to_target, [source, target], [source_maps, target_maps])
        back = _added(self.to_source, [target, source], [target_maps, source_maps])
        made_target, target_same = there.split(count)
        made_source, source_same = back.split(count)
        source_again = _added(self.to_source, [made_target], [source_maps])
        target_again = _added(self.to_target, [made_source], [target_maps])
        return Cycled(made_target, made_source, source_again, target_again, target_same, source_same)


def _added(network: FaceNetwork, faces: list[Tensor], maps: list[Tensor]) -> Tensor:
    pictures = torch.cat(faces)
    changed: Tensor = pictures + network(pictures, torch.cat(maps)).float()
    return changed
