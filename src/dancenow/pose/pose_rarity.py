"""How rare each pose of some footage is, so that training can show what is seldom danced more often.

A dancer stands for most of a video and kicks twice; drawn evenly, the kick is hardly ever learnt.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import Pose

NEIGHBOURS: Final = 8
NEAR_FRAMES: Final = 10
"""Frames so near in time are no neighbours: they are the same pose."""
LEAST, MOST = 0.5, 3.0
_BLOCK: Final = 256


def rarity(pose: Pose) -> NDArray[np.float64]:
    """Weights [N] with mean 1 of N poses in their order of time: the distance to the nearest other poses, over its mean.

    Poses are compared without place, in one size for all the footage; weights stay between about `LEAST` and `MOST`.
    """
    points = _at_home(pose)
    count = len(points)
    if count <= 2 * NEAR_FRAMES + NEIGHBOURS:
        return np.ones(count)
    distances = np.empty(count)
    index = np.arange(count)
    squares = (points**2).sum(axis=1)
    for start in range(0, count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, count))
        between = squares[rows, None] + squares[None] - 2 * points[rows] @ points.T
        between[np.abs(index[rows, None] - index[None]) <= NEAR_FRAMES] = np.inf
        nearest = np.partition(between, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        distances[rows] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    weights = np.clip(distances / max(float(distances.mean()), 1e-9), LEAST, MOST)
    return np.asarray(weights / weights.mean())


def _at_home(pose: Pose) -> NDArray[np.float64]:
    """Keypoints [N,2K] about their middle in units of their spread; missing ones lie in the middle."""
    seen = (pose.confidence > 0)[..., None]
    xy = pose.xy.astype(np.float64)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    offset = np.where(seen, xy - np.where(seen, xy, 0).sum(axis=1, keepdims=True) / count, 0)
    size = np.sqrt((offset**2).sum(axis=(1, 2)) / count[:, 0, 0])
    # One size for the whole clip: a crouch is a pose, not a smaller person.
    return np.asarray((offset / max(float(np.median(size)), 1e-9)).reshape(len(xy), -1))
