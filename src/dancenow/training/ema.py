"""The moving average of a network's weights, which generates better images than the weights of the last step."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, images_per_step: int, images: int) -> None:
    """Move `average` towards `network` after a step: a mean over about the last twentieth of the `images` seen.

    The profile is a power law (Karras et al., 2024, EDM2), so no length has to be set in advance.
    """
    fraction = min(1.0, 20 * images_per_step / images)
    means: list[Tensor] = list(average.parameters())
    values: list[Tensor] = list(network.parameters())
    if len(means) != len(values):
        raise ValueError("the average belongs to another network")
    torch._foreach_lerp_(means, values, fraction)  # all at once saves hundreds of small kernels on a GPU
