"""Foot contact: detect standing heels and toes, hold them in place, and solve the legs by inverse kinematics.

A foot that stands in the source stands in the result, in one place, unless it slides. Coordinates are those of the target's
world (right, away, up; px at home).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.retargeting.camera_model import FEET
from dancenow.pose.retargeting.joints import moving_average
from dancenow.skeleton import INDEX

STANDING_PER_S: Final = (0.08, 0.2)
"""Speed of a heel or toe, in body heights per second, up to which it stands and from which it does not."""
STANDING_UP: Final = (0.03, 0.09)
"""Height above the floor, in body heights, up to which a still foot stands and from which it is in the air."""
BLEND_S: Final = 0.06
MAX_DRIFT: Final = 0.01
"""Distance that a standing foot may drift in the frame and still be held in place, in body heights; more is sliding."""
SLIDE_S: Final = 0.3
"""Averaging time of the drift."""
MAX_STRETCH: Final = 0.998
"""Fraction of its full length to which a leg can be stretched to reach its foothold."""
LEG_TOLERANCE: Final = 0.03
"""Relative change of a leg's length before the knee bends: the knee of a nearly straight leg would jump otherwise."""
MAX_SHIFT: Final = 0.12
"""Largest shift of a foot to its foothold, in body heights: a larger one is a detector error."""


def contact_weights(xy: Float64Array, up: Float64Array, seen: NDArray[np.bool_], fps: float, height_px: float) -> Float64Array:
    """How certainly one of `FEET` stands on the floor in each frame, before it is smoothed: float64 [T] in [0,1].

    xy: positions [T,2] in the frame, px. up: height above the floor [T]. seen: where it is visible [T].
    """
    half = max(1, round(0.08 * fps))
    frames = np.arange(len(xy))
    after, before = np.minimum(frames + half, len(xy) - 1), np.maximum(frames - half, 0)
    span_s = np.maximum(after - before, 1) / fps
    speed = np.linalg.norm(xy[after] - xy[before], axis=-1) / span_s / height_px
    slow = np.clip((STANDING_PER_S[1] - speed) / (STANDING_PER_S[1] - STANDING_PER_S[0]), 0, 1)
    low = np.clip((STANDING_UP[1] - np.abs(up) / height_px) / (STANDING_UP[1] - STANDING_UP[0]), 0, 1)
    return np.asarray(slow * low * seen)


def steady_weights(weights: Float64Array, fps: float) -> Float64Array:
    """Weights [T,4] of `contact_weights`, which fade in and out."""
    return np.asarray(moving_average(weights, max(1, round(BLEND_S * fps / 2))))


def footholds(positions: Float64Array, stands: Float64Array, seen_at: Float64Array, fps: float) -> Float64Array:
    """Positions [T,N,3] of feet, held at their mean for as long as they stand (`stands` [T,N]), except for sliding.

    seen_at: position in the frame [T,N,2], in body heights. Motion in the frame beyond `MAX_DRIFT` is kept as sliding. In world
    coordinates a standing foot may seem to move, because distances are uncertain.
    """
    half = round(SLIDE_S / 2 * fps)
    held = positions.copy()
    for foot in range(positions.shape[1]):
        on = np.concatenate([[False], stands[:, foot] > 0.05, [False]])
        edges = np.flatnonzero(np.diff(on.astype(int)))
        for start, stop in edges.reshape(-1, 2):
            weight, track = (
                stands[start:stop, foot, None],
                np.concatenate([positions[start:stop, foot], seen_at[start:stop, foot]], axis=1),
            )
            mean = (weight * track).sum(axis=0) / weight.sum()
            drift = moving_average(track - mean, min(half, len(track) // 2))
            far = np.linalg.norm(drift[:, 3:], axis=1, keepdims=True)
            held[start:stop, foot] = mean[:3] + drift[:, :3] * np.maximum(0.0, 1 - MAX_DRIFT / np.maximum(far, 1e-9))
    return held


def limited_shifts(want: Float64Array, seen: NDArray[np.bool_], limit: float) -> Float64Array:
    """Shifts [T,4,3] of feet, clipped to `limit`; an invisible point moves with the other point of its foot."""
    far = np.linalg.norm(want, axis=-1, keepdims=True)
    shift = want * np.minimum(1.0, limit / np.maximum(far, 1e-9)) * seen[..., None]
    pairs, known = shift.reshape(len(want), 2, 2, 3), seen.reshape(len(want), 2, 2, 1)
    return np.asarray(np.where(known, pairs, pairs[:, :, ::-1] * known[:, :, ::-1]).reshape(want.shape))


def move_feet(world: Float64Array, shift: Float64Array) -> None:
    """Move heels and toes of a body [T,J,3] by shifts [T,4,3], in place; ankles move along, and legs bend to reach them."""
    for number, side in enumerate(("right", "left")):
        own = slice(2 * number, 2 * number + 2)
        ankle_shift = shift[:, own].mean(axis=1)
        hip, knee, ankle = (INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        wanted = world[:, ankle] + ankle_shift
        bent, reached = bend_leg(world[:, hip], world[:, knee], world[:, ankle], wanted)
        world[:, knee], world[:, ankle] = bent, reached
        for i, end in enumerate(FEET[own]):
            world[:, end] += shift[:, own][:, i] + reached - wanted


def bend_leg(
    hip: Float64Array, knee: Float64Array, ankle: Float64Array, wanted: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Two-bone inverse kinematics: knee and ankle [T,3] for an ankle target `wanted`, with part lengths within `LEG_TOLERANCE`.

    A target out of reach is approached with the leg stretched. The knee keeps its bending direction.
    """
    thigh, shin = (np.linalg.norm(b - a, axis=1) for a, b in ((hip, knee), (knee, ankle)))
    span = wanted - hip
    far = np.maximum(np.linalg.norm(span, axis=1), 1e-9)
    give = np.clip(far / np.maximum(np.linalg.norm(ankle - hip, axis=1), 1e-9), 1 - LEG_TOLERANCE, 1 + LEG_TOLERANCE)
    thigh, shin = thigh * give, shin * give
    # A leg that was stretched more than `MAX_STRETCH` may stay so, so that a body that fits is not changed.
    longest = np.maximum(MAX_STRETCH * (thigh + shin), give * np.linalg.norm(ankle - hip, axis=1))
    reach = np.clip(far, np.abs(thigh - shin) + 1e-6, longest)
    along = span / far[:, None]
    before = ankle - hip
    bulge = (knee - hip) - _along(knee - hip, before)
    side = bulge - _along(bulge, along)
    flat = np.linalg.norm(side, axis=1, keepdims=True)
    side = np.where(flat > 1e-6, side / np.maximum(flat, 1e-9), 0.0)
    cosine = np.clip((thigh**2 + reach**2 - shin**2) / np.maximum(2 * thigh * reach, 1e-9), -1, 1)
    new_knee = hip + along * (thigh * cosine)[:, None] + side * (thigh * np.sqrt(1 - cosine**2))[:, None]
    return np.asarray(new_knee), np.asarray(hip + along * reach[:, None])


def _along(vector: Float64Array, axis: Float64Array) -> Float64Array:
    """The component of vectors [T,3] along axes of any length."""
    squared = np.maximum((axis * axis).sum(axis=1, keepdims=True), 1e-12)
    return np.asarray((vector * axis).sum(axis=1, keepdims=True) / squared * axis)
