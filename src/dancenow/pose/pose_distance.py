"""Normalize poses for position and size, and find nearest poses between two videos by pose, facing direction and visibility.

Lengths are in body heights (nose to ankle, see `pose.body_statistics`), so that two videos can be compared. Distances between
many poses are matrix products over blocks of rows, as in brute-force nearest-neighbor search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import (
    ANKLE_TO_SOLE,
    FULL_LENGTH_PERCENTILE,
    MIN_CONFIDENCE,
    Float64Array,
    body_statistics,
    sole_y,
    standing_line,
)
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, FrameStatus, PoseTrack

DEPTH_WEIGHT: Final = 0.4
"""Weight of depth relative to x and y: detectors estimate it poorly."""
FACING_WEIGHT: Final = 0.25
"""Body heights by which two poses differ that face 60 degrees apart: twice this is front against back."""
HIDDEN_COST: Final = 0.2
"""Body heights by which a keypoint that only one of two poses shows counts; half of it where only the footage shows it."""
WIDTHS: Final = {"shoulder": 0.22, "hip": 0.13}
"""Between the sides of a body that faces the camera, in body heights: less than is usual, so that noise turns nobody."""
NOSE_REACH: Final = 0.08
"""How far before the neck the nose of a body in profile shows."""
SIZE_WINDOW_S: Final = 1.0
"""The apparent size of a body changes more slowly than this: the width of a median filter."""
BLOCK_ROWS: Final = 512
"""Poses compared with all others at once: bounds the memory."""


def _both(*names: str) -> list[int]:
    return [INDEX[f"{side}_{name}"] for name in names for side in ("right", "left")]


PARTS: Final[dict[str, list[int]]] = {
    "arms": _both("elbow", "wrist", "index"),
    "legs": _both("knee", "ankle", "toe"),
    "torso": [INDEX["neck"], *_both("shoulder", "hip")],
    "head": [INDEX["nose"], *_both("eye", "ear")],
}
"""Keypoints of each part that is compared by itself; every part knows which way the body faces."""
_FROM_NECK: Final = sorted({*PARTS["arms"], *PARTS["head"], *_both("thumb", "pinky")})
_BONES: Final = [
    (INDEX[f"{side}_{a}"], INDEX[f"{side}_{b}"])
    for side in ("right", "left")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"))
]


@dataclass(frozen=True, eq=False)
class BodyPoses:
    """The normalized poses of a track, one row per frame.

    xyz: float32 [T,K,3] in body heights, x right and y down in the image, z away from the camera; arms and head from the
    neck, all else from the middle of the hips. seen: bool [T,K]. facing: float32 [T,2], unit vectors: towards the image's
    right, and towards the camera; (0, 0) where it cannot be told. lift: float64 [T] of the soles above the ground, 0 where
    unknown. present: bool [T], frames that show the body. measured: bool [T], those in which it was detected.
    """

    xyz: FloatArray
    seen: NDArray[np.bool_]
    facing: FloatArray
    lift: Float64Array
    present: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.xyz)

    def __getitem__(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "BodyPoses":
        return BodyPoses(
            self.xyz[rows], self.seen[rows], self.facing[rows], self.lift[rows], self.present[rows], self.measured[rows]
        )


def body_poses(track: PoseTrack) -> BodyPoses:
    """Normalize a track for position and size.

    Raises:
        UserError: shoulders and hips are never seen together, so nothing gives the size of the body.
    """
    pose, height_px = track.pose, body_statistics(track).height_px
    seen = (pose.confidence >= MIN_CONFIDENCE) & (track.status != FrameStatus.MISSING)[:, None]
    size_px = height_px * _relative_size(pose.xy.astype(np.float64), seen, track.fps)
    xyz = np.concatenate([pose.xy, pose.depth[..., None]], axis=-1).astype(np.float64)
    hips, neck = xyz[:, _both("hip")].mean(axis=1), xyz[:, INDEX["neck"]]
    hips_seen, neck_seen = seen[:, _both("hip")].all(axis=1), seen[:, INDEX["neck"]]
    origin = np.where(hips_seen[:, None], hips, neck)
    relative = xyz - origin[:, None]
    relative[:, _FROM_NECK] = (xyz - np.where(neck_seen[:, None], neck, origin)[:, None])[:, _FROM_NECK]
    present = hips_seen | neck_seen
    xyz = np.where(present[:, None, None], relative / size_px[:, None, None], 0.0)
    soles_px = sole_y(pose, ANKLE_TO_SOLE * height_px)
    lift = np.zeros(len(track))
    if np.isfinite(soles_px).any():
        lift = np.nan_to_num((standing_line(soles_px, track.fps) - soles_px) / size_px)
    facing = _facing(xyz, seen)
    return BodyPoses(xyz.astype(np.float32), seen, facing, lift, present, present & (track.status == FrameStatus.MEASURED))


def nearest(
    dance: BodyPoses, footage: BodyPoses, parts: Sequence[str], *, depth: bool, neighbors: int
) -> tuple[Float64Array, NDArray[np.int64]]:
    """How far each pose of the dance is from the footage, and where in the footage it is nearest: float64 [P,A], int64 [A].

    A row of distances for each of `parts`: the mean over the part's `neighbors` nearest poses, since a single one may be a
    slip of the detector. The index is that of the pose which is nearest in all parts together. depth: whether the depths of
    both can be compared. Memory: `BLOCK_ROWS` x B numbers a part.
    """
    neighbors = min(neighbors, len(footage))
    factors = [_right(footage, part, depth).T for part in parts]
    distance, index = np.zeros((len(parts), len(dance))), np.zeros(len(dance), np.int64)
    for start in range(0, len(dance), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = dance[rows]
        total = np.zeros((len(block), len(footage)), np.float32)
        for i, part in enumerate(parts):
            squared = _left(block, part, depth) @ factors[i]
            total += squared
            least = np.partition(squared, neighbors - 1, axis=1)[:, :neighbors]
            distance[i, rows] = np.sqrt(np.maximum(least, 0)).mean(axis=1)
        index[rows] = total.argmin(axis=1)
    return distance, index


# The squared distance of two keypoints a, b that are seen (m, n = 1) or not (0) is
#     m n |a - b|^2 + c^2 (m (1 - n) + (1 - m) n / 2),
# which is a sum of products of a number of the one and a number of the other: one matrix product for all pairs.


def _left(poses: BodyPoses, part: str, depth: bool) -> FloatArray:
    """float32 [A,F], the factors of the dance's side."""
    place, seen = _weighted(poses, part, depth)
    m = seen.astype(np.float32)
    squares = (place**2).sum(axis=-1)
    terms = [m * squares, m, *(-2 * m * place[..., i] for i in range(3)), m, 1 - m]
    return np.concatenate([*terms, _facing_terms(poses, len(m[0]), left=True)], axis=1)


def _right(poses: BodyPoses, part: str, depth: bool) -> FloatArray:
    """float32 [B,F], the factors of the footage's side; the mean over keypoints is taken here."""
    place, seen = _weighted(poses, part, depth)
    n, count = seen.astype(np.float32), seen.shape[1]
    squares, cost = (place**2).sum(axis=-1), np.float32(HIDDEN_COST**2)
    terms = [n, n * squares, *(n * place[..., i] for i in range(3)), cost * (1 - n), cost / 2 * n]
    factors: FloatArray = np.concatenate([*terms, _facing_terms(poses, count, left=False)], axis=1)
    factors /= count
    return factors


def _weighted(poses: BodyPoses, part: str, depth: bool) -> tuple[FloatArray, NDArray[np.bool_]]:
    columns = PARTS[part]
    scale = np.array([1, 1, DEPTH_WEIGHT if depth else 0], np.float32)
    return poses.xyz[:, columns] * scale, poses.seen[:, columns]


def _facing_terms(poses: BodyPoses, count: int, *, left: bool) -> FloatArray:
    """[A,4] factors of the squared chord between two directions, times `count`, over which `_right` takes the mean."""
    facing, squares = poses.facing, (poses.facing**2).sum(axis=1, keepdims=True)
    ones = np.ones_like(squares)
    if left:
        return np.concatenate([squares, ones, -2 * facing], axis=1)
    weight = np.float32(count * FACING_WEIGHT**2)
    return np.concatenate([weight * ones, weight * squares, weight * facing], axis=1)


def _relative_size(xy: Float64Array, seen: NDArray[np.bool_], fps: float) -> Float64Array:
    """Size of the body in every frame, float64 [T], as a share of its usual size in the track.

    Of all bones those count that show the most of their length: some always lie across the view.
    """
    lengths = np.stack(
        [np.where(seen[:, a] & seen[:, b], np.linalg.norm(xy[:, a] - xy[:, b], axis=1), np.nan) for a, b in _BONES], axis=1
    )
    known = np.isfinite(lengths).any(axis=0)
    full = np.ones(len(_BONES))
    full[known] = np.nanpercentile(lengths[:, known], FULL_LENGTH_PERCENTILE, axis=0)
    share = np.sort(np.nan_to_num(lengths / np.maximum(full, 1e-6)), axis=1)[:, -3:]
    size = share.mean(axis=1)
    sure = share[:, 0] > 0
    if not sure.any():
        return np.ones(len(xy))
    frames = np.arange(len(xy))
    size = np.interp(frames, frames[sure], size[sure])
    half = round(SIZE_WINDOW_S * fps / 2)
    padded = np.pad(size, half, mode="edge")
    median: Float64Array = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    return np.asarray(np.clip(median, 0.2, 2.0), np.float64)


def _facing(xyz: Float64Array, seen: NDArray[np.bool_]) -> FloatArray:
    """Which way chest and hips face, float32 [T,2]: from the order and distance of their sides in the image.

    Detectors see well how far left and right are from each other in the image, and which of them is nearer, but not by how
    much: depth gives the sign of the turn, and bounds it. Where a track has none, the nose before the neck gives the sign.
    """
    across = np.zeros((len(xyz), 2))
    full = np.full(len(xyz), 1e-6)
    for name, width in WIDTHS.items():
        right, left = (INDEX[f"{side}_{name}"] for side in ("right", "left"))
        both = seen[:, right] & seen[:, left]
        across += np.where(both[:, None], xyz[:, left][:, [0, 2]] - xyz[:, right][:, [0, 2]], 0)
        full += np.where(both, width, 0)
    towards = np.clip(across[:, 0] / full, -1, 1)
    turned = np.sqrt(1 - towards**2)
    if xyz[..., 2].any():
        sideways = np.sign(across[:, 1]) * np.minimum(turned, np.abs(across[:, 1]) / full)
    else:
        nose = np.where(seen[:, INDEX["nose"]], xyz[:, INDEX["nose"], 0], 0)
        sideways = turned * np.clip(nose / NOSE_REACH, -1, 1)
    facing = np.stack([sideways, towards], axis=1)
    length = np.linalg.norm(facing, axis=1, keepdims=True)
    return np.asarray(np.where(length > 0.1, facing / np.maximum(length, 0.1), 0), np.float32)
