"""The affine map of each body part from a wanted pose to a reference frame.

Limbs are turned and scaled, along them by their lengths and across by the size of the body; the trunk is an affine fit to
shoulders and hips that stays near a similarity; the head is turned and scaled as a whole, almost by the face alone: the neck
of somebody who leans towards the camera is near the face in the image, and would make the head too small.
"""

from typing import Final

import torch
from torch import Tensor

from dancenow.generators.references.body_parts import HEAD, HIPS, SHOULDERS, TRUNK, BodyParts
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX

_TRUNK_POINTS: Final = [INDEX[name] for name in (*SHOULDERS, *HIPS)]
_HEAD_AND_NECK: Final = [*HEAD_KEYPOINTS, INDEX["neck"]]
_NECK_WEIGHT: Final = 0.15
"""Of the neck among the keypoints of the head; without it, heads in profile had no sure size."""
_RIDGE: Final = 0.15
"""How strongly the fit of the trunk is pulled to a similarity."""
_MAX_STRETCH: Final = 2.5


def part_transforms(wanted: BodyParts, reference: BodyParts, choice: Tensor) -> Tensor:
    """The maps px of the wanted pose -> px of the reference.

    Args:
        wanted: N poses. reference: M poses. choice: int [N,C,P], for each part which of the M poses, C times.

    Returns:
        float [N,C,P,2,3].
    """
    count, copies, parts = choice.shape
    part = torch.arange(parts, device=choice.device)
    ratio = reference.size[choice] / wanted.size[:, None, None]
    start, end = wanted.start[:, None], wanted.end[:, None]
    maps = _limb_maps(start, end, reference.start[choice, part], reference.end[choice, part], ratio)
    for index, points in ((TRUNK, _TRUNK_POINTS), (HEAD, _HEAD_AND_NECK)):
        chosen = choice[..., index].reshape(-1)
        own = [each[:, None].expand(-1, copies, *[-1] * (each.dim() - 1)) for each in (wanted.xy, wanted.confidence)]
        xy, confidence = (each.reshape(count * copies, *each.shape[2:])[:, points] for each in own)
        other_xy, other_confidence = (each[chosen][:, points] for each in (reference.xy, reference.confidence))
        weight = confidence * other_confidence + 1e-4
        if index == HEAD:
            weight = torch.cat([weight[:, :-1], _NECK_WEIGHT * weight[:, -1:]], dim=1)
        fitted = _fit(xy, other_xy, weight, ridge=_RIDGE if index == TRUNK else None)
        maps[:, :, index] = fitted.reshape(count, copies, 2, 3)
    return maps


def _limb_maps(start: Tensor, end: Tensor, to_start: Tensor, to_end: Tensor, ratio: Tensor) -> Tensor:
    """[...,2,3] from one segment to another, `ratio` times as wide."""
    axis, to_axis = end - start, to_end - to_start
    length, to_length = axis.norm(dim=-1).clamp_min(1.0), to_axis.norm(dim=-1).clamp_min(1.0)
    unit, to_unit = axis / length[..., None], to_axis / to_length[..., None]
    along = (to_length / length).clamp(ratio / _MAX_STRETCH, ratio * _MAX_STRETCH)
    across, to_across = (torch.stack([-each[..., 1], each[..., 0]], dim=-1) for each in (unit, to_unit))
    linear = along[..., None, None] * to_unit[..., :, None] * unit[..., None, :]
    linear = linear + ratio[..., None, None] * to_across[..., :, None] * across[..., None, :]
    return torch.cat([linear, to_start[..., None] - linear @ start[..., None]], dim=-1)


def _fit(points: Tensor, to_points: Tensor, weight: Tensor, ridge: float | None) -> Tensor:
    """The similarity, or with a ridge the affine map near it, that takes points [n,Q,2] best to others: [n,2,3]."""
    weight = (weight / weight.sum(dim=1, keepdim=True))[..., None]
    middle, to_middle = (points * weight).sum(dim=1), (to_points * weight).sum(dim=1)
    own, other = points - middle[:, None], to_points - to_middle[:, None]
    spread = (own.square() * weight).sum(dim=(1, 2)).clamp_min(1e-3)
    cos = (own * other * weight).sum(dim=(1, 2)) / spread
    sin = ((own[..., 0] * other[..., 1] - own[..., 1] * other[..., 0]) * weight[..., 0]).sum(dim=1) / spread
    linear = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)
    if ridge is not None:
        pull = (ridge * spread)[:, None, None] * torch.eye(2, device=points.device)
        weighted = own * weight
        moments = own.transpose(1, 2) @ weighted + pull
        linear = (other.transpose(1, 2) @ weighted + linear @ pull) @ _inverse(moments)
    return torch.cat([linear, to_middle[..., None] - linear @ middle[..., None]], dim=-1)


def _inverse(matrix: Tensor) -> Tensor:
    """The inverse of matrices [n,2,2]; written out, as ONNX has none."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
    adjugate = torch.stack([torch.stack([d, -b], dim=-1), torch.stack([-c, a], dim=-1)], dim=-2)
    return adjugate / (a * d - b * c)[:, None, None]
