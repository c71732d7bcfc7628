"""Training losses as pure functions that return scalars.

Adversarial terms are least squares (LSGAN, Mao et al., 2017); feature matching follows pix2pixHD (Wang et al., 2018).
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST: Final = 1e-4
"""Added to a probability whose logarithm is taken."""


def weighted_l1(image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of [N,3,H,W] images under a weight [N,1,H,W] >= 0; 0 is best, 2 the worst in [-1,1]."""
    return ((image - target).abs().mean(dim=1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1e-6)


def structure(image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1 - SSIM of [N,3,H,W] images in [-1,1] under a weight [N,1,H,W] >= 0: 0 for equal ones, at most 2.

    The window, constants and mean over channels are those of `metrics.images.ssim_map` (Wang et al., 2004); in float32,
    because variances are small differences. As a loss with L1: Zhao, Gallo, Frosio and Kautz (2017).
    """
    with torch.autocast(image.device.type, enabled=False):
        a, b = image.float(), target.float()
        mean_a, mean_b = _local_mean(a), _local_mean(b)
        variances = _local_mean(a * a + b * b) - mean_a * mean_a - mean_b * mean_b
        covariance = _local_mean(a * b) - mean_a * mean_b
        mean_a, mean_b = mean_a + 1, mean_b + 1  # the luminance of black is 0
        c1, c2 = (2 * 0.01) ** 2, (2 * 0.03) ** 2
        luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
        missing = (1 - luminance * (2 * covariance + c2) / (variances + c2)).mean(dim=1, keepdim=True)
        return (missing * weight).sum() / weight.sum().clamp_min(1e-6)


def _local_mean(images: Tensor) -> Tensor:
    """Mean under a Gaussian window of 11 px, sigma 1.5 px, mirrored at the border."""
    channels = images.shape[1]
    window = torch.exp(-0.5 * (torch.arange(-5, 6, device=images.device, dtype=images.dtype) / 1.5) ** 2)
    window = (window / window.sum()).repeat(channels, 1, 1, 1)
    padded = F.pad(images, (5, 5, 5, 5), mode="reflect")
    return F.conv2d(F.conv2d(padded, window, groups=channels), window.mT, groups=channels)


def matte_prior(alpha: Tensor, mask: Tensor, known: Tensor) -> Tensor:
    """A weak pull of alpha [N,1,H,W] towards the detector's mask where the image alone is ambiguous.

    Inside the person alpha should be 1 even where shirt and wall have the same color. Outside it should be 0, but only
    where the plate is known: over a hole in the plate the generator must be free to generate the background.
    """
    inside = (mask > 0.9).float()
    outside = (mask < 0.05).float() * known
    return (inside * (1 - alpha) + outside * alpha).mean()


def nobody_there(alpha: Tensor, far: Tensor) -> Tensor:
    """Cross entropy of alpha [N,1,H,W] where nobody can be, far: [N,1,H,W] in [0,1]; mean over all pixels.

    Where a generator paints the background as it is, images say nothing against it. Unlike a mean of alpha, this also has a
    gradient where a sigmoid is near 1.
    """
    free = 1 - alpha.float() + _SMALLEST
    return ((math.log1p(_SMALLEST) - torch.log(free)) * far).mean()


def lsgan_discriminator(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean over scales of ((D(real) - 1)^2 + D(fake)^2) / 2; 0.25 when the discriminator is undecided."""
    terms = [(r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean() / 2


def lsgan_generator(fake: Sequence[Tensor]) -> Tensor:
    """Mean over scales of (D(fake) - 1)^2."""
    return torch.stack([(f - 1).square().mean() for f in fake]).mean()


def feature_matching(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of the discriminator's features, over scales and layers."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return torch.stack([F.l1_loss(f, r.detach()) for r, f in pairs]).mean()
