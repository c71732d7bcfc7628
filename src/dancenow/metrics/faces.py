"""Whether a face does what it should: where its landmarks are, and how its expression follows the dancer's."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

LEAST_FRAMES: Final = 8
"""A correlation of fewer says nothing."""
AT_REST: Final = 0.006
"""A dancer's standard deviation below this, in heads, is no movement to follow: what is measured of a mouth at rest trembles by
.004."""
STILL: Final = 1e-4
"""A face whose own is below this does not move at all."""


def landmark_distance(
    own: FloatArray, reference: FloatArray, head_px: FloatArray, seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean distance of landmarks from where they should be, in heights of the head: [T], from 0, lower is better.

    own, reference: [T,L,2] px. head_px: [T] height of the reference's head. seen: [T], where both were measured; NaN elsewhere.
    Holds the landmark network's own error, so read it beside that of the truth encoded again. Source: the normalized mean error
    of face alignment (Sagonas et al., 2013), normalized by the head instead of the eyes, which turn.
    """
    distance_px = np.linalg.norm(own.astype(np.float64) - reference, axis=-1).mean(axis=-1)
    return np.asarray(np.where(seen, distance_px / np.maximum(head_px, 1e-6), np.nan), np.float64)


def expression_correlation(own: FloatArray, source: FloatArray, seen: NDArray[np.bool_]) -> float:
    """How one component of an expression, [T], follows the dancer's: Pearson's correlation, in [-1, 1], higher is better.

    seen: [T], where both were measured. NaN of fewer than 8 frames, or where the dancer's rests. A face that does not move at
    all is as bad as one that moves at random: 0.
    """
    a, b = own[seen].astype(np.float64), source[seen].astype(np.float64)
    if len(a) < LEAST_FRAMES or b.std() < AT_REST:
        return float("nan")
    return 0.0 if a.std() < STILL else float(np.corrcoef(a, b)[0, 1])
