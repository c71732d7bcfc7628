"""Motion synthesis: interpolate key poses over time, then solve the legs by inverse kinematics for a body.

Keys are interpolated by monotone cubics (Fritsch and Carlson, 1980), so a pose is reached and held; hips lead, chest, arms and
wrists follow with a lag. Feet are specified on the floor and solved for, so a planted foot neither slides nor sinks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio import rotations as rot
from dancenow.research.studio.body import ACTIONS, Body
from dancenow.research.studio.choreography import ARMS, MOODS, VOWELS, Arm, Choreography, Key
from dancenow.research.studio.segments import SIDES, expand_to_bones

Array = NDArray[np.float64]

_LAG_BEATS: Final = {"hips": 0.0, "chest": 0.05, "arm": 0.07, "elbow": 0.12, "wrist": 0.18, "head": 0.02}
_REFERENCE_LEG_M: Final = 0.85
_VOWEL_PARTS: Final = np.array([0.0, 0.4, 0.75])
"""Fractions of a half beat at which a vowel begins, is widest, and is still held."""
_CONSONANT, _HELD = 0.15, 0.8
"""Strength of a vowel at its beginning, and while it is held."""
_STRETCH: Final = 0.996  # a leg never straightens fully: the knee would flip


@dataclass(frozen=True, eq=False)
class Controls:
    """Controls of a dance over time [T], independent of the body; lengths in m for a leg of 0.85 m.

    at [T,2] and facing_rad [T]: position and heading of the dancer. hips_m [T,3]: side, forward, up. Other angles in rad.
    upper_arm [T,2,4]: quaternions relative to the chest, left then right. foot_m [T,2,3] and foot_yaw_rad [T,2]: on the floor.
    """

    time_s: Array
    at: Array
    facing_rad: Array
    hips_m: Array
    hip_turn_rad: Array
    chest_rad: Array
    head_rad: Array
    upper_arm: Array
    elbow_rad: Array
    forearm_rad: Array
    wrist_rad: Array
    curl: Array
    foot_m: Array
    foot_yaw_rad: Array
    heel_rad: Array
    face: Array

    def __post_init__(self) -> None:
        count = len(self.time_s)
        for field in fields(self):
            if len(getattr(self, field.name)) != count:
                raise ValueError(f"{field.name} has {len(getattr(self, field.name))} frames, time_s {count}")


@dataclass(frozen=True, eq=False)
class Performance:
    """Motion of one body: rotations float32 [T,J,3,3] world from rest, root float32 [T,3] m, face float32 [T,A], time [T]."""

    time_s: Array
    rotations: NDArray[np.float32]
    root: NDArray[np.float32]
    face: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.time_s)


def pchip(knots: Array, values: Array, where: Array) -> Array:
    """Interpolate values [N,...] at increasing knots [N] by monotone cubics, constant outside. Returns [T,...]."""
    if len(knots) == 1:
        return np.repeat(values[:1], len(where), axis=0)
    shape = (-1,) + (1,) * (values.ndim - 1)
    step = np.diff(knots).reshape(shape)
    slope = np.diff(values, axis=0) / step
    tangent = np.zeros_like(values)
    if len(knots) > 2:
        before, after = slope[:-1], slope[1:]
        w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (w1 + w2) / (w1 / before + w2 / after)
        tangent[1:-1] = np.where(before * after > 0, mean, 0)
    i = np.clip(np.searchsorted(knots, where, side="right") - 1, 0, len(knots) - 2)
    h = step[i]
    s = np.clip(((where - knots[i]) / np.diff(knots)[i]).reshape(shape), 0, 1)
    lower = values[i] * (1 + 2 * s) * (1 - s) ** 2 + values[i + 1] * s**2 * (3 - 2 * s)
    result: Array = lower + h * (tangent[i] * s * (1 - s) ** 2 - tangent[i + 1] * s**2 * (1 - s))
    return result


def perform(dance: Choreography, fps: float, seconds: float, start_s: float = 0.0) -> Controls:
    """Return the controls of `seconds` of a choreography, which is looped if it is shorter."""
    time = start_s + np.arange(round(fps * seconds)) / fps
    beat = time * dance.bpm / 60
    keys = dance.unrolled(float(beat[-1]) + 4)
    knots = np.array([key.beat for key in keys])

    def track(values: Sequence[object], part: str) -> Array:
        return pchip(knots, np.array(values, float), beat - _LAG_BEATS[part])

    radians = np.pi / 180
    bounce = dance.bounce_m * (0.5 + 0.5 * np.cos(2 * np.pi * beat))
    hips = track([key.hips for key in keys], "hips")
    hips[:, 2] -= bounce
    chest = track([key.chest for key in keys], "chest") * radians
    chest[:, 1] += 0.8 * bounce
    head = track([key.head for key in keys], "head") * radians
    head[:, 1] += 1.6 * bounce
    arms = [[ARMS[name] for name in (key.left, key.right)] for key in keys]
    upper = np.stack([_upper_arms([arm[s] for arm in arms], s, knots, beat - _LAG_BEATS["arm"]) for s in (0, 1)], 1)
    foot, yaw, heel = _feet(keys, knots, beat)
    return Controls(
        time - start_s,
        track([key.at for key in keys], "hips"),
        track([key.facing for key in keys], "hips") * radians,
        hips,
        track([key.twist for key in keys], "hips") * radians,
        chest,
        head,
        upper,
        track([[arm.elbow_rad for arm in pair] for pair in arms], "elbow"),
        track([[arm.pronation for arm in pair] for pair in arms], "elbow") * radians,
        track([[arm.wrist for arm in pair] for pair in arms], "wrist") * radians,
        track([[arm.curl for arm in pair] for pair in arms], "wrist"),
        foot,
        yaw,
        heel,
        _face(keys, knots, beat, time, dance.song),
    )


def _upper_arms(arms: list[Arm], side: int, knots: Array, beat: Array) -> Array:
    """Return quaternions [T,4] of an upper arm relative to the chest, from the frames (upper arm, elbow hinge) of the keys."""
    sign = 1.0 if side == 0 else -1.0
    upper = np.array([arm.upper for arm in arms]) * [sign, 1, 1]
    fore = np.array([arm.fore for arm in arms]) * [sign, 1, 1]
    quaternions = rot.continuous(rot.to_quaternion(rot.frame(upper, np.cross(upper, fore))))
    return rot.unit(pchip(knots, quaternions, beat))


def _feet(keys: Sequence[Key], knots: Array, beat: Array) -> tuple[Array, Array, Array]:
    """Return floor positions [T,2,3] m, yaws [T,2] and heel pitch [T,2] rad; a foot moves between keys along an arc."""
    stance = np.array([[key.left_foot, key.right_foot] for key in keys], float)
    position, yaw = stance[..., :3], np.radians(stance[..., 3])
    i = np.clip(np.searchsorted(knots, beat, side="right") - 1, 0, len(knots) - 2)
    span = np.diff(knots)[i]
    fraction = np.clip((beat - knots[i]) / span, 0, 1)
    distance = np.linalg.norm(np.diff(position, axis=0), axis=-1) + 0.12 * np.abs(np.diff(yaw, axis=0))
    moving = distance > 0.01
    both = moving.all(1)[i]
    foot, turn, pitch = np.empty((len(beat), 2, 3)), np.empty((len(beat), 2)), np.zeros((len(beat), 2))
    for s in (0, 1):
        first = (s == 0) == (distance[:, 0] >= distance[:, 1])[i]
        begin = np.where(both, np.where(first, 0.0, 0.45), 0.08)
        end = np.where(both, np.where(first, 0.55, 1.0), 0.92)
        u = np.clip((fraction - begin) / (end - begin), 0, 1)
        eased = u * u * (3 - 2 * u)
        a, b = position[i, s], position[i + 1, s]
        foot[:, s] = a + (b - a) * eased[:, None]
        arc = np.sin(np.pi * u) ** 1.5 * np.minimum(0.05 + 0.10 * distance[i, s], 0.12) * moving[i, s]
        grounded = (a[:, 2] < 0.01) & (b[:, 2] < 0.01)
        foot[:, s, 2] += np.where(grounded, arc, 0)
        turn[:, s] = yaw[i, s] + (yaw[i + 1, s] - yaw[i, s]) * eased
        heels = np.radians([(key.heels[s]) for key in keys])
        pitch[:, s] = pchip(knots, heels, beat) + np.where(grounded, 4.0 * arc, 0)
    return foot, turn, pitch


def _face(keys: Sequence[Key], knots: Array, beat: Array, time: Array, song: str) -> Array:
    """Return facial actions [T,A]: mood of each key, sung vowels, raised brows on the beat, and blinks."""
    table = np.array([[MOODS[key.mood].get(action, 0.0) for action in ACTIONS] for key in keys])
    face = pchip(knots, table, beat)
    if song:
        face += _sung(song, beat)
    pulse = np.exp(-((((beat + 0.5) % 2) - 0.5) ** 2) / 0.03)
    for name in ("browOuterUpLeft", "browOuterUpRight", "browInnerUp"):
        face[:, ACTIONS.index(name)] += 0.25 * pulse
    blink = np.exp(-((((time + 0.7 * np.sin(time * 0.37)) % 2.9) - 1.4) ** 2) / 0.0035)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        face[:, ACTIONS.index(name)] = np.maximum(face[:, ACTIONS.index(name)], blink)
    return np.clip(face, 0, 1)


def _sung(song: str, beat: Array) -> Array:
    """Return facial actions [T,A] of one vowel per half beat: the lips nearly meet before each, and open early in it."""
    count = int(np.ceil(2 * beat[-1])) + 2
    vowels = np.array([[VOWELS[song[i % len(song)]].get(action, 0.0) for action in ACTIONS] for i in range(count)])
    parts = np.stack([_CONSONANT * vowels, vowels, _HELD * vowels], axis=1).reshape(-1, len(ACTIONS))
    knots = ((np.arange(count)[:, None] + _VOWEL_PARTS) / 2).reshape(-1)
    return pchip(knots, parts, beat)


def solve(controls: Controls, body: Body) -> Performance:
    """Apply controls to a body: lengths scale with its legs, feet are on the floor, knees are solved for."""
    scale = body.leg_m / _REFERENCE_LEG_M
    z = np.array([0, 0, 1.0])
    facing = rot.about(z, controls.facing_rad)
    pelvis = rot.euler_zxy(
        controls.facing_rad + controls.hip_turn_rad[:, 0], controls.hip_turn_rad[:, 1], controls.hip_turn_rad[:, 2]
    )
    chest = pelvis @ rot.euler_zxy(*controls.chest_rad.T)
    head = rot.between(facing, chest, 0.5) @ rot.euler_zxy(*controls.head_rad.T)
    world = {"pelvis": pelvis, "chest": chest, "head": head}
    root = _root(controls, body, pelvis, facing, scale)
    for s, side in enumerate(SIDES):
        world |= _leg(controls, body, pelvis, root, s, side, scale)
        world |= _arm(controls, body, chest, s, side)
    rotations = expand_to_bones(body, world, controls.curl)
    face = controls.face.copy()
    for name, value in body.identity.face.items():
        face[:, ACTIONS.index(name)] = np.clip(face[:, ACTIONS.index(name)] + value, 0, 1)
    return Performance(controls.time_s, rotations.astype(np.float32), root.astype(np.float32), face.astype(np.float32))


def _ankle(controls: Controls, body: Body, s: int, side: str, scale: float) -> tuple[Array, Array]:
    """Return the world position of the ankle [T,3] and the rotation of the foot [T,3,3], which tips about its ball."""
    x, _, z = np.eye(3)
    ankle, ball = body.joint("foot" + side).astype(float), body.joint("toe3-1" + side).astype(float)
    foot = controls.foot_m[:, s] * scale
    turn = rot.about(z, controls.foot_yaw_rad[:, s])
    lifted = np.clip(controls.foot_m[:, s, 2] / 0.08, 0, 1)[:, None]
    tip = turn @ rot.about(x, controls.heel_rad[:, s])
    floor = np.array([ankle[0], ankle[1], 0.0])
    planted = foot + np.einsum("tab,b->ta", turn, ball - floor) + np.einsum("tab,b->ta", tip, ankle - ball)
    hanging = foot + np.einsum("tab,b->ta", turn, ankle - floor)
    return planted * (1 - lifted) + hanging * lifted, tip


def _root(controls: Controls, body: Body, pelvis: Array, facing: Array, scale: float) -> Array:
    """Return the world position of the root bone [T,3]: above the specified point, but not higher than the standing legs
    reach."""
    rest_root = body.joints[0].astype(float)
    shift = np.einsum("tab,tb->ta", facing, controls.hips_m * [1, -1, 0]) * scale
    standing = rest_root[2] - 0.004
    root = np.concatenate([controls.at * scale, np.full((len(controls.at), 1), standing)], 1) + shift
    root[:, 2] += controls.hips_m[:, 2] * scale
    limit = np.full(len(root), np.inf)
    for s, side in enumerate(SIDES):
        ankle, _ = _ankle(controls, body, s, side, scale)
        hip = np.einsum("tab,b->ta", pelvis, body.joint("upperleg01" + side) - rest_root)
        level = np.linalg.norm((root + hip - ankle)[:, :2], axis=1)
        reach = np.sqrt(np.maximum((_STRETCH * body.leg_m) ** 2 - level**2, 0.04))
        free = np.maximum(controls.foot_m[:, s, 2] - 0.02, 0) * 4
        limit = np.minimum(limit, ankle[:, 2] + reach - hip[:, 2] + free)
    gap = root[:, 2] - limit
    soft = 0.012
    lowered: Array = root - np.array([0, 0, 1.0]) * (soft * np.logaddexp(0, gap / soft))[:, None]
    return lowered


def _leg(controls: Controls, body: Body, pelvis: Array, root: Array, s: int, side: str, scale: float) -> dict[str, Array]:
    """Return world rotations of thigh, shin, foot and toes: two-bone inverse kinematics with the knee above the toes."""
    x, y, z = np.eye(3)
    hip0, knee0, ankle0 = (body.joint(name + side).astype(float) for name in ("upperleg01", "lowerleg01", "foot"))
    thigh, shin = np.linalg.norm(knee0 - hip0), np.linalg.norm(ankle0 - knee0)
    ankle, foot = _ankle(controls, body, s, side, scale)
    hip = root + np.einsum("tab,b->ta", pelvis, hip0 - body.joints[0])
    span = ankle - hip
    length = np.linalg.norm(span, axis=1)
    reach = np.minimum(length, _STRETCH * (thigh + shin))
    along = span / length[:, None]
    turn = rot.about(z, controls.foot_yaw_rad[:, s])
    pole = -0.5 * pelvis[..., 1] - 0.5 * turn[..., 1] + 0.15 * pelvis[..., 2]
    cosine = np.clip((thigh**2 + reach**2 - shin**2) / (2 * thigh * reach), -1, 1)
    forward = rot.unit(pole - (pole * along).sum(1, keepdims=True) * along)
    knee = hip + along * (thigh * cosine)[:, None] + forward * (thigh * np.sqrt(1 - cosine**2))[:, None]
    target = hip + along * reach[:, None]
    hinge = np.cross(along, forward)
    rest_hinge = np.cross(rot.unit(ankle0 - hip0), -y)
    upper = rot.frame(knee - hip, hinge) @ rot.frame(knee0 - hip0, rest_hinge).T
    lower = rot.frame(target - knee, hinge) @ rot.frame(ankle0 - knee0, rest_hinge).T
    on_floor = np.clip(1 - controls.foot_m[:, s, 2] / 0.05, 0, 1) * np.clip(controls.heel_rad[:, s], 0, None)
    toes = foot @ rot.about(x, -on_floor)
    return {"upperleg" + side: upper, "lowerleg" + side: lower, "foot" + side: foot, "toe" + side: toes}


def _arm(controls: Controls, body: Body, chest: Array, s: int, side: str) -> dict[str, Array]:
    """Return world rotations of collar bone, both halves of upper arm and forearm, and hand; twist is spread along the limb."""
    _, y, _ = np.eye(3)
    sign = 1.0 if s == 0 else -1.0
    shoulder0, elbow0, wrist0 = (body.joint(name + side).astype(float) for name in ("upperarm01", "lowerarm01", "wrist"))
    upper0, fore0 = rot.unit(elbow0 - shoulder0), rot.unit(wrist0 - elbow0)
    hinge0 = rot.unit(np.cross(upper0, fore0))
    in_chest = rot.from_quaternion(controls.upper_arm[:, s]) @ rot.frame(upper0, hinge0).T
    direction = np.einsum("tab,b->ta", in_chest, upper0)
    raised = np.clip((direction[:, 2] + 0.35) / 1.35, 0, 1)
    forward = np.clip(-direction[:, 1], 0, 1)
    collar = chest @ rot.about(y, -sign * 0.50 * raised) @ rot.about(np.eye(3)[2], -sign * 0.25 * forward)
    upper = chest @ in_chest
    swung = chest @ rot.swing(upper0, direction)
    flex0 = np.arccos(np.clip(upper0 @ fore0, -1, 1))
    fore = upper @ rot.about(hinge0, controls.elbow_rad[:, s] - flex0)
    roll = sign * controls.forearm_rad[:, s]
    hand = fore @ rot.about(fore0, roll) @ rot.about(hinge0, controls.wrist_rad[:, s])
    return {
        "collar" + side: collar,
        "upperarm01" + side: rot.between(swung, upper, 0.5),
        "upperarm02" + side: upper,
        "lowerarm01" + side: fore,
        "lowerarm02" + side: fore @ rot.about(fore0, 0.6 * roll),
        "hand" + side: hand,
    }
