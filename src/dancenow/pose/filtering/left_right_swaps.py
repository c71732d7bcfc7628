"""Find and undo left-right swaps: detectors exchange the sides for a moment when a back looks like a front.

The Viterbi path over kept and swapped frames in which the body moves least, with a cost for every second spent swapped, so
that a real turn, which is smooth, is never undone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks
from dancenow.skeleton import MIRROR

Array = NDArray[np.float64]

COST_PER_S: Final = 0.1
"""In body sizes: a swap jumps by a shoulder's width twice, about 0.25 in total, so swaps of up to about 2 s are undone."""
LAG_S: Final = 0.25 / COST_PER_S
"""Seconds of later frames after which a decision is final: the longest swap that is undone."""
MIN_RATE_HZ: Final = 12.0
"""At lower frame rates a real half turn can happen between two frames."""
_PAIRED: Final = np.flatnonzero(np.arange(len(MIRROR)) != MIRROR)


def swapped_frames(xy: NDArray[np.floating], seen: NDArray[np.bool_], time_s: Array, size_px: Array) -> NDArray[np.bool_]:
    """bool [T]: frames whose left and right keypoints are swapped, see `skeleton.MIRROR`.

    xy: [T,K,2] px. seen: [T,K]. time_s: [T]. size_px: [T] the body's size.
    """
    frames = np.flatnonzero(seen[:, _PAIRED].any(axis=1))
    swapped_at = np.zeros(len(xy), bool)
    if len(frames) < 3 or 1 / np.median(np.diff(time_s)) < MIN_RATE_HZ:
        return swapped_at
    kept, swapped = _steps(xy, seen, size_px, frames)
    gap_s = np.diff(time_s[frames])
    connected = gap_s < 0.2  # after a longer loss the last pose says nothing about the sides
    kept, swapped = np.where(connected, kept, 0.0), np.where(connected, swapped, 0.0)
    swapped_at[frames] = _cheapest(kept, swapped, COST_PER_S * np.append(0.0, np.minimum(gap_s, 0.2)))
    return swapped_at


def _steps(xy: NDArray[np.floating], seen: NDArray[np.bool_], size_px: Array, frames: NDArray[np.int64]) -> tuple[Array, Array]:
    """Mean motion of the paired keypoints between successive `frames`, in body sizes: with the sides kept, and swapped."""
    costs = np.empty((2, len(frames) - 1))
    for block in blocks(len(frames) - 1):
        before, after = frames[:-1][block], frames[1:][block]
        was, now = (xy[each].astype(np.float64) for each in (before, after))
        for cost, order in zip(costs, (np.arange(len(MIRROR)), MIRROR), strict=True):
            distance = np.linalg.norm(now[:, order] - was, axis=-1) / size_px[after][:, None]
            visible = seen[after][:, order] & seen[before]
            visible[:, np.arange(len(MIRROR)) == MIRROR] = False
            cost[block] = (np.minimum(distance, 0.5) * visible).sum(axis=1) / np.maximum(visible.sum(axis=1), 1)
    return costs[0], costs[1]


def _cheapest(kept: Array, swapped: Array, cost: Array) -> NDArray[np.bool_]:
    """Viterbi over two states per frame: False costs nothing, True costs `cost`; a change of state costs `swapped`."""
    total = np.array([0.0, cost[0]])
    came_from = np.zeros((len(cost), 2), np.int64)
    for t in range(1, len(cost)):
        stay, change = total + kept[t - 1], total[::-1] + swapped[t - 1]
        came_from[t] = np.where(change < stay, [1, 0], [0, 1])
        total = np.minimum(stay, change) + np.array([0.0, cost[t]])
    states = np.zeros(len(cost), np.int64)
    states[-1] = int(total[1] < total[0])
    for t in range(len(cost) - 1, 0, -1):
        states[t - 1] = came_from[t, states[t]]
    return states.astype(bool)
