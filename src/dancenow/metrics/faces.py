"""Face metrics: landmark error, and how the expression follows the source person's."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

MIN_FRAMES: Final = 8
"""A correlation over fewer frames is meaningless."""
MIN_SOURCE_STD: Final = 0.006
"""Standard deviation of the source's expression, in head heights, below which there is no movement to follow: a measured mouth
at rest jitters by .004.
"""
MIN_STD: Final = 1e-4
"""Standard deviation below which a face does not move at all."""


def landmark_distance(
    result: FloatArray, reference: FloatArray, head_px: FloatArray, seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean distance of landmarks from the reference, in head heights: [T], from 0, lower is better.

    result, reference: [T,L,2] px. head_px: [T], height of the reference's head. seen: [T], where both were measured; NaN
    elsewhere.
    Includes the landmark network's own error, so compare it with the value of the re-encoded reference. Source: the normalized
    mean error of face alignment (Sagonas et al., 2013), normalized by the head instead of the eyes, whose distance depends on
    yaw.
    """
    distance_px = np.linalg.norm(result.astype(np.float64) - reference, axis=-1).mean(axis=-1)
    return np.asarray(np.where(seen, distance_px / np.maximum(head_px, 1e-6), np.nan), np.float64)


def expression_correlation(result: FloatArray, source: FloatArray, seen: NDArray[np.bool_]) -> float:
    """Pearson correlation of one expression component [T] with the source person's, in [-1, 1], higher is better.

    seen: [T], where both were measured. NaN for fewer than 8 frames, or where the source is at rest. A face that does not move
    at all is as bad as one that moves randomly: 0.
    """
    a, b = result[seen].astype(np.float64), source[seen].astype(np.float64)
    if len(a) < MIN_FRAMES or b.std() < MIN_SOURCE_STD:
        return float("nan")
    return 0.0 if a.std() < MIN_STD else float(np.corrcoef(a, b)[0, 1])
