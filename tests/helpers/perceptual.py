"""A perceptual distance with random weights: it needs no pretrained file and still tells images apart."""

import torch

from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance


def random_distance() -> PerceptualDistance:
    """The same random weights every time, of a scale that keeps deep features alive."""
    torch.manual_seed(0)
    trunk = EfficientNetTrunk()
    for parameter in trunk.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    return PerceptualDistance(trunk)
