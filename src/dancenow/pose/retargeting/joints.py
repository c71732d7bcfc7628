"""The joints that a body hangs together by: keypoints, the middle of the hips and of the ears, and which hangs on which.

Retargeting walks this tree from the hips outwards; what is not seen is filled in from the frames around, joint by joint.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose

HIPS, EARS = NUM_KEYPOINTS, NUM_KEYPOINTS + 1
"""Two points between pairs of keypoints, which the body hangs on; they come after the keypoints in arrays of `J` joints."""
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
"""The joints at both ends of each part; `hips` and `ears` are the middle of a pair."""


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
            tree.append((INDEX[f"{side}_{joint}"], number_of(parent if parent in _MIDDLE else f"{side}_{parent}"), part))
    return tuple(tree)


def number_of(name: str) -> int:
    """Of a joint in arrays of `J` joints: a keypoint, `hips` or `ears`."""
    return _MIDDLE[name] if name in _MIDDLE else INDEX[name]


_MIDDLE: Final = {"neck": INDEX["neck"], "hips": HIPS, "ears": EARS}
TREE: Final = _tree()


def joints_of(track: Pose) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Places and depth [T,J,3] in px of keypoints, hips and ears, and which are there [T,J]."""
    points = np.concatenate([track.xy, track.depth[..., None]], axis=-1).astype(np.float64)
    seen = track.confidence > 0
    pairs = [[INDEX[f"{side}_{name}"] for side in ("right", "left")] for name in ("hip", "ear")]
    middles = [points[:, pair].mean(axis=1, keepdims=True) for pair in pairs]
    both = [seen[:, pair].all(axis=1, keepdims=True) for pair in pairs]
    return np.concatenate([points, *middles], axis=1), np.concatenate([seen, *both], axis=1)


def filled(points: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
    """Points [T,J,3] with missing joints where they would be: as before and after from the joint that they hang on.

    Hips that are missing are hung on the neck in the same way. A joint that is never seen lies on the one it hangs on.
    """
    whole = points.copy()
    neck = INDEX["neck"]
    both = present[:, HIPS] & present[:, neck]
    torso = _over_time(points[:, HIPS] - points[:, neck], both)
    whole[:, HIPS] = np.where((present[:, neck] & ~present[:, HIPS])[:, None], points[:, neck] + torso, points[:, HIPS])
    whole[:, HIPS] = _over_time(whole[:, HIPS], present[:, HIPS] | present[:, neck])
    for joint, parent, _ in TREE:
        both = present[:, joint] & present[:, parent]
        # A branch whose parent is never there is measured from wherever the parent was put.
        known = both if both.any() else present[:, joint]
        vector = _over_time(points[:, joint] - whole[:, parent], known)
        whole[:, joint] = np.where(present[:, joint, None], points[:, joint], whole[:, parent] + vector)
    return whole


def _over_time(values: Float64Array, known: NDArray[np.bool_]) -> Float64Array:
    """Values [T,D], interpolated where they are not known; 0 if they never are."""
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, frames[known], values[known, i]) for i in range(values.shape[1])], axis=1)


def averaged(values: Float64Array, half: int) -> Float64Array:
    """Twice a running mean over the first axis, of 2 half + 1 frames, the ends repeated: nearly a Gaussian."""
    if half < 1:
        return values
    for _ in range(2):
        padded = np.pad(values, [(half, half)] + [(0, 0)] * (values.ndim - 1), mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0).mean(axis=-1)
    return values
