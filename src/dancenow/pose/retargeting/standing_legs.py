"""Legs for a body whose legs the source never shows: they stand below the hips, keep still, and step when the hips move away.

A dance filmed from the waist up says nothing about legs. Standing ones are the least that a whole person needs, and later
stages treat them as measured: feet that stand on one ground line, knees that bend as the hips sink.
"""

from typing import Final

import numpy as np

from dancenow.pose.body_statistics import Float64Array, highest_hips, torso_over_time
from dancenow.pose.retargeting.body_model import AVERAGE
from dancenow.pose.retargeting.foot_contact import bend_leg
from dancenow.pose.retargeting.joints import moving_average
from dancenow.skeleton import INDEX
from dancenow.types import Pose

THIGH: Final = AVERAGE["thigh"] / AVERAGE["torso"]
SHIN: Final = AVERAGE["shin"] / AVERAGE["torso"]
"""Lengths of an average person's legs, in torso lengths, as all lengths here."""
STRAIGHT: Final = 0.985
"""Distance from hip to ankle of a standing leg, as a fraction of its length: a straight knee has no direction to bend to."""
STANCE: Final = 1.35
"""Distance between standing feet over that between the hips."""
STEP_DISTANCE: Final = 0.22
"""A foot steps when its place below the hips is this far away."""
STEP_S: Final = 0.32
STEP_LIFT: Final = 0.12
RAISED: Final = 0.25
"""A visible knee this much higher than one above a standing foot lifts the foot."""
HEEL_DROP: Final = 0.08
TOE_DROP: Final = 0.14
TOE_REACH: Final = 0.3
TOES_OUT: Final = 0.08
PLACE_SMOOTHING_S: Final = 0.25
_SIDES: Final = ("right", "left")


def standing_legs(pose: Pose, fps: float, *, knees_seen: bool) -> Float64Array:
    """Knees, ankles, heels and toes for poses [T,K] whose hips are present: float64 [T,K,3], x, y and depth in px.

    Only the legs' keypoints are meaningful. knees_seen: keep the knees where they are measured, and hang shins from them.
    """
    points = np.concatenate([pose.xy, pose.depth[..., None]], axis=-1).astype(np.float64)
    torso_px = torso_over_time(pose, fps)
    hips = np.stack([points[:, INDEX[f"{side}_hip"]] for side in _SIDES], axis=1)
    ground_y_px = highest_hips(pose, fps, torso_px) + STRAIGHT * (THIGH + SHIN) * torso_px  # of the ankles
    middle_x_px = _smooth(hips[..., 0].mean(axis=1), fps)
    sideways, forward = _facing(hips, fps)
    legs = np.zeros_like(points)
    for number, side in enumerate(_SIDES):
        knee, hip = points[:, INDEX[f"{side}_knee"]], hips[:, number]
        measured = knees_seen & (pose.confidence[:, INDEX[f"{side}_knee"]] > 0)
        beside_px = STANCE * (_smooth(hip[:, 0], fps) - middle_x_px)
        raised_px = np.where(measured, ground_y_px - SHIN * torso_px - knee[:, 1] - RAISED * torso_px, 0.0)
        wanted_x_px = np.where(measured, _smooth(knee[:, 0], fps), middle_x_px + beside_px)
        x_px, lift_px = _steps(wanted_x_px, torso_px, fps, first=number == 0)
        ankle_y_px = ground_y_px - np.maximum(lift_px, np.maximum(_smooth(raised_px, fps), 0.0))
        ankle = np.stack([x_px, ankle_y_px, np.zeros_like(x_px)], axis=1)
        bent, reached = _leg(hip, ankle, torso_px, sideways)
        legs[:, INDEX[f"{side}_knee"]] = np.where(measured[:, None], knee, bent)
        legs[:, INDEX[f"{side}_ankle"]] = reached
        toes_x = TOE_REACH * sideways + TOES_OUT * forward * (-1 if side == "right" else 1)
        for part, x, drop in (("heel", -0.25 * toes_x, HEEL_DROP), ("toe", toes_x, TOE_DROP)):
            offset = np.stack([x, np.full_like(x, drop), -TOE_REACH * forward * (part == "toe")], axis=1)
            legs[:, INDEX[f"{side}_{part}"]] = reached + offset * torso_px[:, None]
    return legs


def _leg(
    hip: Float64Array, ankle: Float64Array, torso_px: Float64Array, sideways: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Knee and ankle [T,3] of a leg from the hip to a wanted ankle, the knee bent to where the body faces."""
    hip = hip * [1.0, 1.0, 0.0]
    unit = torso_px[:, None]
    ahead = np.stack([sideways, np.zeros_like(sideways), -np.sqrt(np.maximum(1 - sideways**2, 0.04))], axis=1)
    knee = hip + unit * (THIGH * np.array([0.0, 1.0, 0.0]) + 0.05 * ahead)
    straight = hip + unit * (THIGH + SHIN) * np.array([0.0, 1.0, 0.0])
    return bend_leg(hip, knee, straight, ankle)


def _facing(hips: Float64Array, fps: float) -> tuple[Float64Array, Float64Array]:
    """How far the body faces the image's right [T], and the camera [T], both in [-1,1], from hips [T,2,3]: right, left."""
    across = _smooth(hips[:, 1, 0] - hips[:, 0, 0], fps)
    away = _smooth(hips[:, 1, 2] - hips[:, 0, 2], fps)
    wide = np.maximum(np.hypot(across, away), 1e-6)
    return away / wide, across / wide


def _steps(wanted_x_px: Float64Array, torso_px: Float64Array, fps: float, *, first: bool) -> tuple[Float64Array, Float64Array]:
    """Position [T] and lift [T] in px of a foot that stands until its wanted place [T] is too far away, and then steps there.

    The two feet step in turn: each may start in its own half of a cycle of two steps.
    """
    x_px, lift_px = wanted_x_px.copy(), np.zeros_like(wanted_x_px)
    duration = max(2, round(STEP_S * fps))
    here, frame = float(wanted_x_px[0]), 0
    while frame < len(wanted_x_px):
        own_turn = (frame // duration) % 2 == (0 if first else 1)
        if not own_turn or abs(wanted_x_px[frame] - here) < STEP_DISTANCE * torso_px[frame]:
            x_px[frame] = here
            frame += 1
            continue
        stop = min(frame + duration, len(wanted_x_px))
        there = float(wanted_x_px[min(stop, len(wanted_x_px) - 1)])
        share = np.arange(1, stop - frame + 1) / duration
        x_px[frame:stop] = here + (there - here) * share**2 * (3 - 2 * share)
        lift_px[frame:stop] = STEP_LIFT * torso_px[frame:stop] * np.sin(np.pi * share)
        here, frame = float(x_px[stop - 1]), stop
    return x_px, lift_px


def _smooth(values: Float64Array, fps: float) -> Float64Array:
    return moving_average(values, round(PLACE_SMOOTHING_S * fps / 2))
