# ruff: noqa: C408, E501 - a step is a row of a table and reads best on one line
"""Choreographies as key poses on beats: each step states only what changes from the step before.

A foot that is not mentioned does not move. Sides are those of the dancer; angles are in degrees, lengths in meters for a leg of
0.85 m; `turn` is to the left of the dancer, `bend` forward, `tilt` to the left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

Triple = tuple[float, float, float]
Foot = tuple[float, float, float, float]


@dataclass(frozen=True)
class Arm:
    """Directions (outward, backward, up) of upper arm and forearm relative to the chest; pronation and wrist in degrees."""

    upper: Triple
    fore: Triple
    pronation: float = 0.0
    wrist: float = 0.0
    curl: float = 0.25

    @property
    def elbow_rad(self) -> float:
        """Flexion of the elbow."""
        a, b = np.array(self.upper), np.array(self.fore)
        return float(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


ARMS: Final[dict[str, Arm]] = {
    "low": Arm((0.22, 0.05, -1.0), (0.18, -0.35, -1.0)),
    "ready": Arm((0.40, 0.12, -1.0), (0.05, -1.0, 0.25), curl=0.7),
    "chest": Arm((0.75, -0.25, -0.45), (-0.75, -0.65, 0.15), curl=0.5),
    "hip": Arm((0.75, 0.40, -0.75), (-0.72, -0.45, -0.75), wrist=25, curl=0.6),
    "side": Arm((1.0, -0.05, 0.05), (1.0, -0.30, 0.10), curl=0.15),
    "wing": Arm((1.0, 0.02, -0.35), (0.9, -0.30, -0.45), curl=0.15),
    "goal": Arm((1.0, -0.08, 0.08), (0.15, -0.30, 1.0), curl=0.4),
    "up": Arm((0.28, -0.10, 1.0), (0.10, -0.30, 1.0), curl=0.15),
    "vee": Arm((0.62, -0.08, 0.85), (0.55, -0.28, 1.0), curl=0.1),
    "crown": Arm((0.70, -0.12, 0.75), (-0.55, -0.30, 0.80), curl=0.25),
    "punch": Arm((0.25, -1.0, 0.10), (0.05, -1.0, 0.14), curl=1.0),
    "front": Arm((0.35, -1.0, -0.15), (0.15, -1.0, 0.15), curl=0.15),
    "cross": Arm((0.10, -0.85, -0.35), (-0.95, -0.45, 0.30), curl=0.5),
    "shade": Arm((0.85, -0.55, 0.35), (-0.75, -0.45, 0.60), curl=0.15),
    "back": Arm((0.45, 0.55, -0.80), (0.45, 0.25, -0.95), curl=0.3),
    "sky": Arm((0.45, -0.55, 0.80), (0.35, -0.70, 0.95), curl=0.05),
    "across": Arm((-0.30, -0.95, 0.25), (-0.60, -0.85, 0.35), curl=0.1),
    "floor": Arm((0.30, -0.65, -0.85), (0.20, -0.75, -0.85), curl=0.1),
    "flick": Arm((0.80, -0.10, -0.60), (0.95, -0.40, -0.10), wrist=-20, curl=0.05),
    "curlup": Arm((0.55, -0.50, -0.60), (0.20, -0.45, 0.95), curl=0.9),
}

MOODS: Final[dict[str, Mapping[str, float]]] = {
    "calm": {"mouthSmileLeft": 0.15, "mouthSmileRight": 0.15},
    "smile": {"mouthSmileLeft": 0.75, "mouthSmileRight": 0.75, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4},
    "joy": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "jawOpen": 0.35, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "wow": {
        "jawOpen": 0.6,
        "browInnerUp": 0.7,
        "browOuterUpLeft": 0.7,
        "browOuterUpRight": 0.7,
        "eyeWideLeft": 0.5,
        "eyeWideRight": 0.5,
    },
    "cool": {"browDownLeft": 0.45, "browDownRight": 0.45, "mouthSmileLeft": 0.45, "mouthPucker": 0.15},
    "ooh": {"mouthFunnel": 0.6, "jawOpen": 0.15, "browInnerUp": 0.4},
}

VOWELS: Final[dict[str, Mapping[str, float]]] = {
    "a": {"jawOpen": 0.8},
    "e": {"jawOpen": 0.4, "mouthSmileLeft": 0.35, "mouthSmileRight": 0.35},
    "i": {"jawOpen": 0.15, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
    "o": {"jawOpen": 0.45, "mouthFunnel": 0.7},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.8},
    "-": {},
}
"""Facial actions of each vowel; a dash is a rest."""


@dataclass(frozen=True)
class Key:
    """Key pose at one beat, in world coordinates. Feet: (x, y, lift, yaw); hips: (side, forward, up)."""

    beat: float
    at: tuple[float, float] = (0.0, 0.0)
    facing: float = 0.0
    left_foot: Foot = (0.12, 0.0, 0.0, 8.0)
    right_foot: Foot = (-0.12, 0.0, 0.0, -8.0)
    hips: Triple = (0.0, 0.0, -0.03)
    twist: Triple = (0.0, 0.0, 0.0)
    chest: Triple = (0.0, 0.0, 0.0)
    head: Triple = (0.0, 0.0, 0.0)
    left: str = "low"
    right: str = "low"
    heels: tuple[float, float] = (0.0, 0.0)
    mood: str = "calm"


Step = Mapping[str, Any]


@dataclass(frozen=True)
class Choreography:
    """A dance: tempo, bounce and steps. It lasts a whole number of bars and can be looped.

    song: a sequence of `VOWELS`, one per half beat, looped; empty for a silent dancer.
    """

    name: str
    bpm: float
    beats: int
    steps: Sequence[Step]
    bounce_m: float = 0.022
    song: str = ""
    keys: tuple[Key, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(_expand_steps(self.steps)))

    @property
    def seconds(self) -> float:
        """Length of one loop."""
        return self.beats * 60 / self.bpm

    def unrolled(self, beats: float) -> list[Key]:
        """Return the keys of as many loops as cover `beats`."""
        rounds = int(beats // self.beats) + 1
        rotated = self.keys[-1].facing
        result = [
            replace(key, beat=key.beat + r * self.beats, **_rotate_key(key, r * rotated))
            for r in range(rounds)
            for key in self.keys
        ]
        return sorted(result, key=lambda key: key.beat)


def _rotate_key(key: Key, by: float) -> dict[str, Any]:
    """Return the same pose after whole turns `by`, so that the next loop does not unwind them."""
    left, right = key.left_foot, key.right_foot
    return {"facing": key.facing + by, "left_foot": (*left[:3], left[3] + by), "right_foot": (*right[:3], right[3] + by)}


def _expand_steps(steps: Sequence[Step]) -> list[Key]:
    """Apply the steps in order. `lf`, `rf`: (side, forward, lift, turnout) of a foot relative to the position of the dancer."""
    keys: list[Key] = []
    key = Key(0.0)
    for step in steps:
        changes = {name: value for name, value in step.items() if name not in ("lf", "rf", "heels")}
        key = replace(key, **changes, heels=step.get("heels", (0.0, 0.0)))
        if "lf" in step:
            key = replace(key, left_foot=_foot_position(key, step["lf"], 1))
        if "rf" in step:
            key = replace(key, right_foot=_foot_position(key, step["rf"], -1))
        keys.append(key)
    return keys


def _foot_position(key: Key, foot: Sequence[float], sign: int) -> Foot:
    side, forward, lift, turnout = (*foot, 0.0, 0.0)[:4] if len(foot) == 2 else (*foot, 8.0)[:4]
    turnout = 8.0 if len(foot) == 2 else turnout
    angle = np.radians(key.facing)
    x, y = sign * side, -forward
    return (
        float(key.at[0] + np.cos(angle) * x - np.sin(angle) * y),
        float(key.at[1] + np.sin(angle) * x + np.cos(angle) * y),
        lift,
        key.facing + sign * turnout,
    )


def _mirror(steps: Sequence[Step]) -> list[Step]:
    """Mirror a phrase; it must start and end in the middle."""
    swap = {"left": "right", "right": "left", "lf": "rf", "rf": "lf"}
    result: list[Step] = []
    for step in steps:
        new: dict[str, Any] = {}
        for name, value in step.items():
            match name:
                case "at":
                    new[name] = (-value[0], value[1])
                case "facing":
                    new[name] = -value
                case "hips":
                    new[name] = (-value[0], value[1], value[2])
                case "twist" | "chest" | "head":
                    new[name] = (-value[0], value[1], -value[2])
                case "heels":
                    new[name] = value[::-1]
                case _:
                    new[swap.get(name, name)] = value
        result.append(new)
    return result


def _join_phrases(*phrases: Sequence[Step]) -> list[Step]:
    """Join eight-beat phrases; the last one ends in the first pose."""
    return [{**step, "beat": step["beat"] + 8 * i} for i, phrase in enumerate(phrases) for step in phrase]


_STAND: Final[dict[str, Any]] = {
    "at": (0.0, 0.0), "facing": 0.0, "lf": (0.12, 0.0), "rf": (0.12, 0.0), "hips": (0.0, 0.0, -0.03),
    "twist": (0, 0, 0), "chest": (0, 0, 0), "head": (0, 0, 0),
}  # fmt: skip

_SIDE_STEP: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="ready", right="ready", mood="calm"),
    dict(beat=1, lf=(0.38, 0.0), hips=(0.16, 0, -0.05), twist=(-8, 0, 4), chest=(14, 0, 6), head=(18, 0, 4), left="vee", right="hip", mood="smile"),
    dict(beat=2, at=(0.24, 0.0), rf=(0.10, 0.02), hips=(0, 0, -0.03), twist=(0, 0, 0), chest=(0, 4, 0), head=(0, 2, 0), left="chest", right="chest"),
    dict(beat=3, rf=(0.40, 0.0), hips=(-0.16, 0, -0.05), twist=(8, 0, -4), chest=(-14, 0, -6), head=(-18, 0, -4), left="hip", right="vee"),
    dict(beat=4, at=(0.0, 0.0), lf=(0.12, 0.02), rf=(0.16, 0.0), hips=(0, 0, -0.04), twist=(0, 0, 0), chest=(0, 6, 0), head=(0, 4, 0), left="cross", right="cross", mood="cool"),
    dict(beat=5, hips=(0, 0, 0.02), chest=(0, -8, 0), head=(0, -12, 0), left="vee", right="vee", heels=(22, 22), mood="joy"),
    dict(beat=6, lf=(0.26, 0.0, 0, 18), hips=(0.02, 0, -0.16), chest=(0, 14, 0), head=(0, -8, 0), left="wing", right="wing", mood="cool"),
    dict(beat=7, hips=(0.02, 0, -0.05), chest=(0, 0, 0), head=(0, 0, 0), left="goal", right="goal", mood="smile"),
]  # fmt: skip

_SPIN_AND_KICK: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="side", right="chest", mood="smile"),
    dict(beat=1, facing=90, lf=(0.12, 0.0), rf=(0.14, 0.06), hips=(0, 0, -0.02), left="side", right="side"),
    dict(beat=2, facing=180, lf=(0.14, 0.06), rf=(0.12, 0.0), left="up", right="up"),
    dict(beat=3, facing=270, lf=(0.12, 0.0), rf=(0.14, 0.06), left="up", right="up"),
    dict(beat=4, facing=360, lf=(0.14, 0.0), rf=(0.14, 0.0), hips=(0, 0, -0.06), head=(0, 4, 0), left="wing", right="wing", mood="joy"),
    dict(beat=5, lf=(0.10, 0.52, 0.46, 0), hips=(-0.09, -0.03, -0.03), twist=(0, -8, -3), chest=(-12, 10, -4), left="back", right="punch", heels=(35, 0)),
    dict(beat=6, lf=(0.16, 0.0), hips=(0.0, 0, -0.06), twist=(0, 0, 0), chest=(0, 4, 0), left="ready", right="ready", mood="cool"),
    dict(beat=7, rf=(0.10, 0.52, 0.46, 0), hips=(0.09, -0.03, -0.03), twist=(0, -8, 3), chest=(12, 10, 4), left="punch", right="back", heels=(0, 35), mood="joy"),
]  # fmt: skip

_TRAVEL: Final[list[Step]] = [
    dict(beat=0, **{**_STAND, "facing": 360}, left="ready", right="ready", mood="smile"),
    dict(beat=1, at=(0, -0.14), rf=(0.11, 0.14), hips=(-0.04, 0, -0.03), twist=(8, 0, -3), chest=(-16, 4, 3), left="curlup", right="back"),
    dict(beat=2, at=(0, -0.28), lf=(0.11, 0.14), hips=(0.04, 0, -0.03), twist=(-8, 0, 3), chest=(16, 4, -3), left="back", right="curlup"),
    dict(beat=3, at=(0, -0.40), rf=(0.14, 0.0, 0, 12), lf=(0.14, 0.0, 0, 12), hips=(0, 0, -0.12), twist=(0, 0, 0), chest=(0, 12, 0), head=(0, -6, 0), left="floor", right="floor", mood="wow"),
    dict(beat=4, hips=(0, 0, 0.01), chest=(0, -8, 0), head=(0, -14, 0), left="sky", right="sky", heels=(18, 18), mood="joy"),
    dict(beat=5, at=(0, -0.24), lf=(0.12, -0.14), hips=(0.05, 0, -0.04), chest=(10, 2, 4), head=(-10, 0, 0), left="shade", right="hip", mood="smile"),
    dict(beat=6, at=(0, -0.10), rf=(0.12, -0.14), hips=(-0.05, 0, -0.04), chest=(-10, 2, -4), head=(10, 0, 0), left="hip", right="shade"),
    dict(beat=7, at=(0, 0.0), lf=(0.14, 0.0), hips=(0, 0, -0.05), chest=(0, 0, 0), head=(0, 0, 0), left="goal", right="goal", mood="cool"),
]  # fmt: skip

_LUNGE: Final[list[Step]] = [
    dict(beat=0, **{**_STAND, "facing": 360}, left="chest", right="chest", mood="calm"),
    dict(beat=1, lf=(0.46, 0.0, 0, 35), hips=(0.20, 0, -0.14), twist=(10, 0, 0), chest=(10, 4, 12), head=(20, 0, 0), left="side", right="across", mood="cool"),
    dict(beat=2, hips=(0.10, 0, -0.06), twist=(0, 0, 0), chest=(0, 0, -14), head=(-10, -10, -6), left="up", right="hip", mood="smile"),
    dict(beat=3, lf=(0.14, 0.0), hips=(0, 0, -0.03), chest=(0, 0, 0), head=(0, 0, 0), left="crown", right="crown"),
    dict(beat=4, hips=(0, -0.06, -0.14), twist=(0, 14, 0), chest=(0, 18, 0), head=(0, -18, 0), left="cross", right="cross", mood="ooh"),
    dict(beat=5, rf=(0.46, 0.0, 0, 35), hips=(-0.20, 0, -0.14), twist=(-10, 0, 0), chest=(-10, 4, -12), head=(-20, 0, 0), left="across", right="side", mood="cool"),
    dict(beat=6, hips=(-0.10, 0, -0.05), twist=(0, 0, 0), chest=(0, 0, 14), head=(10, -10, 6), left="hip", right="up", mood="joy"),
    dict(beat=7, rf=(0.14, 0.0), hips=(0, 0, -0.02), chest=(0, -4, 0), head=(0, 0, 0), left="flick", right="flick", mood="smile"),
]  # fmt: skip

_KNEES: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="ready", right="ready", mood="smile"),
    dict(beat=1, lf=(0.12, 0.20, 0.34, 4), hips=(-0.08, 0, -0.02), chest=(-18, 8, 0), left="back", right="curlup", heels=(40, 0)),
    dict(beat=2, lf=(0.16, 0.0), hips=(0.0, 0, -0.07), chest=(0, 2, 0), left="goal", right="goal"),
    dict(beat=3, rf=(0.12, 0.20, 0.34, 4), hips=(0.08, 0, -0.02), chest=(18, 8, 0), left="curlup", right="back", heels=(0, 40)),
    dict(beat=4, rf=(0.16, 0.0), hips=(0.0, 0, -0.10), chest=(0, 10, 0), left="floor", right="floor", mood="cool"),
    dict(beat=5, lf=(0.52, 0.06, 0.30, 20), hips=(-0.10, 0, -0.03), twist=(0, 0, -8), chest=(0, 0, -8), head=(12, 0, 0), left="side", right="vee", heels=(20, 0), mood="joy"),
    dict(beat=6, lf=(0.16, 0.0), hips=(0.0, 0, -0.06), twist=(0, 0, 0), chest=(0, 0, 0), head=(0, 0, 0), left="chest", right="chest"),
    dict(beat=7, rf=(0.52, 0.06, 0.30, 20), hips=(0.10, 0, -0.03), twist=(0, 0, 8), chest=(0, 0, 8), head=(-12, 0, 0), left="vee", right="side", heels=(0, 20)),
]  # fmt: skip

_WAVES: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="low", right="low", mood="calm"),
    dict(beat=1, hips=(0.10, 0, -0.05), twist=(0, 0, 5), chest=(0, 0, -8), head=(8, 0, 4), left="side", right="wing", mood="smile"),
    dict(beat=2, hips=(-0.10, 0, -0.05), twist=(0, 0, -5), chest=(0, 0, 8), head=(-8, 0, -4), left="wing", right="side"),
    dict(beat=3, hips=(0.08, 0, -0.03), twist=(0, 0, 4), chest=(0, -6, -10), head=(0, -12, -4), left="up", right="wing", mood="ooh"),
    dict(beat=4, hips=(0, 0, 0.01), twist=(0, 0, 0), chest=(0, -10, 0), head=(0, -16, 0), left="crown", right="crown", heels=(15, 15), mood="joy"),
    dict(beat=5, lf=(0.16, 0.0), rf=(0.16, -0.24, 0, 20), hips=(0, -0.10, -0.10), twist=(-20, 8, 0), chest=(-15, 14, 0), head=(15, -6, 0), left="front", right="back", mood="cool"),
    dict(beat=6, hips=(0, -0.02, -0.06), twist=(0, 0, 0), chest=(0, 0, 0), head=(0, 0, 0), left="sky", right="shade", mood="smile"),
    dict(beat=7, rf=(0.14, 0.0), hips=(0, 0, -0.03), left="flick", right="flick"),
]  # fmt: skip

_BACK_VIEW: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="chest", right="chest", mood="cool"),
    dict(beat=1, facing=-60, lf=(0.14, 0.08), rf=(0.14, -0.04), hips=(0, 0, -0.06), left="punch", right="ready"),
    dict(beat=2, facing=-150, lf=(0.14, 0.0), rf=(0.14, 0.0), hips=(0.06, 0, -0.04), left="goal", right="goal"),
    dict(beat=3, facing=-180, lf=(0.18, 0.0), rf=(0.18, 0.0), hips=(-0.10, 0, -0.05), twist=(0, 0, -6), chest=(0, 0, 8), left="vee", right="hip"),
    dict(beat=4, hips=(0.10, 0, -0.05), twist=(0, 0, 6), chest=(0, 0, -8), left="hip", right="vee"),
    dict(beat=5, hips=(0, 0, -0.10), twist=(0, 0, 0), chest=(30, 4, 0), head=(50, 0, 0), left="wing", right="wing", mood="smile"),
    dict(beat=6, facing=-270, lf=(0.14, 0.06), rf=(0.12, 0.0), hips=(0, 0, -0.03), chest=(0, 0, 0), head=(0, 0, 0), left="side", right="side"),
    dict(beat=7, facing=-360, lf=(0.14, 0.0), rf=(0.14, 0.0), hips=(0, 0, -0.05), left="vee", right="vee", mood="joy"),
]  # fmt: skip

_WALK_ROUND: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="low", right="low", mood="smile"),
    dict(beat=1, at=(0.22, 0.05), facing=30, lf=(0.14, 0.10), hips=(0, 0, -0.04), chest=(-10, 0, 0), left="back", right="front"),
    dict(beat=2, at=(0.40, 0.10), facing=20, rf=(0.12, 0.06), chest=(10, 0, 0), left="front", right="back"),
    dict(beat=3, at=(0.45, 0.12), facing=-10, lf=(0.16, 0.0), rf=(0.14, 0.0), hips=(0.06, 0, -0.06), chest=(0, 0, 8), left="shade", right="hip", mood="cool"),
    dict(beat=4, hips=(-0.08, 0, -0.06), chest=(0, 0, -8), head=(-14, 0, 0), left="hip", right="shade", mood="joy"),
    dict(beat=5, at=(0.25, 0.02), facing=-30, rf=(0.14, 0.10), hips=(0, 0, -0.04), chest=(8, 0, 0), head=(0, 0, 0), left="front", right="back", mood="smile"),
    dict(beat=6, at=(0.10, 0.0), facing=-15, lf=(0.12, 0.08), chest=(-8, 0, 0), left="back", right="front"),
    dict(beat=7, at=(0.0, 0.0), facing=0, lf=(0.14, 0.0), rf=(0.16, 0.0), hips=(0, 0, -0.06), chest=(0, 4, 0), left="curlup", right="curlup", mood="cool"),
]  # fmt: skip

_CALL: Final[list[Step]] = [
    dict(beat=0, **_STAND, left="low", right="chest", mood="calm"),
    dict(beat=1, hips=(0.07, 0, -0.05), twist=(0, 0, 3), chest=(6, 0, -5), head=(12, -6, 3), left="wing", right="chest", mood="smile"),
    dict(beat=2, hips=(-0.05, 0, -0.04), twist=(0, 0, -3), chest=(-4, 4, 4), head=(-8, 4, -4), left="side", right="ready"),
    dict(beat=3, hips=(0, 0, -0.02), twist=(0, 0, 0), chest=(0, -6, 0), head=(0, -12, 0), left="sky", right="ready", mood="calm"),
    dict(beat=4, lf=(0.30, 0.05, 0, 16), hips=(0.08, 0, -0.08), chest=(10, 6, 2), head=(22, -2, 0), left="front", right="back", mood="cool"),
    dict(beat=5, hips=(0.04, 0, -0.05), chest=(-6, 2, 0), head=(-16, 0, 6), left="flick", right="hip"),
    dict(beat=6, lf=(0.14, 0.0), rf=(0.18, 0.0), hips=(0, 0, -0.03), chest=(0, -8, 0), head=(0, -10, -4), left="vee", right="vee", mood="smile"),
    dict(beat=7, hips=(0, 0, -0.06), chest=(0, 4, 0), head=(0, 4, 0), left="ready", right="ready", mood="calm"),
]  # fmt: skip


def _rotate_phrase(steps: Sequence[Step], facing: float) -> list[Step]:
    """Return a phrase after whole turns, so that it continues from the current heading."""
    return [{**step, "facing": step["facing"] + facing} if "facing" in step else step for step in steps]


_DANCES: Final = (
    Choreography("pulse", 120, 40, _join_phrases(_SIDE_STEP, _SPIN_AND_KICK, _TRAVEL, _LUNGE, _rotate_phrase(_mirror(_SIDE_STEP), 360))),
    Choreography(
        "spark", 120, 80,
        _join_phrases(
            _KNEES, _WAVES, _WALK_ROUND, _mirror(_SIDE_STEP), _BACK_VIEW, _rotate_phrase(_mirror(_WALK_ROUND), -360),
            _rotate_phrase(_SPIN_AND_KICK, -360), _rotate_phrase(_TRAVEL, -360), _mirror(_WAVES), _rotate_phrase(_LUNGE, -360),
        ),
        bounce_m=0.026,
    ),
    Choreography("drift", 96, 40, _join_phrases(_WAVES, _WALK_ROUND, _mirror(_WAVES), _BACK_VIEW, _rotate_phrase(_mirror(_WALK_ROUND), -360)), bounce_m=0.014),
    Choreography(
        "chorus", 104, 40, _join_phrases(_CALL, _SIDE_STEP, _mirror(_CALL), _mirror(_SIDE_STEP), _SPIN_AND_KICK),
        bounce_m=0.012, song="a-ioe-a-uae-o-i-",
    ),
)  # fmt: skip

DANCES: Final[dict[str, Choreography]] = {dance.name: dance for dance in _DANCES}
