"""How far a camera is turned about its optical axis, from the upright lines of a room.

Door frames, posts and corners of walls are upright in the world. In a picture they meet in one vanishing point, below it if
the camera looks down. All rolls and all vanishing points are tried; the one that most lines agree with, and that fits how the
person stands, counts if no other comes near. A person alone says little: dancers lean.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.skeleton import INDEX
from dancenow.subject.camera_motion import BackgroundView
from dancenow.types import PoseTrack

_ROLLS_RAD: Final = np.deg2rad(np.arange(-35, 35.1, 0.5))
_CONVERGENCES: Final = np.linspace(-0.6, 1.0, 33)
"""Inverse distance of the vanishing point from the center of the picture, in 1 / longer side; above 0 it lies below."""
_ROLL_SPREAD_RAD: Final = float(np.deg2rad(20))
_LEAN_SPREAD_RAD: Final = float(np.deg2rad(12))
"""Standard deviation of the difference between the roll and how the person leans."""
_USUAL_CONVERGENCE: Final = 0.1
_CONVERGENCE_SPREAD: Final = 0.7
_AGREE_RAD: Final = float(np.deg2rad(1))
_MIN_LINE: Final = 0.03
"""Length of a line that counts, as a fraction of the longer side."""
_PERSON_RIM_PX: Final = 4
_ELSEWHERE_RAD: Final = float(np.deg2rad(5))
_MAX_SECOND: Final = 0.65
"""A roll is sure if no other, farther away than `_ELSEWHERE_RAD`, gets this fraction of its score,"""
_MIN_SHARE: Final = 0.33
"""if at least this share of the lines that are about upright agrees,"""
_MIN_LENGTH: Final = 0.4
"""and if these are at least this long in total, in longer sides."""
_MIN_PLACES: Final = 4
"""The lines of a court are fewer than the uprights of a room, which are at this many places beside each other,"""
_PLACE: Final = 0.04
"""each as wide as this, in longer sides."""
_MAX_APART_RAD: Final = float(np.deg2rad(17))
"""Nobody leans more against the room all the time; then the lines are not its uprights."""
_NEARLY_UPRIGHT_RAD: Final = float(np.deg2rad(35))
_MIN_STANDING: Final = 5
_Array = NDArray[np.float64]


def estimate_roll(view: BackgroundView, lean_rad: float | None = None) -> float | None:
    """Angle from the picture's down to the room's, towards its right, in radians; None if the lines do not say it surely.

    lean_rad: how the person stands, see `median_lean`; None if it is not known.
    """
    starts, ends = _lines(view)
    if not len(starts):
        return None
    lengths = np.linalg.norm(ends - starts, axis=1)
    directions, middles = (ends - starts) / lengths[:, None], (starts + ends) / 2
    scores = np.stack([_agreement(roll, directions, middles, lengths) for roll in _ROLLS_RAD])
    likely = scores * np.exp(-0.5 * ((_CONVERGENCES - _USUAL_CONVERGENCE) / _CONVERGENCE_SPREAD) ** 2)
    likely *= np.exp(-0.5 * (_ROLLS_RAD / _ROLL_SPREAD_RAD) ** 2)[:, None]
    if lean_rad is not None:
        likely *= np.exp(-0.5 * ((_ROLLS_RAD - lean_rad) / _LEAN_SPREAD_RAD) ** 2)[:, None]
    best, convergence = np.unravel_index(int(likely.argmax()), likely.shape)
    roll_rad, score = float(_ROLLS_RAD[best]), float(scores[best, convergence])
    elsewhere = np.abs(_ROLLS_RAD - roll_rad) > _ELSEWHERE_RAD
    second = float(likely[elsewhere].max() / likely.max())
    cos = np.abs(directions @ [np.sin(roll_rad), np.cos(roll_rad)])
    share = score / max(float(lengths[cos > np.cos(_NEARLY_UPRIGHT_RAD)].sum()), 1e-6)
    is_sure = second < _MAX_SECOND and share > _MIN_SHARE and score > _MIN_LENGTH
    is_sure &= _places(roll_rad, float(_CONVERGENCES[convergence]), directions, middles) >= _MIN_PLACES
    is_sure &= lean_rad is None or abs(roll_rad - lean_rad) < _MAX_APART_RAD
    return roll_rad if is_sure else None


def median_lean(track: PoseTrack) -> float | None:
    """Median angle from the picture's down to the direction from neck to ankles, in radians; None if these are rarely seen."""
    joints = [INDEX[name] for name in ("neck", "right_ankle", "left_ankle")]
    seen = (track.pose.confidence[:, joints] >= MIN_CONFIDENCE).all(axis=1)
    if seen.sum() < _MIN_STANDING:
        return None
    neck, right, left = np.moveaxis(track.pose.xy[:, joints][seen].astype(np.float64), 1, 0)
    down = (right + left) / 2 - neck
    return float(np.median(np.arctan2(down[:, 0], down[:, 1])))


def turn_about_center(angle_rad: float, width_px: int, height_px: int) -> _Array:
    """float64 [3,3], a turn about the center of a picture that adds `angle_rad` to the angle of every direction."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    center = np.array([(width_px - 1) / 2, (height_px - 1) / 2])
    turn = np.array([[cos, sin], [-sin, cos]])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, center - turn @ center
    return matrix


def _agreement(roll_rad: float, directions: _Array, middles: _Array, lengths: _Array) -> _Array:
    """Total length of the lines that point at the vanishing point, for each of `_CONVERGENCES`."""
    off = _angles_off(roll_rad, _CONVERGENCES, directions, middles)
    return np.asarray((lengths * np.exp(-0.5 * (off / _AGREE_RAD) ** 2)).sum(axis=1), np.float64)


def _places(roll_rad: float, convergence: float, directions: _Array, middles: _Array) -> int:
    """At how many places beside each other lines agree."""
    agree = np.abs(_angles_off(roll_rad, np.array([convergence]), directions, middles)[0]) < 2 * _AGREE_RAD
    count, last = 0, -np.inf
    for across in np.sort(middles[agree] @ [np.cos(roll_rad), -np.sin(roll_rad)]):
        if across > last + _PLACE:
            count, last = count + 1, across
    return count


def _angles_off(roll_rad: float, convergences: _Array, directions: _Array, middles: _Array) -> _Array:
    """Sine of the angle between each line and its direction to the vanishing point, [C,N]."""
    down = np.array([np.sin(roll_rad), np.cos(roll_rad)])
    towards = down - convergences[:, None, None] * middles
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    return np.asarray(towards[..., 0] * directions[:, 1] - towards[..., 1] * directions[:, 0], np.float64)


def _lines(view: BackgroundView) -> tuple[_Array, _Array]:
    """Both ends [N,2] of the straight edges of the background, from the center of the picture, in longer sides."""
    found = cv2.createLineSegmentDetector().detect(view.gray)[0]
    if found is None:
        return np.zeros((0, 2)), np.zeros((0, 2))
    starts, ends = np.split(found.reshape(-1, 4).astype(np.float64), 2, axis=1)
    height, width = view.gray.shape
    rim = np.ones((2 * _PERSON_RIM_PX + 1, 2 * _PERSON_RIM_PX + 1), np.uint8)
    free = cv2.erode(view.background, rim, borderValue=(255,)) > 0
    keep = np.linalg.norm(ends - starts, axis=1) > _MIN_LINE * max(width, height)
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = ((1 - part) * starts + part * ends).round().astype(int).T
        keep &= free[y.clip(0, height - 1), x.clip(0, width - 1)]
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    return (starts[keep] - center) / max(width, height), (ends[keep] - center) / max(width, height)
