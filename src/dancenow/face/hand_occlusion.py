"""Regions covered by a person's own hands and forearms, as capsules along their keypoints: a hand in front of a face stays
there.

The detector's finger keypoints are knuckles, so a hand is drawn twice as long as its keypoints reach.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.head import MIN_CONFIDENCE, Head
from dancenow.pose.filtering.local_regression import blocks
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX
from dancenow.types import Crop, FloatArray, Pose

Array = NDArray[np.float64]
HAND_LENGTH_RATIO: Final = 1.9
"""Length of a hand relative to the distance from wrist to knuckle."""
FINGER_RADIUS_HEADS: Final = 0.085
ARM_RADIUS_HEADS: Final = 0.14
"""In head heights."""
_BEHIND_HEADS: Final = 0.5
"""Head heights by which a hand must be farther away than the face to count as behind it: depth is imprecise."""
_BLOCK: Final = 1024
"""Poses that are compared with their hands at once."""
_SIDES: Final = ("right", "left")
_FACE_HALF_AXES: Final = (0.30, 0.40)  # of the head's height


def arm_capsules(pose: Pose, height_px: Array) -> tuple[Array, Array]:
    """Segments [T,10,2,2] px of the hands and forearms of poses [T,K], and their radii [T,10] px, 0 where none is in front.

    height_px: [T] of the head.
    """
    xy = pose.xy.astype(np.float64)
    face_depth = pose.depth[:, HEAD_KEYPOINTS].mean(axis=1)
    segments, radii = [], []
    for side in _SIDES:
        wrist, elbow, *knuckles = (INDEX[f"{side}_{part}"] for part in ("wrist", "elbow", "index", "pinky", "thumb"))
        tips = [xy[:, wrist] + HAND_LENGTH_RATIO * (xy[:, knuckle] - xy[:, wrist]) for knuckle in knuckles]
        ends = [*tips[:2], (tips[0] + tips[1]) / 2, tips[2]]
        seen = pose.confidence[:, [wrist, *knuckles]].min(axis=1) >= MIN_CONFIDENCE
        front = pose.depth[:, wrist] < face_depth + _BEHIND_HEADS * height_px
        for end in ends:
            segments.append(np.stack([xy[:, wrist], end], axis=1))
            radii.append(np.where(seen & front, FINGER_RADIUS_HEADS * height_px, 0.0))
        arm = (pose.confidence[:, [wrist, elbow]].min(axis=1) >= MIN_CONFIDENCE) & front
        segments.append(np.stack([xy[:, elbow], xy[:, wrist]], axis=1))
        radii.append(np.where(arm, ARM_RADIUS_HEADS * height_px, 0.0))
    return np.stack(segments, axis=1), np.stack(radii, axis=1)


def occluded_fraction(pose: Pose, head: Head) -> FloatArray:
    """Fraction of the face's ellipse covered by the person's own hands and forearms: float32 [T] in [0,1]."""
    hidden = np.zeros(len(pose), np.float32)
    for frames in blocks(len(pose), _BLOCK):
        hidden[frames] = _occluded(pose[frames], head.face_center[frames], head.height_px[frames])
    return hidden


def _occluded(pose: Pose, face_center: Array, height_px: Array) -> FloatArray:
    segments, radii = arm_capsules(pose, height_px)
    hidden = np.zeros(len(pose), np.float32)
    reach = _distance(face_center[:, None], segments)[:, 0] - radii
    near = np.flatnonzero((radii > 0).any(axis=1) & (np.where(radii > 0, reach, np.inf).min(axis=1) < 0.5 * height_px))
    u, v = np.meshgrid(np.linspace(-1, 1, 11), np.linspace(-1, 1, 11))
    inside = np.hypot(u, v) <= 1
    ellipse = np.stack([u[inside], v[inside]], axis=1) * _FACE_HALF_AXES
    for block in np.array_split(near, max(1, len(near) // 100)):
        points = face_center[block, None] + ellipse * height_px[block, None, None]
        covered = (_distance(points, segments[block]) < radii[block, None]).any(axis=2)
        hidden[block] = covered.mean(axis=1)
    return hidden


def hand_mask(pose: Pose, height_px: float, crop: Crop) -> FloatArray:
    """Mask on a face canvas, float32 [S,S]: 1 on hands and forearms of the pose [K], with a soft edge."""
    segments, radii = arm_capsules(pose[None], np.array([height_px]))
    along = np.arange(crop.size)
    canvas = np.stack(np.meshgrid(along, along), axis=-1).reshape(1, -1, 2).astype(np.float64)
    if not (radii > 0).any():
        return np.zeros((crop.size, crop.size), np.float32)
    points = canvas @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    beyond = np.where(radii[:, None] > 0, _distance(points, segments) - radii[:, None], np.inf).min(axis=2)
    soft = np.clip(0.5 - beyond / (0.04 * height_px), 0, 1)
    return np.asarray(soft.reshape(crop.size, crop.size), np.float32)


def _distance(points: Array, segments: Array) -> Array:
    """Distances [T,N,C] in px from points [T,N,2] to segments [T,C,2,2]."""
    start, along = segments[:, None, :, 0], (segments[:, :, 1] - segments[:, :, 0])[:, None]
    offset = points[:, :, None] - start
    place = (offset * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
    return np.asarray(np.linalg.norm(offset - place.clip(0, 1)[..., None] * along, axis=-1))
