"""What the pretrained generator knows about shapes is kept in poses that the footage does not show.

Footage shows a person in few poses. A generator that learns from it alone forgets others within a hundred steps: a raised foot
fades, a shin ends as a stump. So in every step it also has to show somebody in another such pose where the pretrained one does
(learning without forgetting, Li and Hoiem, 2016). Where exactly edges are, and which shape head and trunk have with hair and
clothes, the footage tells better.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dancenow.generators.crop.near_person import near_person
from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.generators.references.body_parts import HEAD, TRUNK, BodyParts
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.picture_warper import PictureWarper
from dancenow.generators.references.reference_choice import choose_nearest
from dancenow.generators.references.unseen_poses import UnseenPoses
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.types import Pose

_ZOOM: Final = 0.1
"""Half-range of the logarithm of a random zoom about the middle of the canvas."""
_REACH_PX: Final = 4
"""Around what the pretrained generator shows, of a canvas of 256 px, alpha counts most."""
_ELSEWHERE: Final = 0.15
"""How much it counts elsewhere."""
_SURE: Final = 0.9
"""Alpha from which the pretrained generator is sure that there is somebody, or below the rest of 1 that there is nobody."""
_AROUND: Final = 1.5
"""Of the radius of trunk and head: so far there may be clothes and hair."""
_STRAY: Final = 0.1
"""Fraction of what the pretrained generator shows that may lie far from the pose. If more does, it knows nobody like this
person, for example because only their upper half fills the canvas, and paints the background.
"""
_LEAST: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """teacher: the pretrained generator, which is not trained. warper: of the person's pictures. poses: in px of the canvas."""

    teacher: ReferenceGenerator
    warper: PictureWarper
    poses: UnseenPoses

    def term(self, generator: ReferenceGenerator, count: int, rng: np.random.Generator) -> Tensor:
        """The cross-entropy of the alpha of `count` unseen poses with the teacher's where that is sure, a scalar."""
        device = next(generator.parameters()).device
        pose = self._placed(self.poses.draw(count, rng), rng)
        on_canvas = [torch.from_numpy(each).to(device) for each in (pose.xy, pose.confidence, pose.depth)]
        with torch.no_grad():
            with torch.autocast(device.type, enabled=False):
                inputs, limbs = self._inputs(*on_canvas, rng=rng), self._beside_trunk_and_head(*on_canvas)
            wanted = self.teacher.plan(inputs).rgba[:, 3:]
            limbs = limbs * _knows_person(wanted, inputs)
        alpha = generator.plan(inputs).rgba[:, 3:].clamp(_LEAST, 1 - _LEAST)
        reach_px = _REACH_PX * generator.config.canvas_px // 256
        weight = (_ELSEWHERE + F.max_pool2d(wanted, 2 * reach_px + 1, 1, reach_px)) * limbs
        weight = weight * ((wanted > _SURE) | (wanted < 1 - _SURE))
        with torch.autocast(device.type, enabled=False):
            return F.binary_cross_entropy(alpha, wanted.round(), weight=weight)

    def _placed(self, pose: Pose, rng: np.random.Generator) -> Pose:
        zoom = np.exp(rng.uniform(-_ZOOM, _ZOOM, (len(pose), 1))).astype(np.float32)
        middle = np.float32((self.teacher.config.canvas_px - 1) / 2)
        return Pose((pose.xy - middle) * zoom[..., None] + middle, pose.confidence, pose.depth * zoom)

    def _inputs(self, xy: Tensor, confidence: Tensor, depth: Tensor, *, rng: np.random.Generator) -> Tensor:
        """Pose maps and warped pictures of poses on the canvas, as in training."""
        canvas_px = self.teacher.config.canvas_px
        distances = self.warper.pictures.distances(xy, confidence, depth)
        choice = choose_nearest(distances, self.teacher.slots, rng)
        maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
        return torch.cat([maps, self.warper.warp(xy, confidence, depth, choice, distances)], dim=1)

    def _beside_trunk_and_head(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """Where neither trunk nor head is, nor clothes and hair around them: [N,1,S,S] in [0,1]."""
        side = self.teacher.config.canvas_px // POSE_STRIDE
        axis = (torch.arange(side, device=xy.device) + 0.5) * POSE_STRIDE - 0.5
        at = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
        parts = BodyParts.of(xy, confidence, depth)
        wide = replace(parts, radius=parts.radius * _AROUND)
        there = wide.occupancy(at)[:, [TRUNK, HEAD]].amax(dim=1).reshape(-1, 1, side, side)
        return F.interpolate(1 - there, scale_factor=POSE_STRIDE, mode="bilinear", align_corners=False)


def _knows_person(alpha: Tensor, inputs: Tensor) -> Tensor:
    """Whether what a generator shows, [N,1,S,S], is near the pose of its inputs [N,C,S/4,S/4]: [N,1,1,1], 1 or 0."""
    far = ~near_person(torch.zeros_like(alpha), inputs)
    return ((alpha * far).sum(dim=(1, 2, 3), keepdim=True) <= _STRAY * alpha.sum(dim=(1, 2, 3), keepdim=True)).float()
