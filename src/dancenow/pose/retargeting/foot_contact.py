"""Feet that stand: when a heel or toe is on the floor, where it stays, and how a leg reaches it without changing its length.

What stands in the source stands in the result, at one place for as long as it does, unless it slides; everything is in the
target's world (to the right, away, up; px at home).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.retargeting.camera_model import FEET
from dancenow.pose.retargeting.joints import averaged
from dancenow.skeleton import INDEX

STANDING_PER_S: Final = (0.08, 0.2)
"""Speed of a heel or toe, in heights a second, up to which it stands and from which it does not."""
STANDING_UP: Final = (0.03, 0.09)
"""Height above the floor, in heights of the body, up to which what is still stands and from which it hangs in the air."""
BLEND_S: Final = 0.06
HELD: Final = 0.01
"""How far a foot that stands may wander in the picture and still be held in one place, in heights; further is sliding."""
SLIDE_S: Final = 0.3
"""Its way is averaged over that time."""
STRAIGHT: Final = 0.998
"""Share of its full length to which a leg can be stretched to reach its foothold."""
GIVE: Final = 0.03
"""Share of its length that a leg gives before the knee bends: of a leg that is nearly straight the knee would jump."""
MAX_PULL: Final = 0.12
"""How far a foot is moved to its foothold, in heights: what is farther is a slip of the detector."""


def stance(xy: Float64Array, up: Float64Array, seen: NDArray[np.bool_], fps: float, height_px: float) -> Float64Array:
    """How surely each of `FEET` stands on the floor [T,4], from 0 to 1.

    xy: places [T,4,2] in the picture, px. up: above the floor [T,4]. seen: which are there. height_px: of the body, for all.
    """
    half = max(1, round(0.08 * fps))
    frames = np.arange(len(xy))
    after, before = np.minimum(frames + half, len(xy) - 1), np.maximum(frames - half, 0)
    span_s = np.maximum(after - before, 1)[:, None] / fps
    speed = np.linalg.norm(xy[after] - xy[before], axis=-1) / span_s / height_px
    slow = np.clip((STANDING_PER_S[1] - speed) / (STANDING_PER_S[1] - STANDING_PER_S[0]), 0, 1)
    low = np.clip((STANDING_UP[1] - np.abs(up) / height_px) / (STANDING_UP[1] - STANDING_UP[0]), 0, 1)
    return np.asarray(averaged(slow * low * seen, max(1, round(BLEND_S * fps / 2))))


def footholds(places: Float64Array, stands: Float64Array, seen_at: Float64Array, fps: float) -> Float64Array:
    """Places [T,4,3] of what stands [T,4], held at their mean for as long as it does, but for what slides.

    seen_at: where it is in the picture [T,4,2], in heights of the body. What wanders there is let go by as much as it wanders
    further than `HELD`: dancers slide, too. In the world it may seem to wander though it stands, where distances are uncertain.
    """
    half = round(SLIDE_S / 2 * fps)
    held = places.copy()
    for foot in range(places.shape[1]):
        on = np.concatenate([[False], stands[:, foot] > 0.05, [False]])
        edges = np.flatnonzero(np.diff(on.astype(int)))
        for start, stop in edges.reshape(-1, 2):
            weight, both = stands[start:stop, foot, None], np.concatenate([places, seen_at], axis=2)[start:stop, foot]
            mean = (weight * both).sum(axis=0) / weight.sum()
            way = averaged(both - mean, min(half, len(both) // 2))
            far = np.linalg.norm(way[:, 3:], axis=1, keepdims=True)
            held[start:stop, foot] = mean[:3] + way[:, :3] * np.maximum(0.0, 1 - HELD / np.maximum(far, 1e-9))
    return held


def pulled(want: Float64Array, seen: NDArray[np.bool_], limit: float) -> Float64Array:
    """Shifts [T,4,3] of feet, no further than `limit`; what is not seen goes with the rest of its foot, if there is any."""
    far = np.linalg.norm(want, axis=-1, keepdims=True)
    shift = want * np.minimum(1.0, limit / np.maximum(far, 1e-9)) * seen[..., None]
    pairs, known = shift.reshape(len(want), 2, 2, 3), seen.reshape(len(want), 2, 2, 1)
    return np.asarray(np.where(known, pairs, pairs[:, :, ::-1] * known[:, :, ::-1]).reshape(want.shape))


def plant(world: Float64Array, shift: Float64Array) -> None:
    """Move heels and toes of a body [T,J,3] by their shifts [T,4,3]; ankles go with them, and legs bend to reach."""
    for number, side in enumerate(("right", "left")):
        own = slice(2 * number, 2 * number + 2)
        ankle_shift = shift[:, own].mean(axis=1)
        hip, knee, ankle = (INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        wanted = world[:, ankle] + ankle_shift
        bent, reached = bend(world[:, hip], world[:, knee], world[:, ankle], wanted)
        world[:, knee], world[:, ankle] = bent, reached
        for i, end in enumerate(FEET[own]):
            world[:, end] += shift[:, own][:, i] + reached - wanted


def bend(hip: Float64Array, knee: Float64Array, ankle: Float64Array, wanted: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Knee and ankle [T,3] of a leg whose ankle is to be at `wanted`, with thigh and shin as long as they are, but for `GIVE`.

    Where that is too far, the leg points there, stretched. The knee stays on the side where it is.
    """
    thigh, shin = (np.linalg.norm(b - a, axis=1) for a, b in ((hip, knee), (knee, ankle)))
    span = wanted - hip
    far = np.maximum(np.linalg.norm(span, axis=1), 1e-9)
    give = np.clip(far / np.maximum(np.linalg.norm(ankle - hip, axis=1), 1e-9), 1 - GIVE, 1 + GIVE)
    thigh, shin = thigh * give, shin * give
    # A leg that was stretched further than `STRAIGHT` may stay so: a body that fits is left alone.
    longest = np.maximum(STRAIGHT * (thigh + shin), give * np.linalg.norm(ankle - hip, axis=1))
    reach = np.clip(far, np.abs(thigh - shin) + 1e-6, longest)
    along = span / far[:, None]
    before = ankle - hip
    bulge = (knee - hip) - _along(knee - hip, before)
    side = bulge - _along(bulge, along)
    flat = np.linalg.norm(side, axis=1, keepdims=True)
    side = np.where(flat > 1e-6, side / np.maximum(flat, 1e-9), 0.0)
    share = np.clip((thigh**2 + reach**2 - shin**2) / np.maximum(2 * thigh * reach, 1e-9), -1, 1)
    new_knee = hip + along * (thigh * share)[:, None] + side * (thigh * np.sqrt(1 - share**2))[:, None]
    return np.asarray(new_knee), np.asarray(hip + along * reach[:, None])


def _along(vector: Float64Array, axis: Float64Array) -> Float64Array:
    """The part of vectors [T,3] along axes of any length."""
    squared = np.maximum((axis * axis).sum(axis=1, keepdims=True), 1e-12)
    return np.asarray((vector * axis).sum(axis=1, keepdims=True) / squared * axis)
