"""Alpha of mixed pixels: how much of the person's color is in a color that lies between it and the background's.

Alpha estimation with a known background: I = alpha F + (1 - alpha) B, with F sampled from the person nearby. Several F and B
are tried, and those that explain the pixel best are used (as in robust matting, Wang and Cohen, 2007). Where F and B hardly
differ the result means little, which its confidence says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray


@dataclass(frozen=True, eq=False)
class Mixture:
    """alpha and its confidence in [0,1], and the squared error of the explanation in units of the variance, all float32 [N]."""

    alpha: FloatArray
    confidence: FloatArray
    error: FloatArray


def unmix(color: FloatArray, person: FloatArray, background: FloatArray, variance: FloatArray) -> Mixture:
    """Explain colors [3,N] as mixtures of one person's and one background color each, [3,N].

    variance: [N], of the sum over the channels, how exactly the two are known.
    """
    span, above = person - background, color - background
    length = dot(span, span)
    alpha = np.clip(dot(above, span) / (length + np.float32(1)), 0, 1)
    rest = above - alpha * span
    confidence = np.asarray(length / (length + np.float32(12) * variance), np.float32)
    return Mixture(np.asarray(alpha, np.float32), confidence, dot(rest, rest) / variance)


def best_of(mixtures: Sequence[Mixture]) -> Mixture:
    """Of each pixel the explanation with the least error."""
    best = mixtures[0]
    for mixture in mixtures[1:]:
        is_better = mixture.error < best.error
        best = Mixture(
            np.where(is_better, mixture.alpha, best.alpha),
            np.where(is_better, mixture.confidence, best.confidence),
            np.minimum(mixture.error, best.error),
        )
    return best


def dot(a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    """The scalar products of vectors [3,N]: [N]."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2], np.float32)
