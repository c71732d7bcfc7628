"""Two face networks that invert each other: from the source's face to the target's, and back.

CycleGAN (Zhu, Park, Isola and Efros, 2017) with the networks of `face.network`. They predict a residual, so that training
begins from the identity. Networks and discriminators see the landmark maps: expression and head rotation are preserved, because
an image whose expression differs from its maps is never real.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dancenow.face.network import FaceNetwork, FaceNetworkConfig


@dataclass(frozen=True, eq=False)
class CycleOutput:
    """Outputs of a cycle for faces of both people, [N,3,S,S] each. target, source: translated to that person.
    reconstructed_source, reconstructed_target: translated back. identity_target, identity_source: real faces passed through the
    network that generates that person.
    """

    target: Tensor
    source: Tensor
    reconstructed_source: Tensor
    reconstructed_target: Tensor
    identity_target: Tensor
    identity_source: Tensor


class FaceCycle(nn.Module):
    """`to_target` translates the source's faces to the target's, `to_source` the reverse."""

    def __init__(self, config: FaceNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.to_target, self.to_source = FaceNetwork(config), FaceNetwork(config)

    def forward(self, source: Tensor, source_maps: Tensor, target: Tensor, target_maps: Tensor) -> CycleOutput:
        """Translate faces [N,3,S,S], given their maps [N,M,S,S]."""
        count = len(source)
        # Each network gets two batches at once, which halves the number of calls.
        there = _apply_residual(self.to_target, [source, target], [source_maps, target_maps])
        back = _apply_residual(self.to_source, [target, source], [target_maps, source_maps])
        made_target, identity_target = there.split(count)
        made_source, identity_source = back.split(count)
        reconstructed_source = _apply_residual(self.to_source, [made_target], [source_maps])
        reconstructed_target = _apply_residual(self.to_target, [made_source], [target_maps])
        return CycleOutput(
            made_target, made_source, reconstructed_source, reconstructed_target, identity_target, identity_source
        )


def _apply_residual(network: FaceNetwork, faces: list[Tensor], maps: list[Tensor]) -> Tensor:
    images = torch.cat(faces)
    changed: Tensor = images + network(images, torch.cat(maps)).float()
    return changed
