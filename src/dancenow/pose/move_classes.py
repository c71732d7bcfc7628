"""Classify frames into named dance moves from keypoints alone, with rules in words that a user understands.

Sides are the person's own, except for the side of the frame that a body faces; lengths are in body heights, as in
`pose.pose_distance`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.pose_distance import BodyPoses
from dancenow.skeleton import INDEX

Frames = NDArray[np.bool_]

HALF_TURNED: Final = 0.4
"""Sine of the angle, 24 degrees, from which a body does not count as seen from the front."""
LEAN: Final = 0.3
"""Tangent of the angle, 17 degrees, from which a body leans."""


@dataclass(frozen=True)
class Move:
    """A move: its name, what to film if the footage lacks it, its body part (or facing), and the rule that detects it."""

    name: str
    film: str
    part: str
    of: Callable[["_Body"], Frames]


class _Body:
    """A track's poses by the names that the rules use: arrays [T] in body heights; a side is right or left."""

    def __init__(self, poses: BodyPoses) -> None:
        self._poses = poses
        self.right_px, self.camera = poses.facing[:, 0], poses.facing[:, 1]
        self.lift = poses.lift
        self.outward = {"left": np.where(self.camera >= 0, 1.0, -1.0), "right": np.where(self.camera >= 0, -1.0, 1.0)}

    def x(self, name: str) -> Float64Array:
        return self._axis(name, 0)

    def y(self, name: str) -> Float64Array:
        return self._axis(name, 1)

    def z(self, name: str) -> Float64Array:
        return self._axis(name, 2)

    def leg(self, side: str) -> tuple[Float64Array, Float64Array]:
        """How much higher this foot is than the other, and how straight the knee is, 1 = stretched."""
        other = "left" if side == "right" else "right"
        thigh, shin = self._bone(f"{side}_hip", f"{side}_knee"), self._bone(f"{side}_knee", f"{side}_ankle")
        straight = (thigh * shin).sum(axis=1) / np.maximum(np.linalg.norm(thigh, axis=1) * np.linalg.norm(shin, axis=1), 1e-6)
        return self.y(f"{other}_ankle") - self.y(f"{side}_ankle"), straight

    def hips_over_feet(self) -> Float64Array:
        return np.fmax(self.y("right_ankle"), self.y("left_ankle"))

    def _axis(self, name: str, axis: int) -> Float64Array:
        """NaN where the keypoint is not visible: comparisons with it are False."""
        column = INDEX[name]
        return np.where(self._poses.seen[:, column], self._poses.xyz[:, column, axis].astype(np.float64), np.nan)

    def _bone(self, start: str, end: str) -> Float64Array:
        return np.stack([axis(end) - axis(start) for axis in (self.x, self.y)], axis=1)


def _overhead(side: str) -> Callable[[_Body], Frames]:
    return lambda b: b.y(f"{side}_wrist") < -0.17


def _out(side: str) -> Callable[[_Body], Frames]:
    return lambda b: (
        ((b.x(f"{side}_wrist") - b.x(f"{side}_elbow")) * b.outward[side] > 0.08)
        & (b.x(f"{side}_wrist") * b.outward[side] > 0.27)
        & (np.abs(b.y(f"{side}_wrist")) <= 0.17)
    )


def _before_chest(side: str) -> Callable[[_Body], Frames]:
    return lambda b: (np.abs(b.x(f"{side}_wrist")) < 0.12) & (np.abs(b.y(f"{side}_wrist") - 0.12) < 0.14) & (b.camera > 0.3)


def _hand_at_hip(side: str) -> Callable[[_Body], Frames]:
    return lambda b: (
        (np.abs(b.y(f"{side}_wrist") - 0.32) < 0.1)
        & ((b.x(f"{side}_elbow") - b.x(f"{side}_wrist")) * b.outward[side] > 0.05)
        & (b.x(f"{side}_wrist") * b.outward[side] > 0.04)
    )


def _kick_aside(side: str) -> Callable[[_Body], Frames]:
    def kicked(b: _Body) -> Frames:
        raised, straight = b.leg(side)
        return (raised > 0.1) & (straight > 0.75) & (b.x(f"{side}_ankle") * b.outward[side] > 0.24)

    return kicked


def _kick_forward(side: str) -> Callable[[_Body], Frames]:
    def kicked(b: _Body) -> Frames:
        raised, straight = b.leg(side)
        return (raised > 0.16) & (straight > 0.6) & ~_kick_aside(side)(b)

    return kicked


def _knee_up(side: str) -> Callable[[_Body], Frames]:
    return lambda b: (b.leg(side)[0] > 0.08) & (b.leg(side)[1] <= 0.6) & (b.y(f"{side}_knee") < 0.19)


def _leaning(side: str) -> Callable[[_Body], Frames]:
    return lambda b: (
        (b.x("neck") * b.outward[side] > LEAN * -b.y("neck")) & (b.y("neck") < 0) & (np.abs(b.right_px) < HALF_TURNED)
    )


def _bent(b: _Body) -> Frames:
    """Foreshortened towards the camera, or leaning in the direction that a turned body faces."""
    forward = b.x("neck") * np.sign(b.right_px)
    return (b.y("neck") > -0.2) | ((np.abs(b.right_px) >= HALF_TURNED) & (forward > LEAN * np.abs(b.y("neck"))))


def _half_turned(sign: float) -> Callable[[_Body], Frames]:
    return lambda b: (b.camera > 0.5) & (b.right_px * sign >= HALF_TURNED)


def _head_turned(side: str) -> Callable[[_Body], Frames]:
    def turned(b: _Body) -> Frames:
        ears = (b.x("right_ear") + b.x("left_ear")) / 2
        return ((b.x("nose") - ears) * b.outward[side] > 0.055) & (b.camera > 0.7)

    return turned


def _wide(b: _Body) -> Frames:
    return np.abs(b.x("left_ankle") - b.x("right_ankle")) > 0.38


def _crossed(b: _Body) -> Frames:
    return ((b.x("left_ankle") - b.x("right_ankle")) * b.outward["left"] < -0.04) & (np.abs(b.camera) > 0.5)


def _two(first: Callable[[_Body], Frames], second: Callable[[_Body], Frames]) -> Callable[[_Body], Frames]:
    return lambda b: first(b) & second(b)


def _one(side: str, of: Callable[[str], Callable[[_Body], Frames]]) -> Callable[[_Body], Frames]:
    other = "left" if side == "right" else "right"
    return lambda b: of(side)(b) & ~of(other)(b)


def _sided(name: str, film: str, part: str, of: Callable[[str], Callable[[_Body], Frames]]) -> list[Move]:
    """The move for both sides; `{}` in its texts is the side."""
    return [Move(name.format(side), film.format(side), part, of(side)) for side in ("left", "right")]


MOVES: Final = (
    Move("back turned", "turn your back to the camera", "facing", lambda b: b.camera < -0.5),
    Move(
        "side view, facing the image's left",
        "stand side-on, facing the image's left",
        "facing",
        lambda b: (np.abs(b.camera) <= 0.5) & (b.right_px < -0.5),
    ),
    Move(
        "side view, facing the image's right",
        "stand side-on, facing the image's right",
        "facing",
        lambda b: (np.abs(b.camera) <= 0.5) & (b.right_px > 0.5),
    ),
    Move("half turned to the image's left", "turn half to the image's left", "facing", _half_turned(-1)),
    Move("half turned to the image's right", "turn half to the image's right", "facing", _half_turned(1)),
    Move("jump", "jump several times, with arms low and high", "legs", lambda b: b.lift > 0.06),
    Move("low on the floor", "go down to the floor and up again", "torso", lambda b: b.hips_over_feet() < 0.2),
    Move("deep squat", "squat deeply a few times", "legs", lambda b: (b.hips_over_feet() < 0.38) & (b.hips_over_feet() >= 0.2)),
    *_sided("kick to the {}", "kick to the {} a few times", "legs", _kick_aside),
    *_sided("{} leg kicked forward", "kick forward with the {} leg", "legs", _kick_forward),
    *_sided("{} knee raised", "raise the {} knee a few times", "legs", _knee_up),
    Move("feet far apart", "step into wide lunges to both sides", "legs", _wide),
    Move("legs crossed", "step one foot across the other", "legs", _crossed),
    *_sided("leaning to the {}", "lean the upper body to the {}", "torso", _leaning),
    Move("bent forward", "bend the upper body forward", "torso", _bent),
    Move("both arms overhead", "raise both arms overhead", "arms", _two(_overhead("left"), _overhead("right"))),
    *_sided("{} arm overhead", "raise the {} arm overhead", "arms", lambda side: _one(side, _overhead)),
    Move("both arms out to the sides", "stretch both arms out to the sides", "arms", _two(_out("left"), _out("right"))),
    *_sided("{} arm out to the side", "stretch the {} arm out to the side", "arms", lambda side: _one(side, _out)),
    Move(
        "hands before the chest",
        "cross and fold the arms before the chest",
        "arms",
        _two(_before_chest("left"), _before_chest("right")),
    ),
    *_sided("{} hand at the hip", "put the {} hand on the hip", "arms", _hand_at_hip),
    *_sided("head turned to the {}", "turn the head to the {}", "head", _head_turned),
)


def which_moves(poses: BodyPoses) -> NDArray[np.bool_]:
    """bool [T,M]: which of `MOVES` each frame shows; none where no person is present."""
    body = _Body(poses)
    return np.stack([move.of(body) for move in MOVES], axis=1) & poses.present[:, None]
