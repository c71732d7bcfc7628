"""Keep one half of a body as it stands in the person's own footage, while the dance moves the other half.

The standing pose is the calmest moment of the footage in which the person stands upright. Both halves meet at the hips: kept
legs give way to the sway of the dance, most at the hips and not at all at the feet; a kept upper body rides on dancing hips.
"""

from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.filtering.local_regression import gaussian
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack

KeptHalf = Literal["none", "lower", "upper"]
"""none: the dance moves the whole body. lower: legs stand as in the footage. upper: trunk, arms and head are held as there."""

CALM_S: Final = 0.6
"""Time over which the standing pose must be calm."""
_FACING, _HANGING = 0.3, 0.3
"""Speed in torso lengths a second that a wide view of the shoulders, and hanging arms, make up for."""
_SIZE_S: Final = 0.5
_SWAY_S: Final = 0.8
"""Moves of the hips that are slower are travel, which standing legs do not follow."""
_SWAY: Final = 0.6
"""Part of the sway that standing hips follow."""
_MAX_SWAY: Final = 0.12
"""The same at most, in torso lengths: the feet stay."""
_BENDING: Final = {"hip": 1.0, "knee": 0.5, "ankle": 0.0, "heel": 0.0, "toe": 0.0}
"""How much of the sway of the hips each joint of a standing leg follows."""
_HIPS: Final = [INDEX["right_hip"], INDEX["left_hip"]]
_NECK: Final = INDEX["neck"]
_LOWER: Final = [index for name, index in INDEX.items() if name.rpartition("_")[2] in _BENDING]
_UPPER: Final = [index for index in INDEX.values() if index not in _LOWER]
_ESSENTIAL: Final = [*_HIPS, _NECK, *(INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("knee", "ankle"))]
_Array = NDArray[np.float64]


def keep_half(dance: PoseTrack, footage: PoseTrack, half: KeptHalf) -> PoseTrack:
    """A dance on the body of the footage, one half of which stays as it stands there. Both in the footage's reference view.

    Raises:
        UserError: the person never stands upright in the footage, seen from head to feet.
    """
    if half == "none":
        return dance
    standing = _points(footage.pose)[standing_frame(footage)]
    return dance.by_shot(lambda shot: _kept(shot, standing, half))


def standing_frame(footage: PoseTrack) -> int:
    """The frame in the middle of the calmest moment in which the person stands upright.

    Raises:
        UserError: there is none.
    """
    points = _points(footage.pose)
    seen = (footage.pose.confidence[:, _ESSENTIAL] >= MIN_CONFIDENCE).all(axis=1) & (footage.status == FrameStatus.MEASURED)
    hips, ankles = points[:, _HIPS].mean(axis=1), points[:, [INDEX["right_ankle"], INDEX["left_ankle"]]].mean(axis=1)
    torso = np.maximum(np.linalg.norm(points[:, _NECK, :2] - hips[:, :2], axis=1), 1e-3)
    usual = max(float(np.median(torso[seen])), 1e-3) if seen.any() else 1.0
    legs = (ankles[:, 1] - hips[:, 1]) / usual
    stands = seen & (hips[:, 1] - points[:, _NECK, 1] > 0.85 * usual)
    if not stands.any():
        raise InputError("the footage never shows the person standing upright from head to feet, as --keep needs; film it.")
    stands &= legs > 0.95 * np.percentile(legs[stands], 80)
    window = max(3, round(CALM_S * footage.fps))
    speed = np.zeros(len(points))
    speed[1:] = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=2).mean(axis=1) / usual * footage.fps
    speed[~stands] = np.inf
    padded = np.pad(np.where(np.isfinite(speed), speed, 1e3), window // 2, mode="edge")
    motion = np.convolve(padded, np.ones(window) / window, mode="same")[window // 2 :][: len(points)]
    # Somebody who faces the camera and lets the arms hang is worth a little unrest.
    facing = np.linalg.norm(points[:, INDEX["left_shoulder"], :2] - points[:, INDEX["right_shoulder"], :2], axis=1) / usual
    wrists = points[:, [INDEX["right_wrist"], INDEX["left_wrist"]], 1]
    hanging = np.clip((wrists - points[:, [_NECK], 1]) / usual, 0, 1).mean(axis=1)
    return int(np.argmin(np.where(stands, motion - _FACING * facing - _HANGING * hanging, np.inf)))


def _kept(dance: PoseTrack, standing: _Array, half: KeptHalf) -> PoseTrack:
    """A shot with one half of the pose `standing` [K,3]."""
    points, present = _points(dance.pose), np.asarray((dance.pose.confidence[:, [*_HIPS, _NECK]] > 0).all(axis=1), np.bool_)
    if not present.any():
        return dance
    middle = _filled(points[:, _HIPS].mean(axis=1), present)
    torso = np.linalg.norm(_filled(points[:, _NECK], present) - middle, axis=1)
    own_middle = standing[_HIPS].mean(axis=0)
    own_torso = float(np.linalg.norm(standing[_NECK] - own_middle))
    size = np.maximum(gaussian(torso / max(own_torso, 1e-3), dance.time_s, _SIZE_S), 1e-3)
    if half == "upper":
        moved = middle[:, None] + (standing - own_middle) * size[:, None, None]
        points[:, _UPPER] = moved[:, _UPPER]
        kept = _UPPER
    else:
        path = np.stack([gaussian(column, dance.time_s, _SWAY_S) for column in middle.T], axis=1)
        sway = _SWAY * (middle - path) / size[:, None]
        length = np.linalg.norm(sway, axis=1, keepdims=True)
        sway *= np.minimum(1, _MAX_SWAY * own_torso / np.maximum(length, 1e-6))
        hips = own_middle + sway
        points[:, _UPPER] = hips[:, None] + (points[:, _UPPER] - middle[:, None]) / size[:, None, None]
        follows = np.array([_BENDING[name.rpartition("_")[2]] for name, index in INDEX.items() if index in _LOWER])
        points[:, _LOWER] = standing[_LOWER] + sway[:, None] * follows[:, None]
        kept = _LOWER
    confidence = dance.pose.confidence.copy()
    confidence[:, kept] = np.where(present[:, None], np.float32(1), confidence[:, kept])
    confidence[~present] = dance.pose.confidence[~present]
    shown = np.where(present[:, None, None], points, _points(dance.pose)).astype(np.float32)
    return replace(dance, pose=Pose(shown[..., :2], confidence, shown[..., 2]))


def _points(pose: Pose) -> _Array:
    """x, y and depth of all keypoints, [T,K,3] px."""
    return np.concatenate([pose.xy, pose.depth[..., None]], axis=-1).astype(np.float64)


def _filled(values: _Array, valid: NDArray[np.bool_]) -> _Array:
    """values [T,C] with those that are not valid interpolated."""
    at, known = np.arange(len(values)), np.flatnonzero(valid)
    return np.stack([np.interp(at, known, values[known, column]) for column in range(values.shape[1])], axis=1)
