"""Synthetic expressions on face landmarks: the mouth opens and rounds, the eyelids close, the brows rise.

Footage shows few of a person's expressions, and a source video may need others. The displacements, relative to the head's
height, come from rendered faces and their facial actions; the head's size, position and rotation stay.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.expression import EYE_DISTANCE, LID_PAIRS, LIP_PAIRS
from dancenow.face.face_track import PARTS
from dancenow.types import FloatArray

MOUTH_OPENING: Final = (0.0, 0.11)
"""Opening of the mouth, in head heights."""
MOUTH_WIDTH: Final = (0.7, 1.1)
"""Factor on the width of the mouth."""
EYE_OPENING: Final = (0.0, 1.1)
"""Factor on the opening of both eyes."""
BROW_RAISE: Final = (-0.015, 0.03)
"""Raise of both brows, in head heights."""
_UNCHANGED_EYES_PROB: Final = 0.75
"""Fraction of faces whose eyes stay unchanged: people blink, but rarely."""
_EYES_TO_NOSE: Final = 0.19
"""Distance from between the eyes to below the nose, as a fraction of the head's height."""
_UPPER_LIP_FRACTION: Final = 0.15
"""Fraction of the mouth's opening due to the upper lip; the jaw does the rest."""
_DROP: Final[dict[int, float]] = {
    **dict.fromkeys((61, 62, 63, 49, 50, 51, 52, 53), -_UPPER_LIP_FRACTION),
    **dict.fromkeys((65, 67), 0.75), 66: 0.85, **dict.fromkeys((55, 59), 0.65), **dict.fromkeys((56, 57, 58), 0.85),
    **dict.fromkeys((48, 54, 60, 64), 0.35), **dict.fromkeys((6, 7, 8, 9, 10), 0.85), **dict.fromkeys((5, 11), 0.65),
    **dict.fromkeys((4, 12), 0.45), **dict.fromkeys((3, 13), 0.2),
}  # fmt: skip
"""Landmark -> how far it moves down, as a fraction of the opening."""


def randomize_expressions(landmarks: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Give each face another random expression: float32 [N,68,2]. landmarks: [N,68,2] px of any image."""
    out = landmarks.astype(np.float64)
    down, across, head_px = _axes(out)
    opening = np.mean([np.linalg.norm(out[:, a] - out[:, b], axis=1) for a, b in LIP_PAIRS], axis=0)
    by = (rng.uniform(*MOUTH_OPENING, len(out)) * head_px - opening)[:, None]
    mouth = np.concatenate([np.arange(68)[PARTS[name]] for name in ("outer_lips", "inner_lips")])
    middle = out[:, mouth].mean(axis=1, keepdims=True)
    aside = ((out[:, mouth] - middle) * across[:, None]).sum(axis=2, keepdims=True)
    out[:, mouth] += (rng.uniform(*MOUTH_WIDTH, (len(out), 1, 1)) - 1) * aside * across[:, None]
    for point, fraction in _DROP.items():
        out[:, point] += fraction * by * down
    kept = np.where(rng.random(len(out)) < _UNCHANGED_EYES_PROB, 1.0, rng.uniform(*EYE_OPENING, len(out)))[:, None]
    for pairs in LID_PAIRS.values():
        for pair in pairs:
            level = out[:, list(pair)].mean(axis=1, keepdims=True)
            out[:, list(pair)] = level + kept[:, None] * (out[:, list(pair)] - level)
    brows = np.concatenate([np.arange(68)[PARTS[name]] for name in ("right_brow", "left_brow")])
    out[:, brows] -= (rng.uniform(*BROW_RAISE, len(out)) * head_px)[:, None, None] * down[:, None]
    return np.asarray(out, np.float32)


def _axes(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors down and across each face [N,2] in the image, and the heights of the heads [N] in px, of faces [N,68,2]."""
    eyes = points[:, 36:48].mean(axis=1)
    nose = points[:, PARTS["nostrils"]].mean(axis=1)
    down = nose - eyes
    length = np.maximum(np.linalg.norm(down, axis=1), 1e-6)
    down /= length[:, None]
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    apart = np.linalg.norm(points[:, 45] - points[:, 36], axis=1)
    # In a turned head the eyes get closer together; the distance to the nose stays.
    return down, across, np.maximum(apart / EYE_DISTANCE, length / _EYES_TO_NOSE)
