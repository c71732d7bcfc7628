"""The 68 landmarks of a rendered face: vertices of the base mesh, which all bodies share, so their positions are exact.

They were chosen once: the vertices nearest to the 68 landmarks that a network finds on six rendered frontal faces at rest, made
symmetric. They stay on the skin when the head turns, while the jaw landmarks of a network follow the silhouette.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio.anny_assets import Array
from dancenow.research.studio.clothes import UndressedBody

VERTICES: Final[NDArray[np.int64]] = np.array([
    717, 5186, 5180, 735, 5240, 5298, 5294, 727, 732, 7449, 11900, 11903, 11849, 7455, 11792, 11798, 7440,
    5199, 232, 231, 223, 233, 7006, 6997, 7004, 7005, 11810, 136, 131, 201, 294, 344, 313, 317,
    7076, 7105, 22, 4849, 55, 66, 6772, 1067, 6850, 6839, 11467, 6806, 7759, 13368, 3736, 5351, 456,
    466, 7215, 11953, 10404, 7239, 7245, 496, 490, 484, 414, 462, 468, 7221, 7174, 7264, 520, 517,
])  # fmt: skip
"""Base mesh vertex of each of the 68 landmarks, starting at the right of the dancer."""


@dataclass(frozen=True, eq=False)
class FaceLandmarks:
    """rest: float32 [68,3] m; weights: float32 [68,J] of the bones; actions: float32 [68,A,3] m at full facial action."""

    rest: Array
    weights: Array
    actions: Array

    def posed(self, rotations: NDArray[Any], positions: NDArray[Any], joints: Array, face: NDArray[Any]) -> NDArray[np.float64]:
        """Return world positions [T,68,3].

        rotations: [T,J,3,3]; positions: heads of the bones [T,J,3], in the rest pose `joints` [J,3]; face: coefficients [T,A].
        """
        rest = self.rest + np.einsum("ta,vac->tvc", face.astype(np.float64), self.actions)
        used = np.flatnonzero(self.weights.max(axis=0) > 1e-4)
        posed = np.zeros(rest.shape)
        for bone in used:
            moved = np.einsum("tab,tvb->tva", rotations[:, bone], rest - joints[bone]) + positions[:, bone, None]
            posed += self.weights[:, bone, None] * moved
        return posed


def measure_face_landmarks(undressed: UndressedBody, ground: Array) -> FaceLandmarks:
    """Return the landmarks of a body whose soles are at `ground` [3]."""
    return FaceLandmarks(undressed.rest[VERTICES] - ground, undressed.rig.weights[VERTICES], undressed.actions[VERTICES])
