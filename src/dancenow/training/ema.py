"""The average of a network's weights over the last part of its training, which paints better pictures than the last step's."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def follow_average(average: nn.Module, network: nn.Module, images_per_step: int, images: int) -> None:
    """Move `average` towards `network` after a step: a mean over about the last twentieth of the `images` that were seen.

    The profile is a power law (Karras et al., 2024, EDM2), so that it needs no length set beforehand.
    """
    share = min(1.0, 20 * images_per_step / images)
    means: list[Tensor] = list(average.parameters())
    values: list[Tensor] = list(network.parameters())
    if len(means) != len(values):
        raise ValueError("the average is of another network")
    torch._foreach_lerp_(means, values, share)  # all at once: on a GPU hundreds of small kernels less
