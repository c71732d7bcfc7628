"""Left and right exchanged for a moment: detectors do this when a back could be a front; found and undone.

The cheapest of all sequences of kept and exchanged frames (Viterbi) in which the body moves least between frames, with a
price on every second spent exchanged, so that a real turn, which is smooth, is never undone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import MIRROR

Array = NDArray[np.float64]

PRICE_PER_S: Final = 0.1
"""In body sizes: an exchange jumps by a shoulder's width twice, about 0.25 in all, so runs of some 2 s are undone."""
LAG_S: Final = 0.25 / PRICE_PER_S
"""Later frames after which a decision is final, in seconds: the longest run that is undone."""
MIN_RATE_HZ: Final = 12.0
"""At fewer frames a second a real half turn may happen between two of them."""
_PAIRED: Final = np.flatnonzero(np.arange(len(MIRROR)) != MIRROR)


def exchanged_frames(xy: Array, seen: NDArray[np.bool_], time_s: Array, size_px: Array) -> NDArray[np.bool_]:
    """[T]: frames whose left and right are to be exchanged (by `skeleton.MIRROR`).

    xy: [T,K,2] px. seen: [T,K]. time_s: [T]. size_px: [T] the body's size.
    """
    frames = np.flatnonzero(seen[:, _PAIRED].any(axis=1))
    undo = np.zeros(len(xy), bool)
    if len(frames) < 3 or 1 / np.median(np.diff(time_s)) < MIN_RATE_HZ:
        return undo
    kept, exchanged = _steps(xy, seen, size_px, frames)
    gap_s = np.diff(time_s[frames])
    connected = gap_s < 0.2  # after a longer loss the last pose says nothing about the sides
    kept, exchanged = np.where(connected, kept, 0.0), np.where(connected, exchanged, 0.0)
    undo[frames] = _cheapest(kept, exchanged, PRICE_PER_S * np.append(0.0, np.minimum(gap_s, 0.2)))
    return undo


def _steps(xy: Array, seen: NDArray[np.bool_], size_px: Array, frames: NDArray[np.int64]) -> tuple[Array, Array]:
    """How far the paired keypoints move between successive `frames`, in body sizes: with the sides kept, and exchanged."""
    before, after = frames[:-1], frames[1:]
    costs = []
    for order in (np.arange(len(MIRROR)), MIRROR):
        distance = np.linalg.norm(xy[after][:, order] - xy[before], axis=-1) / size_px[after][:, None]
        both = seen[after][:, order] & seen[before]
        both[:, np.arange(len(MIRROR)) == MIRROR] = False
        costs.append((np.minimum(distance, 0.5) * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1))
    return costs[0], costs[1]


def _cheapest(kept: Array, exchanged: Array, price: Array) -> NDArray[np.bool_]:
    """Viterbi over two states per frame: False costs nothing, True costs `price`; a change of state costs `exchanged`."""
    total = np.array([0.0, price[0]])
    came_from = np.zeros((len(price), 2), np.int64)
    for t in range(1, len(price)):
        stay, change = total + kept[t - 1], total[::-1] + exchanged[t - 1]
        came_from[t] = np.where(change < stay, [1, 0], [0, 1])
        total = np.minimum(stay, change) + np.array([0.0, price[t]])
    states = np.zeros(len(price), np.int64)
    states[-1] = int(total[1] < total[0])
    for t in range(len(price) - 1, 0, -1):
        states[t - 1] = came_from[t, states[t]]
    return states.astype(bool)
