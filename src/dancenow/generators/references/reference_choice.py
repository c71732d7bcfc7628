"""Which pictures show which part: at random among good ones in training, steady over time in a dance.

In a dance the choice of every part is the path through time with the least sum of distances and changes (Viterbi, 1967), and
changes are cross-faded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

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
"""Frames for which it is kept at once where each picture came from."""
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


class FrameDistances(Protocol):
    """Distances [T,P,M] of the frames of one shot to pictures, read a few frames at a time; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T, P, M."""

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        """Those of consecutive frames."""


def choose_over_time(distances: FrameDistances, time_s: NDArray[np.float64], slots: int) -> tuple[NDArray[np.int16], ...]:
    """A steady choice for each slot, int [T,P], for the frames of one shot by distances [T,P,M].

    No slot shows a part from the picture of a slot before it, if there are others.
    """
    chosen: list[NDArray[np.int16]] = []
    for _ in range(slots):
        chosen.append(_cheapest_path(distances, _step_s(time_s), chosen[: distances.shape[2] - 1]))
    return tuple(chosen)


def _cheapest_path(distances: FrameDistances, step_s: float, excluded: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """For each part the path [T,P] through distances [T,P,M] with the least sum of costs and changes.

    step_s: what a distance counts in one frame. excluded: paths [T,P] of other slots. The sums at the ends of blocks are kept;
    from where each picture came is found again, block by block, on the way back.
    """
    count, parts, pictures = distances.shape
    every, blocks = np.arange(parts), [slice(i, min(i + _BLOCK, count)) for i in range(0, count, _BLOCK)]

    def costs(block: slice) -> Iterator[NDArray[np.float64]]:
        for index, each in enumerate(distances[block], start=block.start):
            cost: NDArray[np.float64] = each.astype(np.float64) * step_s
            for path in excluded:
                cost[every, path[index]] += _EXCLUDED
            yield cost

    before: list[NDArray[np.float64] | None] = [None]
    for block in blocks:
        before.append(_follow(before[-1], costs(block), None))
    path = np.empty((count, parts), np.int16)
    last = before.pop()
    assert last is not None
    path[-1] = last.argmin(axis=1)
    for block in reversed(blocks):
        came_from = np.zeros((block.stop - block.start, parts, pictures), np.int16)
        _follow(before.pop(), costs(block), came_from)
        for index in range(block.stop - 1, max(block.start, 1) - 1, -1):
            path[index - 1] = came_from[index - block.start, every, path[index]]
    return path


def _follow(
    total: NDArray[np.float64] | None, costs: Iterator[NDArray[np.float64]], came_from: NDArray[np.int16] | None
) -> NDArray[np.float64]:
    """The least sums [P,M] of paths to each picture after some more frames with these costs [P,M].

    total: those before; None at the beginning. came_from: [n,P,M], is filled with the picture before each.
    """
    for index, cost in enumerate(costs):
        if total is None:
            total = cost
            continue
        best = total.argmin(axis=1)
        changed = total[np.arange(len(best)), best] + _CHANGE_COST
        stays = total <= changed[:, None]
        if came_from is not None:
            came_from[index] = np.where(stays, np.arange(total.shape[1]), best[:, None])
        total = np.where(stays, total, changed[:, None]) + cost
    assert total is not None
    return total


@dataclass(frozen=True, eq=False)
class SteadyChoice:
    """The choice of one slot in one shot with cross-fades. path: int [T,P]. reach: frames of a fade before and after a change.
    highest: number of a picture."""

    path: NDArray[np.int16]
    reach: int
    highest: int

    @classmethod
    def of(cls, path: NDArray[np.int16], time_s: NDArray[np.float64]) -> Self:
        """Of a path of `choose_over_time`, whose frames have these times [T]."""
        return cls(path, round(_FADE_S / _step_s(time_s)), max(int(path.max()), 1))

    def faded(self, frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The two pictures [n,2,P] that are blended in some frames [n], and their weights [n,2,P]."""
        kernel = 1.0 - np.abs(np.arange(-self.reach, self.reach + 1)) / (self.reach + 1)
        kernel = kernel / kernel.sum()
        weights = np.zeros((len(frames), self.path.shape[1], self.highest + 1))
        rows, columns = np.ogrid[: len(frames), : self.path.shape[1]]
        for shift, share in enumerate(kernel, start=-self.reach):
            weights[rows, columns, self.path[(frames + shift).clip(0, len(self.path) - 1)]] += share
        pictures = np.argsort(-weights, axis=2, kind="stable")[:, :, :2]
        kept = np.take_along_axis(weights, pictures, axis=2)
        kept /= kept.sum(axis=2, keepdims=True)
        # A picture with no weight is not looked up in a place of its own: the same one twice costs no other maps.
        pictures[..., 1] = np.where(kept[..., 1] > 0, pictures[..., 1], pictures[..., 0])
        return pictures.transpose(0, 2, 1), kept.transpose(0, 2, 1).astype(np.float32)


def _step_s(time_s: NDArray[np.float64]) -> float:
    """Seconds from one frame to the next; 1 where there is a single one."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
