"""Position, size and rotation of the head, from its five keypoints and the neck.

The head is modeled as a rigid body under orthographic projection. The line between the ears, the line from their midpoint to
the nose and the line from the neck are nearly perpendicular to each other, so the sum of their squared projected lengths is the
same at any rotation (two of three rows of a rotation matrix). No single distance gives the size of a rotating head.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks, gaussian, local_parabola
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX
from dancenow.types import Pose

Array = NDArray[np.float64]

MIN_CONFIDENCE: Final = 0.3
EAR_TO_EAR: Final = 0.61
"""Fractions of the head's height, as are the next two: distance between the ears, of the nose from their midpoint, of that from
the neck.

On rendered people the true values are .66, .48 and .97, and the detector's .57, .41 and .84; these are between the two.
"""
EARS_TO_NOSE: Final = 0.44
NECK_TO_EARS: Final = 0.90
_NOSE_DROP: Final = 0.05
"""Fraction of the head's height from the level of the ears down to the tip of the nose of a level head."""
_ABOVE_EARS: Final = 0.13
"""Fraction of the head's height from the ears up to the middle between chin and crown."""
HEAD_MODEL: Final = np.array(
    [[0, 0.18, -0.44], [-0.126, 0.06, -0.34], [0.126, 0.06, -0.34], [-0.305, 0.13, 0], [0.305, 0.13, 0]]
)
"""The five points in 3-D, in head heights from the head's center: x to the image's right, y down, z away."""
CENTRE_SIGMA_S: Final = 0.06
"""Half-width of the window's smoothing: a parabola follows a nod, and removes the detector's jitter."""
SIZE_SIGMA_S: Final = 0.3
"""A head's size changes only as the person walks."""
TURN_SIGMA_S: Final = 0.06
"""Standard deviation of the smoothing of the head's rotation."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head per frame. center: float64 [T,2] px of the whole head with hair and chin; face_center: [T,2] px, about the bridge
    of the nose; height_px: float64 [T]; yaw, pitch, roll: float64 [T] radians as in `face_track.EXPRESSION`, |yaw| > pi/2 =
    seen from behind; seen: bool [T], enough keypoints are detected.
    """

    center: Array
    face_center: Array
    height_px: Array
    yaw: Array
    pitch: Array
    roll: Array
    seen: NDArray[np.bool_]


def estimate_heads(pose: Pose) -> Head:
    """Estimate the head in each frame independently, from a track's poses [T,K]. Where `seen` is False the values are finite
    and undefined.
    """
    parts = [_estimate_heads(pose[frames]) for frames in blocks(max(len(pose), 1))]
    return Head(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Head)))


def _estimate_heads(pose: Pose) -> Head:
    xy = pose.xy.astype(np.float64)
    nose, right_eye, left_eye, right_ear, left_ear = (xy[:, i] for i in HEAD_KEYPOINTS)
    neck, ears = xy[:, INDEX["neck"]], (right_ear + left_ear) / 2
    between, forward, up = left_ear - right_ear, nose - ears, ears - neck
    squares = (
        (np.linalg.norm(between, axis=1) / EAR_TO_EAR) ** 2
        + (np.linalg.norm(forward, axis=1) / EARS_TO_NOSE) ** 2
        + (np.linalg.norm(up, axis=1) / NECK_TO_EARS) ** 2
    )
    height_px = np.sqrt(squares / 2).clip(1e-3)
    across = between + 2.0 * (left_eye - right_eye)  # the eyes stabilize the ears
    facing = np.where(across[:, 0] < 0, -1.0, 1.0)
    # In profile the line between the ears does not determine the roll, which is then taken as 0.
    roll = np.arctan2(across[:, 1] * facing, np.abs(across[:, 0]).clip(0.25 * height_px))
    cos, sin = np.cos(roll), np.sin(roll)
    level_x, level_y = forward[:, 0] * cos + forward[:, 1] * sin, forward[:, 1] * cos - forward[:, 0] * sin
    width = (between[:, 0] * cos + between[:, 1] * sin) / EAR_TO_EAR
    yaw = np.arctan2(level_x / EARS_TO_NOSE, width)
    pitch = np.arcsin(np.clip((level_y / height_px - _NOSE_DROP) / EARS_TO_NOSE, -1, 1))
    lift = _ABOVE_EARS * height_px[:, None] * np.stack([sin, -cos], axis=1)
    seen = (pose.confidence[:, HEAD_KEYPOINTS] >= MIN_CONFIDENCE).sum(axis=1) >= 3
    seen &= pose.confidence[:, [*HEAD_KEYPOINTS, INDEX["neck"]]].min(axis=1) > 0
    return Head(ears + 0.15 * forward + lift, ears + 0.75 * forward, height_px, yaw, pitch, roll, seen)


def smooth_heads(head: Head, time_s: Array) -> Head:
    """Fill the gaps of a whole track and remove jitter, without lag and without cutting fast moves short."""
    if not head.seen.any():
        return head
    known = np.flatnonzero(head.seen)
    turns = np.stack([np.cos(head.yaw), np.sin(head.yaw), head.pitch, head.roll], axis=1)
    columns = np.concatenate([head.center, head.face_center, turns, np.log(head.height_px)[:, None]], axis=1)
    filled = np.stack([np.interp(time_s, time_s[known], column[known]) for column in columns.T], axis=1)
    weight = np.where(head.seen, 1.0, 0.1)[:, None]
    places = local_parabola(filled[:, None, :4], weight, time_s, CENTRE_SIGMA_S)[:, 0]
    cos, sin, pitch, roll = (gaussian(filled[:, c], time_s, TURN_SIGMA_S) for c in range(4, 8))
    height_px = np.exp(gaussian(filled[:, 8], time_s, SIZE_SIGMA_S))
    return Head(places[:, :2], places[:, 2:], height_px, np.arctan2(sin, cos), pitch, roll, head.seen)
