"""Which pictures show which part: at random among good ones in training, steady over time in a dance.

In a dance the choice of every part is the path through time with the least sum of distances and changes (Viterbi, 1967), and
changes are cross-faded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NOISE: Final = 0.3
"""Largest random distance in training: the network also has to learn with worse references."""
_EXCLUDED: Final = 50.0
_CHANGE_COST: Final = 0.05
"""Of another picture for a part: worth it for a distance that is smaller by .5 for a tenth of a second."""
_BLOCK: Final = 512
"""Frames whose cross-fades are computed together."""
_FADE_S: Final = 0.12
"""Half the duration of a cross-fade."""


@dataclass(frozen=True, eq=False)
class ReferenceChoice:
    """picture: int [N,C,B,P], for N frames, C slots and P parts the B pictures that are blended. weight: float [N,C,B,P]."""

    picture: Tensor
    weight: Tensor


def exclude_near(distances: Tensor, time_s: Tensor, reference_time_s: Tensor, gap_s: float) -> Tensor:
    """Distances [N,P,M] of frames at times [N] to references at times [M], large where both are near in time."""
    near = (time_s[:, None] - reference_time_s[None]).abs() < gap_s
    return distances + _EXCLUDED * near[:, None]


def choose_nearest(distances: Tensor, slots: int, rng: np.random.Generator | None) -> ReferenceChoice:
    """The nearest pictures by distances [N,P,M], in training with some noise (`rng`)."""
    if rng is not None:
        distances = distances + torch.from_numpy(rng.uniform(0, _NOISE, tuple(distances.shape))).to(distances)
    slots_there = min(slots, distances.shape[2])
    nearest = distances.topk(slots_there, dim=2, largest=False).indices
    nearest = nearest[:, :, [min(slot, slots_there - 1) for slot in range(slots)]]
    picture = nearest.permute(0, 2, 1)[:, :, None]
    return ReferenceChoice(picture, torch.ones_like(picture, dtype=torch.float32))


def choose_over_time(distances: NDArray[np.float32], time_s: NDArray[np.float64], slots: int) -> tuple[NDArray[np.int64], ...]:
    """A steady choice for each slot, int [T,P], for the frames of one shot by distances [T,P,M].

    No slot shows a part from the picture of a slot before it, if there are others.
    """
    chosen: list[NDArray[np.int64]] = []
    for _ in range(slots):
        chosen.append(_cheapest_path(distances, _step_s(time_s), chosen[: distances.shape[2] - 1]))
    return tuple(chosen)


def _cheapest_path(distances: NDArray[np.float32], step_s: float, excluded: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """For each part the path [T,P] through distances [T,P,M] with the least sum of costs and changes.

    step_s: what a distance counts in one frame. excluded: paths [T,P] of other slots.
    """
    count, parts, pictures = distances.shape
    every, own = np.arange(parts), np.arange(pictures)

    def cost(index: int) -> NDArray[np.float64]:
        costs: NDArray[np.float64] = distances[index].astype(np.float64) * step_s
        for path in excluded:
            costs[every, path[index]] += _EXCLUDED
        return costs

    total = cost(0)
    # Small numbers: there is one for each picture and part of each frame of a dance of any length.
    came_from = np.zeros(distances.shape, np.int16)
    for index in range(1, count):
        best = total.argmin(axis=1)
        changed = total[every, best] + _CHANGE_COST
        stays = total <= changed[:, None]
        came_from[index] = np.where(stays, own, best[:, None])
        total = np.where(stays, total, changed[:, None]) + cost(index)
    path = np.empty((count, parts), np.int64)
    path[-1] = total.argmin(axis=1)
    for index in range(count - 1, 0, -1):
        path[index - 1] = came_from[index, every, path[index]]
    return path


def cross_fade(path: NDArray[np.int64], time_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """A choice [T,P] of one shot with cross-fades: the two pictures [T,2,P] that are blended, and their weights [T,2,P]."""
    reach = round(_FADE_S / _step_s(time_s))
    held = np.pad(path, ((reach, reach), (0, 0)), mode="edge")
    kernel = 1.0 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    kernel, highest = kernel / kernel.sum(), max(int(path.max()), 1)
    blocks = [_blend(held[first : first + _BLOCK + 2 * reach], kernel, highest) for first in range(0, len(path), _BLOCK)]
    pictures, kept = (np.concatenate(each) for each in zip(*blocks, strict=True))
    return pictures, kept


def _blend(held: NDArray[np.int64], kernel: NDArray[np.float64], highest: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The result of `cross_fade` for the frames around which a choice [T + 2 reach, P] holds; highest: number of a picture."""
    count, parts = len(held) - len(kernel) + 1, held.shape[1]
    weights = np.zeros((count, parts, highest + 1))
    rows, columns = np.ogrid[:count, :parts]
    for shift, share in enumerate(kernel):
        weights[rows, columns, held[shift : shift + count]] += share
    pictures = np.argsort(-weights, axis=2, kind="stable")[:, :, :2]
    kept = np.take_along_axis(weights, pictures, axis=2)
    kept /= kept.sum(axis=2, keepdims=True)
    # A picture with no weight is not looked up in a place of its own: the same one twice costs no other maps.
    pictures[..., 1] = np.where(kept[..., 1] > 0, pictures[..., 1], pictures[..., 0])
    return pictures.transpose(0, 2, 1), kept.transpose(0, 2, 1).astype(np.float32)


def _step_s(time_s: NDArray[np.float64]) -> float:
    """Seconds from one frame to the next; 1 where there is a single one."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
