"""Views of a head: from which direction it is seen, how near two views are, and which views are rare in footage."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import YAW, FaceTrack
from dancenow.types import FloatArray

_ANGLE_SCALES: Final = np.array([1.0, 1.5, 0.7], np.float32)
"""How much yaw, pitch and roll change a view: a nod foreshortens the whole face, a tilt only rotates it."""
PITCH: Final = 1
"""Column of the pitch in a view."""
_SAME_VIEW_RAD: Final = float(np.radians(10))
_MAX_WEIGHT: Final = 4.0
_MAX_COMPARED: Final = 300


def views_of(faces: FaceTrack) -> FloatArray:
    """The view of the head in each frame, float32 [T,3]: distances between views are angles in rad."""
    return np.asarray(faces.expression[:, YAW:] * _ANGLE_SCALES, np.float32)


def distances(views: FloatArray, others: FloatArray) -> FloatArray:
    """Angle in rad between each view [T,3] and each other one [N,3]: float32 [T,N]."""
    squares = (views**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * views @ others.T
    return np.asarray(np.sqrt(squares.clip(0)), np.float32)


def rarity_weights(views: FloatArray) -> NDArray[np.float64]:
    """Weights [N] with mean 1 that are larger for rare views: people mostly face the camera, and a profile is hard to learn
    from a few of many frames.
    """
    sample = views[:: max(1, len(views) // _MAX_COMPARED)]
    neighbors = (distances(views, sample) < _SAME_VIEW_RAD).sum(axis=1).clip(min=1)
    weights = np.minimum(np.sqrt(neighbors.max() / neighbors), _MAX_WEIGHT)
    return np.asarray(weights / weights.mean(), np.float64)
