"""Conditioning maps of trunk and head: a soft mask, body coordinates inside it, and facing direction.

Between the limbs of a skeleton the trunk is empty, and a face has five points. A soft mask and two coordinates tell a generator
where a stripe or an eye belongs, and two values drawn into the mask tell front from back and left from right.
"""

from typing import Final

import torch
from torch import Tensor

from dancenow.skeleton import HEAD_KEYPOINTS, INDEX

NUM_FRAME_MAPS: Final = 10
_SHOULDERS: Final = (INDEX["right_shoulder"], INDEX["left_shoulder"])
_HIPS: Final = (INDEX["right_hip"], INDEX["left_hip"])
_NOSE, _NECK = INDEX["nose"], INDEX["neck"]
_EARS: Final = [INDEX["right_ear"], INDEX["left_ear"]]
_LEAST_EXPONENT: Final = -40.0
_MIN_LENGTH: Final = 0.02
"""Smallest length of a trunk or head axis, as a fraction of the canvas: a trunk seen along its axis still has some size."""
_EPSILON: Final = 1e-6


def draw_frames(at: Tensor, confidence: Tensor, depth: Tensor, grid: Tensor) -> Tensor:
    """Five maps of the trunk and five of the head.

    at: [N,K,2], depth: [N,K], both as a fraction of the canvas; confidence: [N,K]; grid: [S], the cell centers.

    Returns [N,10,S,S], for trunk and head: a soft mask in [0,1], then the mask times the coordinates across and along the axis
    (about [-1,1]), and times two values in [-1,1] of the facing direction: for the trunk its apparent width and the shoulders'
    difference in depth; for the head the nose's offset from the ears, across and along. All zero where keypoints are missing.
    """
    return torch.cat([_trunk(at, confidence, depth, grid), _head(at, confidence, grid)], dim=1)


def _trunk(at: Tensor, confidence: Tensor, depth: Tensor, grid: Tensor) -> Tensor:
    right, left = (at[:, [shoulder, hip]].mean(dim=1) for shoulder, hip in zip(_SHOULDERS, _HIPS, strict=True))
    top, bottom = at[:, _SHOULDERS].mean(dim=1), at[:, _HIPS].mean(dim=1)
    size, across, along = _coordinates((top + bottom) / 2, bottom - top, grid)
    perpendicular = _perpendicular(bottom - top)
    facing = ((left - right) * perpendicular).sum(dim=1) / (0.7 * size)
    twist = (depth[:, _SHOULDERS[1]] - depth[:, _SHOULDERS[0]]) / (0.7 * size)
    mask = _plateau(across / 0.5, along / 0.75)
    present = confidence[:, [*_SHOULDERS, *_HIPS]].amin(dim=1)
    return _maps(mask, 2 * across, 2 * along, facing, twist, present)


def _head(at: Tensor, confidence: Tensor, grid: Tensor) -> Tensor:
    weight = confidence[:, HEAD_KEYPOINTS, None]
    center = (at[:, HEAD_KEYPOINTS] * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1e-6)
    axis = at[:, _NECK] - center
    size, across, along = _coordinates(center, axis, grid)
    off = (at[:, _NOSE] - at[:, _EARS].mean(dim=1)) * confidence[:, [_NOSE, *_EARS]].amin(dim=1, keepdim=True)
    sideways = (off * _perpendicular(axis)).sum(dim=1) / (0.5 * size)
    nod = (off * _unit(axis)).sum(dim=1) / (0.5 * size)
    mask = _plateau(across / 0.75, along / 0.9)
    present = torch.minimum(confidence[:, _NECK], confidence[:, HEAD_KEYPOINTS].amax(dim=1))
    return _maps(mask, 1.5 * across, 1.5 * along, sideways, nod, present)


def _plateau(x: Tensor, y: Tensor) -> Tensor:
    """exp(-x^4 - y^4): 1 around the middle. Far away it is not quite 0: processors are slow with the tiniest numbers."""
    return torch.exp((-x.square().square() - y.square().square()).clamp_min(_LEAST_EXPONENT))


def _coordinates(center: Tensor, axis: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Length [N] of the axis [N,2], and coordinates [N,S,S] across and along it from `center` [N,2] in units of that length."""
    size, unit = axis.norm(dim=1).clamp_min(_MIN_LENGTH), _unit(axis)
    dx, dy = grid - center[:, :1], grid - center[:, 1:]
    x, y = dx[:, None, :], dy[:, :, None]
    ux, uy = unit[:, 0, None, None], unit[:, 1, None, None]
    return size, (x * uy - y * ux) / size[:, None, None], (x * ux + y * uy) / size[:, None, None]


def _perpendicular(axis: Tensor) -> Tensor:
    """Unit vectors [N,2] across an axis [N,2], in the positive direction of `_coordinates`."""
    unit = _unit(axis)
    return torch.stack([unit[:, 1], -unit[:, 0]], dim=1)


def _unit(axis: Tensor) -> Tensor:
    """Unit vectors [N,2]; downwards where an axis has no length."""
    length = axis.norm(dim=1, keepdim=True)
    return torch.where(length > _EPSILON, axis / length.clamp_min(_EPSILON), axis.new_tensor([0.0, 1.0]))


def _maps(mask: Tensor, across: Tensor, along: Tensor, first: Tensor, second: Tensor, present: Tensor) -> Tensor:
    """The five maps [N,5,S,S] of trunk or head."""
    mask = mask * present[:, None, None]
    coordinates = [mask * across.clamp(-2.0, 2.0), mask * along.clamp(-2.0, 2.0)]
    directions = [mask * number.clamp(-1.0, 1.0)[:, None, None] for number in (first, second)]
    return torch.stack([mask, *coordinates, *directions], dim=1)
