"""How well a part of one pose can be shown by the same part of another: facing, foreshortening, bend of the joints.

Turns in the image plane cost little, because a warp undoes them; a part seen from another side cannot be warped.
"""

from typing import Final

import torch
from torch import Tensor

from dancenow.generators.references.body_parts import HEAD, NUM_PARTS, PARTS, TRUNK, USUAL_LENGTHS, BodyParts, side_and_limb
from dancenow.skeleton import INDEX

_TURN_WEIGHT: Final = 0.25
"""Of the direction in the image: light comes from above, and gravity pulls clothes down."""
_DEPTH_WEIGHT: Final = 0.8
_LENGTH_WEIGHT: Final = 1.0
_BEND_WEIGHT: Final = 0.4
_FACING_WEIGHT: Final = 0.8
_HEAD_WEIGHT: Final = 5.3
"""Of where the head looks."""
_BODY_WEIGHT: Final = 0.14
"""Of what else is known about the head, above all how the body under it stands: a face looks alike on any body."""
_EARS_OF_SHOULDERS: Final = 0.4
"""Distance of the ears in widths of the shoulders."""
_HAND_WEIGHT: Final = 8.0
_BENDS_WITH: Final = {
    "upper_arm": "forearm", "forearm": "upper_arm", "hand": "forearm", "thigh": "shin", "shin": "thigh", "foot": "shin",
    "trunk": "head", "head": "trunk",
}  # fmt: skip
_NEXT: Final = [
    PARTS.index(f"{side}_{_BENDS_WITH[limb]}" if side else _BENDS_WITH[limb]) for side, limb in map(side_and_limb, PARTS)
]
"""The part at whose joint a bend changes the appearance of each part."""


def part_features(parts: BodyParts) -> Tensor:
    """What decides how parts look, [N,P,F]; squared distances of two poses are about 0 to 4, of heads to 25."""
    size = parts.size[:, None]
    axis = (parts.end - parts.start) / size[..., None]
    usual = axis.new_tensor(USUAL_LENGTHS)
    length = axis.norm(dim=2)
    unit = axis / length.clamp_min(1e-3)[..., None]
    depth = (parts.depth[..., 1] - parts.depth[..., 0]) / (size * usual)
    other = unit[:, _NEXT]
    cos = (unit * other).sum(dim=2)
    sin = unit[..., 0] * other[..., 1] - unit[..., 1] * other[..., 0]
    facing = _facing(parts)[:, None].expand(-1, NUM_PARTS, -1).clone()
    facing[:, TRUNK] *= 1.5
    own = torch.zeros(len(length), NUM_PARTS, 4, device=length.device)
    own[:, HEAD] = _HEAD_WEIGHT * _head_facing(parts)
    for side in ("right", "left"):
        own[:, PARTS.index(f"{side}_hand"), :2] = _HAND_WEIGHT * _hand_facing(parts, side)
    weight = torch.ones(NUM_PARTS, 1, device=length.device)
    weight[HEAD] = _BODY_WEIGHT
    common = torch.cat(
        [
            _TURN_WEIGHT * unit,
            _DEPTH_WEIGHT * depth.clamp(-1.5, 1.5)[..., None],
            _LENGTH_WEIGHT * (length / usual).clamp(max=1.5)[..., None],
            _BEND_WEIGHT * torch.stack([cos, sin], dim=2),
            _FACING_WEIGHT * facing,
        ],
        dim=2,
    )
    return torch.cat([weight * common, own], dim=2)


def part_distances(features: Tensor, reference_features: Tensor) -> Tensor:
    """Squared distances [N,P,M] of the features of N poses to those of M references."""
    return torch.cdist(features.transpose(0, 1), reference_features.transpose(0, 1)).square().permute(1, 0, 2)


def _facing(parts: BodyParts) -> Tensor:
    """Where the trunk faces, [N,2]: the width of the shoulders, negative from behind, and their difference in depth."""
    right, left = INDEX["right_shoulder"], INDEX["left_shoulder"]
    across = _across(parts.end[:, TRUNK] - parts.start[:, TRUNK])
    width = ((parts.xy[:, left] - parts.xy[:, right]) * across).sum(dim=1) / parts.size
    twist = (parts.point_depth[:, left] - parts.point_depth[:, right]) / parts.size
    return torch.stack([width, twist], dim=1).clamp(-1.5, 1.5)


def _head_facing(parts: BodyParts) -> Tensor:
    """Where the head faces, [N,4]: the distance of the ears across it and along, and the nose's offset from them across and
    along. If an ear or the nose is unknown it faces where the trunk does."""
    right, left, nose = (parts.xy[:, INDEX[name]] for name in ("right_ear", "left_ear", "nose"))
    axis = parts.start[:, HEAD] - parts.end[:, HEAD]
    across, along = _across(axis), axis / axis.norm(dim=1, keepdim=True).clamp_min(1e-3)
    off = nose - (right + left) / 2
    known = parts.confidence[:, [INDEX[name] for name in ("right_ear", "left_ear", "nose")]].amin(dim=1) > 0
    values = torch.stack([(each * unit).sum(dim=1) for each in (left - right, off) for unit in (across, along)], dim=1)
    width = _EARS_OF_SHOULDERS * _facing(parts)[:, :1]
    as_trunk = torch.cat([width, width.new_zeros(len(width), 3)], dim=1)
    return torch.where(known[:, None], values / parts.size[:, None], as_trunk).clamp(-1.0, 1.0)


def _hand_facing(parts: BodyParts, side: str) -> Tensor:
    """Where a palm faces, [N,2]: the distance across the hand from index finger to little finger and to thumb."""
    hand = PARTS.index(f"{side}_hand")
    across = _across(parts.end[:, hand] - parts.start[:, hand])
    index, *others = (INDEX[f"{side}_{finger}"] for finger in ("index", "pinky", "thumb"))
    known = parts.confidence[:, [index, *others]].amin(dim=1) > 0
    off = torch.stack([((parts.xy[:, finger] - parts.xy[:, index]) * across).sum(dim=1) for finger in others], dim=1)
    return torch.where(known[:, None], off / parts.size[:, None], 0.0).clamp(-0.2, 0.2)


def _across(axis: Tensor) -> Tensor:
    """Unit vectors [N,2] across a downward axis, to the right in the image."""
    unit = axis / axis.norm(dim=1, keepdim=True).clamp_min(1e-3)
    return torch.stack([unit[:, 1], -unit[:, 0]], dim=1)
