"""Weight footage frames by the rarity of their pose, so that training samples rare poses more often.

A person stands for most of a video and kicks twice; with uniform sampling the kick is hardly learned.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import Pose

NEIGHBORS: Final = 8
NEAR_FRAMES: Final = 10
"""Frames this near in time are not neighbors: they show the same pose."""
MIN_WEIGHT, MAX_WEIGHT = 0.5, 3.0
_BLOCK: Final = 256


def rarity(pose: Pose) -> NDArray[np.float64]:
    """Sampling weights [N] with mean 1 of N poses in order of time: the relative distance to the nearest other poses.

    Poses are compared without position, at one scale for the whole footage; weights are about in [`MIN_WEIGHT`, `MAX_WEIGHT`].
    """
    points = _normalized(pose)
    count = len(points)
    if count <= 2 * NEAR_FRAMES + NEIGHBORS:
        return np.ones(count)
    distances = np.empty(count)
    index = np.arange(count)
    squares = (points**2).sum(axis=1)
    for start in range(0, count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, count))
        between = squares[rows, None] + squares[None] - 2 * points[rows] @ points.T
        between[np.abs(index[rows, None] - index[None]) <= NEAR_FRAMES] = np.inf
        nearest = np.partition(between, NEIGHBORS, axis=1)[:, :NEIGHBORS]
        distances[rows] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    weights = np.clip(distances / max(float(distances.mean()), 1e-9), MIN_WEIGHT, MAX_WEIGHT)
    return np.asarray(weights / weights.mean())


def _normalized(pose: Pose) -> NDArray[np.float64]:
    """Keypoints [N,2K] relative to their mean in units of their spread; missing ones lie at the mean."""
    seen = (pose.confidence > 0)[..., None]
    xy = pose.xy.astype(np.float64)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    offset = np.where(seen, xy - np.where(seen, xy, 0).sum(axis=1, keepdims=True) / count, 0)
    size = np.sqrt((offset**2).sum(axis=(1, 2)) / count[:, 0, 0])
    # One size for the whole clip: a crouch is a pose, not a smaller person.
    return np.asarray((offset / max(float(np.median(size)), 1e-9)).reshape(len(xy), -1))
