"""Decide by which shift each pixel of a hole is copied, so that the seams between the copied parts are seen least.

After Pritch, Kav-Venaki and Peleg, "Shift-map image editing" (2009). Their seam cost is minimized by belief propagation that
sweeps over columns and rows (Tappen and Freeman, 2003), which needs no graph-cut library and is quick for few shifts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shift_proposals import Shifts, lands_in
from dancenow.types import FloatArray

_SWEEPS: Final = 8
_FORBIDDEN: Final = np.float32(1e5)
_SHIFT_COST_YX: Final = (8.0, 0.1)
"""Per pixel, of a shift by the size of the hole. Rooms change with height: a wall, skirting, a floor in perspective."""
_LACK_WEIGHT: Final = np.float32(0.1)
"""Of the texture that a copied pixel lacks: a road fits anywhere, but does not continue a railing. With more, busy parts of the
picture are copied onto walls."""
_CHANGE_COST: Final = np.float32(4.0)
"""Of a seam of any kind: few large parts, since what fits in the shrunken picture may be some pixels off in the full one."""
_RIM_WEIGHT: Final = 2.0
"""Of the cost at a seen pixel beside the hole; a seam inside the hole has a cost at both of its pixels."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Line:
    """Neighbors in two adjacent columns or rows: numbers of pixels [n] and their seam costs [n,K,K]."""

    first: Indices
    second: Indices
    cost: FloatArray


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture that was made for the hole and is not copied from elsewhere. features: float32 [H,W,C]; valid: bool [H,W],
    where there is one; cost: float32 [H,W], of using it.
    """

    features: FloatArray
    valid: NDArray[np.bool_]
    cost: FloatArray


def choose_shifts(
    features: FloatArray,
    known: NDArray[np.bool_],
    sources: NDArray[np.bool_],
    shifts: Shifts,
    *,
    copy_cost: FloatArray,
    texture_cost: FloatArray,
    drawn: Sequence[Drawn] = (),
) -> NDArray[np.int32]:
    """Number of the shift of each pixel of the hole, int32 [H,W]; 0 = none, where copying costs more than staying smooth.
    Numbers from len(shifts) on are those of the pictures that are `drawn`.

    features: float32 [H,W,C], with a smooth filling. known: bool [H,W]. sources: bool [H,W], what may be copied. shifts: (0, 0)
    is the first. copy_cost: [H,W], of copying a pixel, where it is copied from. texture_cost: [H,W], of a smooth pixel there;
    what is copied costs a part of that as far as its texture falls short.
    """
    hole = ~known
    pixels = np.argwhere(hole)
    number = np.full(known.shape, -1, np.int64)
    number[hole] = np.arange(len(pixels))
    possible = lands_in(sources, pixels, shifts).T
    possible[:, 0] = True
    possible = np.concatenate([possible, *(each.valid[hole][:, None] for each in drawn)], axis=1)
    size_px = np.sqrt(len(pixels))
    cost = np.repeat(((shifts / size_px) ** 2 @ np.array(_SHIFT_COST_YX))[None], len(pixels), axis=0).astype(np.float32)
    cost += _shifted(copy_cost[..., None], pixels, shifts)[..., 0]
    wanted = texture_cost[hole][:, None]
    cost += _LACK_WEIGHT * np.maximum(wanted - _shifted(texture_cost[..., None], pixels, shifts)[..., 0], 0)
    cost[:, :1] = wanted
    cost = np.concatenate([cost, *(each.cost[hole][:, None] for each in drawn)], axis=1)
    cost = np.where(possible, cost, _FORBIDDEN).astype(np.float32)

    def shown_by_each(at: Indices) -> FloatArray:
        return np.concatenate([_shifted(features, at, shifts), *(each.features[*at.T][:, None] for each in drawn)], axis=1)

    shown = shown_by_each(pixels)
    cost += _rim_cost(features, known, pixels, number, shown_by_each)
    best = _propagate(cost, _lines(number, shown), _lines(number.T, shown))
    labels = np.zeros(known.shape, np.int32)
    labels[hole] = np.where(np.take_along_axis(possible, best[:, None], axis=1)[:, 0], best, 0)
    return labels


def _shifted(features: FloatArray, pixels: Indices, shifts: Shifts) -> FloatArray:
    """Features of the pixels [N,2] moved by each shift: [N,K,C]; at the border those of the nearest pixel inside."""
    height, width = features.shape[:2]
    moved = pixels[:, None] + shifts[None]
    return np.asarray(features[np.clip(moved[..., 0], 0, height - 1), np.clip(moved[..., 1], 0, width - 1)])


def _rim_cost(
    features: FloatArray,
    known: NDArray[np.bool_],
    pixels: Indices,
    number: NDArray[np.int64],
    shown_by_each: Callable[[Indices], FloatArray],
) -> FloatArray:
    """Cost [N,K] of each label where a pixel touches seen ones: what it shows there, [n,K,C] at pixels [n,2], would differ."""
    cost = np.zeros((len(pixels), shown_by_each(pixels[:1]).shape[1]), np.float32)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = pixels + step
        inside = ((beside >= 0) & (beside < known.shape)).all(axis=1)
        rim = beside[inside]
        rim = rim[known[rim[:, 0], rim[:, 1]]]
        difference = shown_by_each(rim) - features[rim[:, 0], rim[:, 1]][:, None]
        inner = rim - step
        cost[number[inner[:, 0], inner[:, 1]]] += np.float32(_RIM_WEIGHT) * (difference**2).sum(axis=2)
    return cost


def _lines(number: NDArray[np.int64], shifted: FloatArray) -> list[_Line]:
    """Pair each column of `number` (-1 = no pixel of the hole) with the next."""
    lines = []
    for left, right in zip(number.T[:-1], number.T[1:], strict=True):
        both = (left >= 0) & (right >= 0)
        if both.any():
            first, second = left[both], right[both]
            pair = np.concatenate([shifted[first], shifted[second]], axis=2)
            squares = (pair**2).sum(axis=2)
            cost = squares[:, :, None] + squares[:, None] - 2 * (pair @ pair.transpose(0, 2, 1))
            change = _CHANGE_COST * (1 - np.eye(cost.shape[1], dtype=np.float32))
            lines.append(_Line(first, second, np.maximum(cost, 0) + change))
    return lines


def _propagate(cost: FloatArray, across: list[_Line], down: list[_Line]) -> Indices:
    """Find the labels [N] of (nearly) least total cost. cost: [N,K] of each label at each pixel."""
    # belief: the cost and all messages that arrived at a pixel.
    belief = cost.copy()
    passes = [(lines, np.zeros_like(cost), np.zeros_like(cost)) for lines in (across, down)]
    for _ in range(_SWEEPS):
        for lines, to_second, to_first in passes:
            for line in lines:
                message = ((belief[line.first] - to_first[line.first])[:, :, None] + line.cost).min(axis=1)
                _send(message, line.second, belief, to_second)
            for line in reversed(lines):
                message = ((belief[line.second] - to_second[line.second])[:, None] + line.cost).min(axis=2)
                _send(message, line.first, belief, to_first)
    return np.asarray(belief.argmin(axis=1))


def _send(message: FloatArray, receivers: Indices, belief: FloatArray, messages: FloatArray) -> None:
    """Replace the earlier messages of the same direction."""
    message = np.minimum(message - message.min(axis=1, keepdims=True), _FORBIDDEN)
    belief[receivers] += message - messages[receivers]
    messages[receivers] = message
