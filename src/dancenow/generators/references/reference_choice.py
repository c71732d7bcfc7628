"""Which pictures show which part: at random among good ones in training, steady over time in a dance.

In a dance the choice of every part is the path through time with the least sum of distances and changes (Viterbi, 1967), and
changes are cross-faded.
"""

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
    cost, chosen = distances.astype(np.float64) * _step_s(time_s), []
    frame, part = np.ogrid[: cost.shape[0], : cost.shape[1]]
    for _ in range(slots):
        chosen.append(_cheapest_path(cost))
        if len(chosen) < cost.shape[2]:
            cost[frame, part, chosen[-1]] += _EXCLUDED
    return tuple(chosen)


def _cheapest_path(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each part the path [T,P] through costs [T,P,M] with the least sum of costs and changes."""
    count, parts, _ = cost.shape
    total = cost[0].copy()
    came_from = np.zeros(cost.shape, np.int32)
    own = np.arange(cost.shape[2])
    for index in range(1, count):
        best = total.argmin(axis=1)
        changed = total[np.arange(parts), best] + _CHANGE_COST
        stays = total <= changed[:, None]
        came_from[index] = np.where(stays, own, best[:, None])
        total = np.where(stays, total, changed[:, None]) + cost[index]
    path = np.empty((count, parts), np.int64)
    path[-1] = total.argmin(axis=1)
    for index in range(count - 1, 0, -1):
        path[index - 1] = came_from[index, np.arange(parts), path[index]]
    return path


def cross_fade(path: NDArray[np.int64], time_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """A choice [T,P] of one shot with cross-fades: the two pictures [T,2,P] that are blended, and their weights [T,2,P]."""
    reach = round(_FADE_S / _step_s(time_s))
    count, parts = path.shape
    held = np.pad(path, ((reach, reach), (0, 0)), mode="edge")
    kernel = 1.0 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    weights = np.zeros((count, parts, int(path.max()) + 1))
    rows, columns = np.ogrid[:count, :parts]
    for shift, share in enumerate(kernel / kernel.sum()):
        weights[rows, columns, held[shift : shift + count]] += share
    if weights.shape[2] == 1:
        weights = np.concatenate([weights, np.zeros_like(weights)], axis=2)
    pictures = np.argsort(-weights, axis=2, kind="stable")[:, :, :2]
    kept = np.take_along_axis(weights, pictures, axis=2)
    kept /= kept.sum(axis=2, keepdims=True)
    # A picture with no weight is not looked up in a place of its own: the same one twice costs no other maps.
    pictures[..., 1] = np.where(kept[..., 1] > 0, pictures[..., 1], pictures[..., 0])
    return pictures.transpose(0, 2, 1), kept.transpose(0, 2, 1).astype(np.float32)


def _step_s(time_s: NDArray[np.float64]) -> float:
    """Seconds from one frame to the next; 1 where there is a single one."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
