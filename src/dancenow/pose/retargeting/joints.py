"""The kinematic tree of a body: keypoints plus mid-hip and mid-ear joints, with their parents and body parts.

Retargeting walks this tree from the hips outwards; missing joints are interpolated over time, relative to their parents.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose

HIPS, EARS = NUM_KEYPOINTS, NUM_KEYPOINTS + 1
"""Indices of two joints midway between pairs of keypoints; they follow the keypoints in arrays of `J` joints."""
NUM_JOINTS: Final = NUM_KEYPOINTS + 2

PARTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "torso": (("neck", "hips"),),
    "shoulders": (("right_shoulder", "left_shoulder"),),
    "hips": (("right_hip", "left_hip"),),
    "upper_arm": (("right_shoulder", "right_elbow"), ("left_shoulder", "left_elbow")),
    "forearm": (("right_elbow", "right_wrist"), ("left_elbow", "left_wrist")),
    "hand": (("right_wrist", "right_index"), ("left_wrist", "left_index")),
    "thigh": (("right_hip", "right_knee"), ("left_hip", "left_knee")),
    "shin": (("right_knee", "right_ankle"), ("left_knee", "left_ankle")),
    "foot": (("right_heel", "right_toe"), ("left_heel", "left_toe")),
    "neck": (("neck", "ears"),),
    "head": (("right_ear", "left_ear"),),
}
"""The joints at the ends of each part; `hips` and `ears` are midpoints of a pair."""


def _tree() -> tuple[tuple[int, int, str], ...]:
    """(joint, parent, part) from the hips outwards."""
    tree = [(INDEX["neck"], HIPS, "torso"), (EARS, INDEX["neck"], "neck"), (INDEX["nose"], EARS, "head")]
    for side in ("right", "left"):
        chain = [
            ("shoulder", "neck", "shoulders"), ("elbow", "shoulder", "upper_arm"), ("wrist", "elbow", "forearm"),
            ("thumb", "wrist", "hand"), ("index", "wrist", "hand"), ("pinky", "wrist", "hand"),
            ("hip", "hips", "hips"), ("knee", "hip", "thigh"), ("ankle", "knee", "shin"),
            ("heel", "ankle", "foot"), ("toe", "ankle", "foot"), ("eye", "ears", "head"), ("ear", "ears", "head"),
        ]  # fmt: skip
        for joint, parent, part in chain:
            tree.append((INDEX[f"{side}_{joint}"], joint_index(parent if parent in _MIDDLE else f"{side}_{parent}"), part))
    return tuple(tree)


def joint_index(name: str) -> int:
    """Index of a named joint in arrays of `J` joints: a keypoint, `hips` or `ears`."""
    return _MIDDLE[name] if name in _MIDDLE else INDEX[name]


_MIDDLE: Final = {"neck": INDEX["neck"], "hips": HIPS, "ears": EARS}
TREE: Final = _tree()


def joints_of(track: Pose) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Positions and depth [T,J,3] in px of keypoints, hips and ears, and whether each is present [T,J]."""
    points = np.concatenate([track.xy, track.depth[..., None]], axis=-1).astype(np.float64)
    seen = track.confidence > 0
    pairs = [[INDEX[f"{side}_{name}"] for side in ("right", "left")] for name in ("hip", "ear")]
    middles = [points[:, pair].mean(axis=1, keepdims=True) for pair in pairs]
    visible = [seen[:, pair].all(axis=1, keepdims=True) for pair in pairs]
    return np.concatenate([points, *middles], axis=1), np.concatenate([seen, *visible], axis=1)


def fill_missing(points: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
    """Points [T,J,3] with missing joints filled in: their offset from the parent joint is interpolated over time.

    Missing hips are placed relative to the neck in the same way. A joint that is never visible lies on its parent.
    """
    result = points.copy()
    neck = INDEX["neck"]
    visible = present[:, HIPS] & present[:, neck]
    torso = _interpolate(points[:, HIPS] - points[:, neck], visible)
    result[:, HIPS] = np.where((present[:, neck] & ~present[:, HIPS])[:, None], points[:, neck] + torso, points[:, HIPS])
    result[:, HIPS] = _interpolate(result[:, HIPS], present[:, HIPS] | present[:, neck])
    for joint, parent, _ in TREE:
        visible = present[:, joint] & present[:, parent]
        # If the parent is never present, the offset from its filled-in position is used.
        known = visible if visible.any() else present[:, joint]
        vector = _interpolate(points[:, joint] - result[:, parent], known)
        result[:, joint] = np.where(present[:, joint, None], points[:, joint], result[:, parent] + vector)
    return result


def _interpolate(values: Float64Array, known: NDArray[np.bool_]) -> Float64Array:
    """Values [T,D], interpolated where not known; 0 if never known."""
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, frames[known], values[known, i]) for i in range(values.shape[1])], axis=1)


def moving_average(values: Float64Array, half: int) -> Float64Array:
    """Moving average over the first axis, of 2 half + 1 frames, applied twice (nearly a Gaussian); the ends are repeated."""
    if half < 1:
        return values
    for _ in range(2):
        padded = np.pad(values, [(half, half)] + [(0, 0)] * (values.ndim - 1), mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0).mean(axis=-1)
    return values
