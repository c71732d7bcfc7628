"""Poses that a person's footage does not show: those that it shows, with arms and legs in other directions.

Only the network that a training starts from is asked about them, so they need not be natural, and nobody has to collect them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX
from dancenow.types import Pose

_MOVED: Final = 0.6
"""Fraction of the limbs that are moved."""
_USUAL_PERCENTILE: Final = 95.0
"""Of the lengths that a segment has in the footage: the one that is not foreshortened."""
_MOST_FORESHORTENED: Final = 0.95
_SHORT: Final = 0.3
"""Fraction of its length to which a shin is foreshortened when the turn of the foot does not follow from it."""
_FOOT_TURN: Final = 0.6


@dataclass(frozen=True)
class _Limb:
    """A limb from its root to what moves along with its end.

    first, second: ranges of the angles in radians, of the upper segment from straight down to the outside, and of the lower one
    from the upper one. nearer: how often each segment points to the camera.
    """

    root: str
    middle: str
    end: str
    beyond: tuple[str, ...]
    first: tuple[float, float]
    second: tuple[float, float]
    nearer: tuple[float, float]


_ARM: Final = _Limb("shoulder", "elbow", "wrist", ("thumb", "index", "pinky"), (-0.5, 2.6), (-2.4, 2.4), (0.8, 0.7))
_LEG: Final = _Limb("hip", "knee", "ankle", ("heel", "toe"), (-0.4, 1.4), (-1.6, 0.8), (0.8, 0.2))


class UnseenPoses:
    """Draws such poses for footage of poses [N,K], in the px of any canvas."""

    def __init__(self, footage: Pose) -> None:
        self._footage, self._lengths_px = footage, dict[tuple[int, int], float]()
        for limb in (_ARM, _LEG):
            for start, end in (*_segments(limb, "right"), *_segments(limb, "left")):
                lengths_px = np.linalg.norm(footage.xy[:, end] - footage.xy[:, start], axis=1)
                self._lengths_px[start, end] = float(np.percentile(lengths_px, _USUAL_PERCENTILE))

    def draw(self, count: int, rng: np.random.Generator) -> Pose:
        """Draw poses [count,K]."""
        pose = self._footage[rng.integers(0, len(self._footage), count)]
        xyz = np.concatenate([pose.xy, pose.depth[..., None]], axis=2).astype(np.float64)
        for points in xyz:
            outside = 1.0 if points[INDEX["left_hip"], 0] >= points[INDEX["right_hip"], 0] else -1.0
            for side, sign in (("right", -outside), ("left", outside)):
                for limb in (_ARM, _LEG):
                    if rng.random() < _MOVED:
                        self._move(points, limb, side, sign, rng)
        moved = xyz.astype(np.float32)
        return Pose(moved[..., :2], pose.confidence.copy(), moved[..., 2])

    def _move(self, points: NDArray[np.float64], limb: _Limb, side: str, outside: float, rng: np.random.Generator) -> None:
        """Point a limb of `points` [K,3] in a random direction, in place. outside: 1 if that is to the right in the image."""
        end = INDEX[f"{side}_{limb.end}"]
        beyond = [INDEX[f"{side}_{name}"] for name in limb.beyond]
        hanging, was = points[beyond] - points[end], points[end] - points[INDEX[f"{side}_{limb.middle}"]]
        angle, length = 0.0, 1.0
        for (start, stop), turns, nearer in zip(_segments(limb, side), (limb.first, limb.second), limb.nearer, strict=True):
            angle += rng.uniform(*turns)
            length = 1 - (_MOST_FORESHORTENED * rng.random()) ** 2
            toward = -1.0 if rng.random() < nearer else 1.0
            unit = [outside * np.sin(angle) * length, np.cos(angle) * length, toward * np.sqrt(1 - length**2)]
            points[stop] = points[start] + self._lengths_px[start, stop] * np.array(unit)
        now = points[end] - points[INDEX[f"{side}_{limb.middle}"]]
        turn = np.arctan2(now[1], now[0]) - np.arctan2(was[1], was[0])
        if limb is _LEG and length < _SHORT:
            turn = rng.uniform(-_FOOT_TURN, _FOOT_TURN)
        cos, sin = np.cos(turn), np.sin(turn)
        points[beyond] = points[end] + hanging @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def _segments(limb: _Limb, side: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The keypoints at both ends of its upper and its lower segment."""
    root, middle, end = (INDEX[f"{side}_{name}"] for name in (limb.root, limb.middle, limb.end))
    return (root, middle), (middle, end)
