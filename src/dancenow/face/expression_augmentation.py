"""Another expression on the landmarks of a face: a mouth that opens and rounds, lids that close, brows that rise.

Footage shows few of a person's expressions, and a dance may ask for others. What moves, and by how much of the head, is that of
rendered faces and their facial actions; the head's size, place and turn stay.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.expression import EYES_APART, LIDS, LIPS
from dancenow.face.face_track import PARTS
from dancenow.types import FloatArray

OPENING: Final = (0.0, 0.11)
"""Of the mouth, in heights of the head."""
ROUNDING: Final = (0.7, 1.1)
"""Factor on the mouth's width."""
BLINK: Final = (0.0, 1.1)
"""Factor on the opening of both eyes."""
BROWS: Final = (-0.015, 0.03)
"""By how much both brows rise, in heights of the head."""
_OFTEN_OPEN: Final = 0.75
"""Share of the faces whose eyes stay as they are: people blink, but not most of the time."""
_EYES_TO_NOSE: Final = 0.19
"""Distance from between the eyes to below the nose, as a share of the head's height."""
_UPPER_SHARE: Final = 0.15
"""Of a mouth's opening, what the upper lip does; the jaw does the rest."""
_FALL: Final[dict[int, float]] = {
    **dict.fromkeys((61, 62, 63, 49, 50, 51, 52, 53), -_UPPER_SHARE),
    **dict.fromkeys((65, 67), 0.75), 66: 0.85, **dict.fromkeys((55, 59), 0.65), **dict.fromkeys((56, 57, 58), 0.85),
    **dict.fromkeys((48, 54, 60, 64), 0.35), **dict.fromkeys((6, 7, 8, 9, 10), 0.85), **dict.fromkeys((5, 11), 0.65),
    **dict.fromkeys((4, 12), 0.45), **dict.fromkeys((3, 13), 0.2),
}  # fmt: skip
"""Landmark -> how far it goes down, as a share of the opening."""


def with_random_expressions(landmarks: FloatArray, rng: np.random.Generator) -> FloatArray:
    """float32 [N,68,2]: the same faces, each with another expression. landmarks: [N,68,2] px of any picture."""
    out = landmarks.astype(np.float64)
    down, across, head_px = _axes(out)
    opening = np.mean([np.linalg.norm(out[:, a] - out[:, b], axis=1) for a, b in LIPS], axis=0)
    by = (rng.uniform(*OPENING, len(out)) * head_px - opening)[:, None]
    mouth = np.concatenate([np.arange(68)[PARTS[name]] for name in ("outer_lips", "inner_lips")])
    middle = out[:, mouth].mean(axis=1, keepdims=True)
    aside = ((out[:, mouth] - middle) * across[:, None]).sum(axis=2, keepdims=True)
    out[:, mouth] += (rng.uniform(*ROUNDING, (len(out), 1, 1)) - 1) * aside * across[:, None]
    for point, share in _FALL.items():
        out[:, point] += share * by * down
    kept = np.where(rng.random(len(out)) < _OFTEN_OPEN, 1.0, rng.uniform(*BLINK, len(out)))[:, None]
    for pairs in LIDS.values():
        for pair in pairs:
            level = out[:, list(pair)].mean(axis=1, keepdims=True)
            out[:, list(pair)] = level + kept[:, None] * (out[:, list(pair)] - level)
    brows = np.concatenate([np.arange(68)[PARTS[name]] for name in ("right_brow", "left_brow")])
    out[:, brows] -= (rng.uniform(*BROWS, len(out)) * head_px)[:, None, None] * down[:, None]
    return np.asarray(out, np.float32)


def _axes(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of faces [N,68,2]: unit vectors down and across the face [N,2], as seen, and the heights of the heads [N] in px."""
    eyes = points[:, 36:48].mean(axis=1)
    nose = points[:, PARTS["nostrils"]].mean(axis=1)
    down = nose - eyes
    length = np.maximum(np.linalg.norm(down, axis=1), 1e-6)
    down /= length[:, None]
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    apart = np.linalg.norm(points[:, 45] - points[:, 36], axis=1)
    # Turned aside the eyes come together, and the way to the nose stays.
    return down, across, np.maximum(apart / EYES_APART, length / _EYES_TO_NOSE)
