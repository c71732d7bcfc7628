"""Heads made from the 3-D model: a head that rotates in place, with landmarks that show its expression."""

import numpy as np
from numpy.typing import NDArray

from dancenow.face.align import project_rotated
from dancenow.face.face_model import LANDMARK_MODEL
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import face_boxes, with_landmarks
from dancenow.face.head import HEAD_MODEL, NECK_TO_EARS
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX, NUM_KEYPOINTS
from dancenow.types import Pose, PoseTrack

HEIGHT_PX = 60.0
Array = NDArray[np.float64]


def turning(
    yaw: Array, pitch: Array | None = None, roll: Array | None = None, *, height_px: float = HEIGHT_PX, fps: float = 30.0
) -> PoseTrack:
    """A person whose head stays at (200, 100) and rotates; the hands hang far below."""
    count = len(yaw)
    xy = np.tile(np.array([200.0, 400.0]), (count, NUM_KEYPOINTS, 1))
    head = project_rotated(HEAD_MODEL, yaw, np.zeros(count) if pitch is None else pitch)
    xy[:, HEAD_KEYPOINTS] = rolled(head, np.zeros(count) if roll is None else roll) * height_px + [200, 100]
    xy[:, INDEX["neck"]] = [200, 100 + (NECK_TO_EARS + 0.13) * height_px]
    pose = Pose(xy.astype(np.float32), np.ones(xy.shape[:2], np.float32))
    return PoseTrack(pose, np.arange(count) / fps, np.zeros(count, np.uint8), 400, 500, "test", "")


def rolled(points: Array, roll: Array) -> Array:
    """Rotate points [T,N,2] in the image by [T]."""
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def mouthing(track: PoseTrack, opening: Array, face: Array = LANDMARK_MODEL, confidence: float = 1.0) -> FaceTrack:
    """Faces of a level track of `turning` whose lower lip is lowered by `opening` [T], in head heights."""
    boxes = face_boxes(track)
    shape = np.repeat(face[None], len(track), axis=0).copy()
    lower = [*range(55, 60), *range(65, 68)]
    shape[:, lower, 1] += opening[:, None]
    yaw = boxes.expression[:, 6].astype(np.float64)
    flat = np.concatenate([project_rotated(one, yaw[t : t + 1], np.zeros(1)) for t, one in enumerate(shape)])
    depth = shape[..., 0] * np.sin(yaw)[:, None] + shape[..., 2] * np.cos(yaw)[:, None]
    points = np.concatenate([flat, depth[..., None]], axis=2) * HEIGHT_PX + [200, 100, 0]
    sure = np.full(len(track), confidence, np.float32)
    return with_landmarks(boxes, points.astype(np.float32), sure, "test")
