"""The kinematic tree of a body: keypoints plus mid-hip and mid-ear joints, with their parents and body parts.

Retargeting walks this tree from the hips outwards; missing joints are interpolated over time, relative to their parents.
"""

from collections.abc import Mapping, Sequence
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
_PAIRS: Final = {
    joint: [INDEX[f"{side}_{name}"] for side in ("right", "left")] for joint, name in ((HIPS, "hip"), (EARS, "ear"))
}
"""The keypoints between which the other joints lie."""
_Fill = tuple[NDArray[np.int64], Float64Array]
"""Frames [n] in which a joint is missing, increasing, and where it is put [n,3]."""


class Joints:
    """The joints of a track of poses [T,K], a few frames or a few joints at a time: all of a dance of an hour take 80 MB.

    A joint is present if its keypoints are at least as confident as `least`. Missing ones are where they are measured, or where
    they were filled in.
    """

    def __init__(
        self, pose: Pose, depth_gain: float = 1.0, least: float | None = None, fills: Mapping[int, _Fill] | None = None
    ) -> None:
        """depth_gain: scale of depth. least: None for any confidence but 0. fills: of `filled`."""
        self.pose, self.depth_gain, self._least, self._fills = pose, depth_gain, least, dict(fills or {})

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, frames: slice) -> tuple[Float64Array, NDArray[np.bool_]]:
        """Positions and depth [n,J,3] in px of some frames, and whether each joint is present [n,J]. Steps: unfilled only."""
        points, present = _with_middles(*self._measured(frames, slice(None)))
        points[..., 2] *= self.depth_gain
        for joint, (missing, values) in self._fills.items():
            first, last = np.searchsorted(missing, (frames.start or 0, len(self) if frames.stop is None else frames.stop))
            points[missing[first:last] - (frames.start or 0), joint] = values[first:last]
        return points, present

    def of(self, joint: int) -> tuple[Float64Array, NDArray[np.bool_]]:
        """Position and depth [T,3] of one joint in all frames, and whether it is present [T]."""
        if joint < NUM_KEYPOINTS:
            points, present = self._measured(slice(None), joint)
        else:
            pair, pair_present = self._measured(slice(None), _PAIRS[joint])
            points, present = pair.mean(axis=1), np.asarray(pair_present.all(axis=1))
        points[:, 2] *= self.depth_gain
        if joint in self._fills:
            missing, values = self._fills[joint]
            points[missing] = values
        return points, present

    def several(self, joints: Sequence[int]) -> tuple[Float64Array, NDArray[np.bool_]]:
        """`of` some joints: [T,n,3] and [T,n]."""
        points, present = zip(*(self.of(joint) for joint in joints), strict=True)
        return np.stack(points, axis=1), np.stack(present, axis=1)

    def scaled(self, depth_gain: float) -> "Joints":
        """The same with depth scaled once more."""
        return Joints(self.pose, self.depth_gain * depth_gain, self._least, self._fills)

    def filled(self) -> "Joints":
        """The same with missing joints filled in: their offset from the parent joint is interpolated over time.

        Missing hips are placed relative to the neck in the same way. A joint that is never visible lies on its parent.
        """
        result = Joints(self.pose, self.depth_gain, self._least)
        (hips, hips_seen), (neck, neck_seen) = self.of(HIPS), self.of(INDEX["neck"])
        if not hips_seen.all():
            torso = _interpolate(hips - neck, hips_seen & neck_seen)
            hips = np.where((neck_seen & ~hips_seen)[:, None], neck + torso, hips)
            result._fill(HIPS, _interpolate(hips, hips_seen | neck_seen), hips_seen)
        for joint, parent, _ in TREE:
            (points, seen), (above, above_seen) = self.of(joint), result.of(parent)
            if not seen.all():
                # If the parent is never present, the offset from its filled-in position is used.
                known = seen & above_seen if (seen & above_seen).any() else seen
                result._fill(joint, above + _interpolate(points - above, known), seen)
        return result

    def _fill(self, joint: int, points: Float64Array, seen: NDArray[np.bool_]) -> None:
        missing = np.flatnonzero(~seen)
        self._fills[joint] = missing, points[missing]

    def _measured(self, frames: slice, joints: int | slice | list[int]) -> tuple[Float64Array, NDArray[np.bool_]]:
        pose = self.pose
        confidence = pose.confidence[frames, joints]
        points = np.empty((*confidence.shape, 3))
        points[..., :2], points[..., 2] = pose.xy[frames, joints], pose.depth[frames, joints]
        return points, confidence > 0 if self._least is None else confidence >= self._least


def _with_middles(points: Float64Array, seen: NDArray[np.bool_]) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Points [T,J,3] of all joints and whether they are present [T,J], from those of the keypoints [T,K]."""
    middles = [points[:, pair].mean(axis=1, keepdims=True) for pair in _PAIRS.values()]
    visible = [seen[:, pair].all(axis=1, keepdims=True) for pair in _PAIRS.values()]
    return np.concatenate([points, *middles], axis=1), np.concatenate([seen, *visible], axis=1)


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
