"""Expression as numbers: mouth, eyes and brows, and the head's rotation, measured on the 68 landmarks in 3-D.

Lengths are measured in space, so that a rotation of the head alone changes nothing, and relative to the distance between the
outer corners of the eyes, which no expression moves.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray

Array = NDArray[np.float64]
EYE_DISTANCE: Final = 0.40
"""Distance between the outer eye corners as a fraction of the head's height."""
_OUTER_CORNERS: Final = (36, 45)
LIP_PAIRS: Final = ((61, 67), (62, 66), (63, 65))
"""Upper and lower points of the inner lips."""
_MOUTH_CORNERS: Final = (48, 54)
LID_PAIRS: Final = {"right": ((37, 41), (38, 40)), "left": ((43, 47), (44, 46))}
"""Upper and lower points of each eye's lids."""
_BROWS: Final = {"right": slice(18, 21), "left": slice(23, 26)}
_EYE_CORNERS: Final = {"right": (36, 39), "left": (42, 45)}
_NASION, _CHIN = 27, 8


def measure_expression(points: FloatArray) -> FloatArray:
    """Measure mouth opening and width, opening of the right and left eye, and raise of the right and left brow: float32 [T,6].

    points: [T,68,3] px with depth in px (smaller = nearer), or [T,68,2], which is valid for frontal faces.
    """
    at = points.astype(np.float64)
    size = np.maximum(_distance(at, _OUTER_CORNERS) / EYE_DISTANCE, 1e-6)
    mouth = np.mean([_distance(at, pair) for pair in LIP_PAIRS], axis=0)
    terms = [mouth, _distance(at, _MOUTH_CORNERS)]
    terms += [np.mean([_distance(at, pair) for pair in LID_PAIRS[side]], axis=0) for side in ("right", "left")]
    for side in ("right", "left"):
        eye = at[:, list(_EYE_CORNERS[side])].mean(axis=1)
        terms.append(np.linalg.norm(at[:, _BROWS[side]].mean(axis=1) - eye, axis=1))
    return np.asarray(np.stack(terms, axis=1) / size[:, None], np.float32)


def head_rotation(points: FloatArray) -> FloatArray:
    """Measure yaw, pitch and roll in radians, as in `face_track.EXPRESSION`, from landmarks with depth [T,68,3]: float32
    [T,3].
    """
    at = points.astype(np.float64)
    across = at[:, _OUTER_CORNERS[1]] - at[:, _OUTER_CORNERS[0]]
    down = at[:, _CHIN] - at[:, _NASION]
    facing = np.where(across[:, 0] < 0, -1.0, 1.0)  # from behind, the person's right eye is on the image's right
    yaw = np.arctan2(across[:, 2], facing * np.hypot(across[:, 0], across[:, 1]))
    pitch = np.arctan2(down[:, 2], np.hypot(down[:, 0], down[:, 1]))
    roll = np.arctan2(facing * across[:, 1], np.abs(across[:, 0]))
    return np.asarray(np.stack([yaw, pitch, roll], axis=1), np.float32)


def _distance(at: Array, pair: tuple[int, int]) -> Array:
    return np.asarray(np.linalg.norm(at[:, pair[0]] - at[:, pair[1]], axis=1))
