"""Body parts as soft regions of an image: capsules around limbs, a wide one for the trunk, one for the head.

Regions come from keypoints alone. Where they overlap, the part that is nearer to the camera by the keypoints' depth wins, so
the same regions tell which part of a footage frame is hidden behind another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import torch
from torch import Tensor

from dancenow.skeleton import HEAD_POINTS, INDEX
from dancenow.types import Pose

_LIMBS: Final = (
    ("upper_arm", "shoulder", "elbow", 0.10, 0.6),
    ("forearm", "elbow", "wrist", 0.085, 0.5),
    ("hand", "wrist", "hand", 0.08, 0.35),
    ("thigh", "hip", "knee", 0.15, 0.85),
    ("shin", "knee", "ankle", 0.10, 0.85),
    ("foot", "heel", "toe", 0.09, 0.4),
)
"""Name, its two ends, radius and usual length, both in units of the body size."""
PARTS: Final = (*(f"{side}_{limb[0]}" for side in ("right", "left") for limb in _LIMBS), "trunk", "head")
NUM_PARTS: Final = len(PARTS)
TRUNK, HEAD = PARTS.index("trunk"), PARTS.index("head")
_JOINTS: Final = (
    ("hand", "forearm"), ("forearm", "upper_arm"), ("upper_arm", "trunk"), ("foot", "shin"), ("shin", "thigh"),
    ("thigh", "trunk"), ("head", "trunk"),
)  # fmt: skip
"""Parts that touch, on either side."""
USUAL_LENGTHS: Final = (*(limb[4] for _ in range(2) for limb in _LIMBS), 1.0, 0.4)
"""Of `PARTS`, in units of the body size, as are their radii."""
_RADII: Final = (*(limb[3] for _ in range(2) for limb in _LIMBS), 0.2, 0.2)
_SOFTNESS: Final = 0.05
"""How far the score of a part reaches beyond its radius, in units of the body size."""
_FAR: Final = 8.0
"""Softnesses beyond a part's radius that count as that many: exponentials that underflow are slow."""
_FRONT_GAIN: Final = 4.0
"""Score of a part per body size that it is nearer to the camera."""
_TRUNK_BIAS: Final = -0.5
"""A limb at the depth of the trunk is in front of it: nothing can be inside."""
_ARM_BIAS: Final = 1.0
"""Of arms that are not clearly behind the hips of a person who faces the camera: depth is measured roughly, and arms are seldom
behind legs or trunk there."""
_FACING_WIDTH: Final = 0.3
"""Width of the shoulders, in units of the body size, from which a person faces the camera fully."""
SHOULDERS: Final = ("right_shoulder", "left_shoulder")
HIPS: Final = ("right_hip", "left_hip")
_STEEPNESS: Final = 2.0
"""How quickly the weight of a part grows with its score."""
_HAND_FRACTION: Final = 0.4
"""Length of a hand without keypoints, in forearms."""
_MIN_SIZE_PX: Final = 4.0
_ABSENT: Final = -1e4
_IS_ARM: Final = [part.endswith(("arm", "hand")) for part in PARTS]


@dataclass(frozen=True, eq=False)
class BodyParts:
    """The P parts of N poses, in px of one image each.

    start, end: [N,P,2] of each part's axis; depth: [N,P,2] px at both; radius: [N,P] px; present: [N,P], confidence in [0,1].
    size: [N] px, about the distance from shoulder to hip, whatever the pose. faces_camera: [N] in [0,1]. xy: [N,K,2],
    confidence, point_depth: [N,K], the keypoints themselves.
    """

    start: Tensor
    end: Tensor
    depth: Tensor
    radius: Tensor
    present: Tensor
    size: Tensor
    faces_camera: Tensor
    xy: Tensor
    confidence: Tensor
    point_depth: Tensor

    @classmethod
    def of(cls, xy: Tensor, confidence: Tensor, depth: Tensor) -> Self:
        """From keypoints [N,K,2], their confidence and depth [N,K]."""
        points = torch.cat([xy, depth[..., None]], dim=2).float()
        confidence = confidence.float()
        axes: list[tuple[Tensor, Tensor, Tensor]] = []
        for side in ("right", "left"):
            for limb, first, last, _, _ in _LIMBS:
                axes.append(_hand(points, confidence, side) if limb == "hand" else _limb(points, confidence, side, first, last))
        axes += [_axis(points, confidence, SHOULDERS, HIPS), _head(points, confidence)]
        start, end, present = (torch.stack(each, dim=1) for each in zip(*axes, strict=True))
        length = (end - start).norm(dim=2)
        weight = present * present.new_tensor([0.0 if part.endswith(("hand", "foot", "head")) else 1.0 for part in PARTS])
        usual = length.new_tensor(USUAL_LENGTHS)
        size = (length * weight).sum(dim=1) / (usual * weight).sum(dim=1).clamp_min(1e-3)
        size = size.clamp_min(_MIN_SIZE_PX)
        radius = length.new_tensor(_RADII) * size[:, None]
        width = sum((points[:, INDEX[a], :2] - points[:, INDEX[b], :2]).norm(dim=1) for a, b in (SHOULDERS, HIPS))
        radius[:, TRUNK] = torch.maximum(radius[:, TRUNK], 0.25 * width)
        return cls(
            start[..., :2], end[..., :2], torch.stack([start[..., 2], end[..., 2]], dim=2), radius, present, size,
            _faces_camera(points, end[:, TRUNK, :2] - start[:, TRUNK, :2], size), points[..., :2], confidence, points[..., 2],
        )  # fmt: skip

    @classmethod
    def of_pose(cls, pose: Pose, device: torch.device | None = None) -> Self:
        """From poses [N,K]."""
        xy, confidence, depth = (torch.from_numpy(a).to(device) for a in (pose.xy, pose.confidence, pose.depth))
        return cls.of(xy, confidence, depth)

    def __getitem__(self, pose: int) -> Self:
        """The parts of one pose, N = 1."""
        return type(self)(**{name: value[pose : pose + 1] for name, value in vars(self).items()})

    def bounds(self, softness: float) -> tuple[Tensor, Tensor]:
        """The least and the largest coordinates [2] of points of any pose that are within `softness` widths of an edge of a
        present part."""
        low, high = self.reach(softness)
        shown = (self.present > 0)[..., None]
        return torch.where(shown, low, torch.inf).amin(dim=(0, 1)), torch.where(shown, high, -torch.inf).amax(dim=(0, 1))

    def reach(self, softness: float) -> tuple[Tensor, Tensor]:
        """The same for each part: [N,P,2]."""
        reach = (self.radius + softness * _SOFTNESS * self.size[:, None])[..., None]
        return torch.minimum(self.start, self.end) - reach, torch.maximum(self.start, self.end) + reach

    def scores(self, at: Tensor) -> Tensor:
        """How much points [Q,2] belong to each part, and how near to the camera it is there: [N,P,Q], 0 on a part at the depth
        of the hips, less elsewhere; arms before a person who faces the camera have more, the trunk less."""
        everywhere = (torch.arange(len(self.size), device=at.device)[:, None], torch.arange(NUM_PARTS, device=at.device)[None])
        return self.scores_of(at, *everywhere)

    def scores_of(self, at: Tensor, body: Tensor, part: Tensor) -> Tensor:
        """The scores of some parts: `part` [n,J] of the pose `body` [n,1] at points [Q,2] or [n,1,Q,2]. Returns [n,J,Q]."""
        body, part = torch.broadcast_tensors(body, part)
        start, end, radius = self.start[body, part], self.end[body, part], self.radius[body, part]
        axis = (end - start)[..., None, :]
        # Written out: sums over two coordinates are slow as reductions.
        (x, y), (off_x, off_y) = axis.unbind(-1), (at - start[..., None, :]).unbind(-1)
        along = ((off_x * x + off_y * y) / (x.square() + y.square()).clamp_min(1e-3)).clamp(0.0, 1.0)
        distance = ((off_x - along * x).square() + (off_y - along * y).square()).sqrt()
        size = self.size[body][..., None]
        depth = self.depth[body, part] / size
        nearness = -_FRONT_GAIN * torch.lerp(depth[..., :1], depth[..., 1:], along)
        beyond = (torch.relu(distance - radius[..., None]) / (_SOFTNESS * size)).clamp(max=_FAR)
        arms_first = torch.tensor(_IS_ARM, device=at.device)[part] * _ARM_BIAS * self.faces_camera[body]
        nearness = nearness + arms_first[..., None] * (1 + nearness).clamp(0.0, 1.0)
        bias = torch.where(part == TRUNK, _TRUNK_BIAS, 0.0) + torch.where(self.present[body, part] > 0, 0.0, _ABSENT)
        # Who is in front matters on a part; beside it, what is there belongs to the others.
        return -0.5 * beyond.square() + nearness * torch.exp(-beyond.square()) + bias[..., None]

    def occupancy(self, at: Tensor) -> Tensor:
        """How much points [Q,2] lie on each part, whatever hides it: [N,P,Q] in [0,1]."""
        flat = replace(self, depth=torch.zeros_like(self.depth), faces_camera=torch.zeros_like(self.faces_camera))
        bias = torch.zeros(NUM_PARTS, 1, device=at.device)
        bias[TRUNK] = _TRUNK_BIAS
        return torch.exp((flat.scores(at) - bias).clamp(max=0.0))


def are_joined(one: str, other: str) -> bool:
    """Whether two parts are the same or touch at a joint, so that one behind the other is usual."""
    (side, limb), (other_side, other_limb) = side_and_limb(one), side_and_limb(other)
    if side and other_side and side != other_side:
        return False
    return one == other or (limb, other_limb) in _JOINTS or (other_limb, limb) in _JOINTS


def side_and_limb(part: str) -> tuple[str, str]:
    """`right_upper_arm` is ("right", "upper_arm"); trunk and head have no side: ("", "trunk")."""
    side, _, limb = part.partition("_")
    return (side, limb) if limb else ("", part)


def part_weights(scores: Tensor) -> Tensor:
    """Scores [N,P,Q] to weights of the parts, which sum to 1 over P."""
    return (_STEEPNESS * scores).softmax(dim=1)


def part_odds(scores: Tensor) -> Tensor:
    """What the weights of the parts are in proportion to."""
    return (_STEEPNESS * scores).exp()


def _faces_camera(points: Tensor, trunk: Tensor, size: Tensor) -> Tensor:
    """How much people face the camera, [N] in [0,1]: 0 from behind and from the side. trunk: [N,2] from shoulders to hips."""
    across = points[:, INDEX["left_shoulder"], :2] - points[:, INDEX["right_shoulder"], :2]
    # Across the trunk, to the right in the image.
    width = (across[:, 0] * trunk[:, 1] - across[:, 1] * trunk[:, 0]) / trunk.norm(dim=1).clamp_min(1e-3)
    facing: Tensor = (width / (_FACING_WIDTH * size)).clamp(0.0, 1.0)
    return facing


def _mean_point(points: Tensor, confidence: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The mean [N,3] of the present ones of some keypoints, and whether there is any: [N] in [0,1]."""
    index = [INDEX[name] for name in names]
    weight = (confidence[:, index] > 0).float()
    total = weight.sum(dim=1)
    mean = (points[:, index] * weight[..., None]).sum(dim=1) / total.clamp_min(1e-6)[:, None]
    return mean, confidence[:, index].amax(dim=1)


def _axis(points: Tensor, confidence: Tensor, first: Sequence[str], last: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    (start, has_start), (end, has_end) = _mean_point(points, confidence, first), _mean_point(points, confidence, last)
    return start, end, torch.minimum(has_start, has_end)


def _limb(points: Tensor, confidence: Tensor, side: str, first: str, last: str) -> tuple[Tensor, Tensor, Tensor]:
    return _axis(points, confidence, (f"{side}_{first}",), (f"{side}_{last}",))


def _hand(points: Tensor, confidence: Tensor, side: str) -> tuple[Tensor, Tensor, Tensor]:
    """From the wrist to the knuckles; where those are unknown, in the direction of the forearm."""
    elbow, wrist, forearm = _limb(points, confidence, side, "elbow", "wrist")
    knuckles, known = _mean_point(points, confidence, (f"{side}_index", f"{side}_pinky"))
    # The fingers reach beyond the knuckles.
    end = torch.where((known > 0)[:, None], wrist + 1.6 * (knuckles - wrist), wrist + _HAND_FRACTION * (wrist - elbow))
    return wrist, end, forearm


def _head(points: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From the middle of the face towards the crown."""
    face, present = _mean_point(points, confidence, HEAD_POINTS)
    neck, has_neck = _mean_point(points, confidence, ("neck",))
    return face, face + 0.3 * (face - neck), torch.minimum(present, has_neck)
