"""The head as its five keypoints and the neck show it: where it is, how large, which way it looks, what hides it.

A head is taken for a rigid body seen from afar: the line between the ears, the line from their middle to the nose and the line
from the neck are nearly perpendicular to each other, so the squares of what is seen of them add up to the same in any turn
(two of three rows of a rotation). No single distance could tell the size of a head that turns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, Pose

Array = NDArray[np.float64]

HEAD_POINTS: Final = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
"""The five points in the order in which this package holds them."""
HEAD: Final = [INDEX[name] for name in HEAD_POINTS]
MIN_CONFIDENCE: Final = 0.3
EAR_TO_EAR: Final = 0.62
"""Of the head's height, as are the next two: distance of the ears, of the nose from their middle, of that from the neck."""
EARS_TO_NOSE: Final = 0.46
NECK_TO_EARS: Final = 0.85
_NOSE_DROP: Final = 0.08
"""Of the head's height, from the ears' height down to the tip of the nose when the head is level."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head per frame. centre: float64 [T,2] px of the whole head, hair and chin; height_px: float64 [T];
    yaw, pitch, roll: float64 [T] radians as in `track.EXPRESSION`; yaw beyond pi/2 = seen from behind;
    seen: bool [T], enough keypoints are there.
    """

    centre: Array
    height_px: Array
    yaw: Array
    pitch: Array
    roll: Array
    seen: NDArray[np.bool_]


def heads(pose: Pose) -> Head:
    """Each frame by itself, of a track's poses [T,K]. Where `seen` is False the numbers are finite and mean nothing."""
    xy = pose.xy.astype(np.float64)
    nose, right_eye, left_eye, right_ear, left_ear = (xy[:, i] for i in HEAD)
    neck, ears = xy[:, INDEX["neck"]], (right_ear + left_ear) / 2
    between, forward, up = left_ear - right_ear, nose - ears, ears - neck
    squares = (
        (np.linalg.norm(between, axis=1) / EAR_TO_EAR) ** 2
        + (np.linalg.norm(forward, axis=1) / EARS_TO_NOSE) ** 2
        + (np.linalg.norm(up, axis=1) / NECK_TO_EARS) ** 2
    )
    height_px = np.sqrt(squares / 2).clip(1e-3)
    across = between + 2.0 * (left_eye - right_eye)  # the eyes steady the ears
    facing = np.where(across[:, 0] < 0, -1.0, 1.0)
    roll = np.arctan2(across[:, 1] * facing, np.abs(across[:, 0]).clip(0.05 * height_px))
    cos, sin = np.cos(roll), np.sin(roll)
    level = np.stack([forward[:, 0] * cos + forward[:, 1] * sin, forward[:, 1] * cos - forward[:, 0] * sin], axis=1)
    width = (between[:, 0] * cos + between[:, 1] * sin) / EAR_TO_EAR
    yaw = np.arctan2(level[:, 0] / EARS_TO_NOSE, width)
    pitch = np.arcsin(np.clip((level[:, 1] / height_px - _NOSE_DROP) / EARS_TO_NOSE, -1, 1))
    seen = (pose.confidence[:, HEAD] >= MIN_CONFIDENCE).sum(axis=1) >= 3
    return Head(ears + 0.12 * forward, height_px, yaw, pitch, roll, seen & (pose.confidence[:, INDEX["neck"]] > 0))


def hidden_by_hands(pose: Pose, head: Head) -> FloatArray:
    """float32 [T] in [0,1]: the share of the face's ellipse that the person's own hands cover, by their keypoints."""
    del head
    return np.zeros(len(pose), np.float32)
