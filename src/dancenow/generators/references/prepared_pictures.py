"""The pictures of a person, prepared for warping: enlarged once, with premultiplied colors, and where they show which part."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.references.body_parts import NUM_PARTS, PARTS, BodyParts, are_joined, part_weights
from dancenow.generators.references.cut_out_edges import SOLID_ALPHA, with_inner_colors, without_edge
from dancenow.generators.references.part_matching import part_distances, part_features
from dancenow.generators.references.reference_choice import ReferenceChoice
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.types import Pose

FINE_PER_CANVAS_PX: Final = 2
"""Px that are looked up per canvas px, along either axis."""
_LOOKUP_PX: Final = float(FINE_PER_CANVAS_PX)
"""Px of the pictures in memory per canvas px; those that are kept smaller are enlarged once, by a sharp kernel."""
VISIBILITY_CELLS: Final = 96
REACH: Final = -24.0
"""Points where every part scores less show nothing of the person."""
NEGLIGIBLE: Final = 0.004
"""Weight below which a part of a picture is not looked up: less than a level of gray."""
_LOST_PX2: Final = 2 / 6
"""Variance of the mean blur of two bilinear look-ups, when pictures are warped and when their px are moved: 1/6 px² each."""
_EDGE_PX: Final = 1.0
"""Width of the edge of a matte that is not copied, in px of the canvas."""
_SPREAD_PX: Final = 1.5
"""Width of the edge whose colors come from further inside, in px of the canvas."""
_HIDDEN_COST: Final = 1.5
"""Distance that a part adds that is hidden in a reference."""
_CLUTTER_COST: Final = 1.0
"""Distance that a part adds that lies before others: they would be copied with it."""
_TRUST_SCALE: Final = 1.2
"""Distance at which a copied part counts 1/e."""


class PreparedPictures:
    """M pictures of h x w px on a device.

    premultiplied: uint8 [M,h,w,4], without the edge of the person, where they are mixed with the background. outlined: the same
    with the edge, in colors from further inside. parts: of their M poses. shown: float32 [M,P,V,V], where each part is seen.
    time_s: [M]. whole_head: bool [M].
    """

    def __init__(self, references: ReferenceSet, device: torch.device) -> None:
        px = references.px_per_canvas_px
        rgba, pose = _for_lookup(references, [without_edge(each, _EDGE_PX * px) for each in references.rgba])
        outlined, _ = _for_lookup(references, [with_inner_colors(each, _SPREAD_PX * px) for each in references.rgba])
        self.premultiplied, self.outlined = (
            np.stack([_premultiply(picture) for picture in version]) for version in (rgba, outlined)
        )
        self.height, self.width = rgba.shape[1:3]
        alpha = rgba[..., 3:].astype(np.float32) / 255
        self.time_s = torch.from_numpy(references.time_s).to(device)
        self.whole_head = references.whole_head
        self.parts = BodyParts.of_pose(pose, device)
        self._features = part_features(self.parts)
        self.shown, self._hidden_cost = self._visibility(torch.from_numpy(alpha[..., 0]).to(device))

    def _visibility(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Where each part is seen in each picture, [M,P,V,V], and what hiding and clutter cost, [P,M]."""
        cells, count = VISIBILITY_CELLS, len(alpha)
        x, y = ((torch.arange(cells, device=alpha.device) + 0.5) * side / cells - 0.5 for side in (self.width, self.height))
        at = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        seen = part_weights(self.parts.scores(at)).reshape(count, NUM_PARTS, cells, cells)
        there = F.adaptive_avg_pool2d(alpha[:, None], cells)
        area = self.parts.occupancy(at).reshape(count, NUM_PARTS, cells, cells)
        fraction = (area * seen * there).sum(dim=(2, 3)) / area.sum(dim=(2, 3)).clamp_min(1e-3)
        fraction = fraction / fraction.amax(dim=0).clamp_min(1e-3)
        apart = torch.tensor([[float(not are_joined(one, other)) for other in PARTS] for one in PARTS], device=alpha.device)
        behind = torch.einsum("mpyx,mqyx,pq->mp", area, area, apart) / area.sum(dim=(2, 3)).clamp_min(1e-3)
        cost = _HIDDEN_COST * (1 - fraction) + _CLUTTER_COST * behind + torch.where(self.parts.present > 0, 0.0, 100.0)
        return seen, cost.T.contiguous()

    def distances(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """How badly each picture shows each part of N poses, [N,P,M]: 0 is best, 1 is doubtful."""
        features = part_features(BodyParts.of(xy, confidence, depth))
        return part_distances(features, self._features) + self._hidden_cost

    def trust(self, choice: ReferenceChoice, distances: Tensor) -> Tensor:
        """How much each chosen picture counts for each part by the distances [N,P,M]: [N,C B,P]."""
        return (choice.weight * torch.exp(-_of_choice(distances, choice.picture) / _TRUST_SCALE)).flatten(1, 2)


def _of_choice(distances: Tensor, choice: Tensor) -> Tensor:
    """The distances [N,C,B,P] of chosen pictures [N,C,B,P] among those of all M, [N,P,M]."""
    count, slots, blended, parts = choice.shape
    pictures = choice.reshape(count, slots * blended, parts).transpose(1, 2)
    return distances.gather(2, pictures).transpose(1, 2).reshape(choice.shape)


def _premultiply(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture [h,w,4], sharpened, with colors multiplied by alpha."""
    color = _sharpen(rgba) * (rgba[..., 3:].astype(np.float32) / 255)
    return np.concatenate([np.rint(color).astype(np.uint8), rgba[..., 3:]], axis=2)


def _sharpen(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The colors [h,w,3] of a picture, sharper by what interpolation is going to blur them; not where the person is
    transparent, or what is behind would shine through more."""
    kernel = np.array([-_LOST_PX2 / 2, 1 + _LOST_PX2, -_LOST_PX2 / 2], np.float32)
    color = np.asarray(rgba[..., :3], np.float32)
    sharp = cv2.sepFilter2D(color, -1, kernel, kernel).clip(0, 255)
    return np.where(rgba[..., 3:] > SOLID_ALPHA, sharp, color).astype(np.float32)


def _for_lookup(references: ReferenceSet, pictures: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], Pose]:
    """Versions of all pictures at about `_LOOKUP_PX`, and the poses in them."""
    ratio = _LOOKUP_PX / references.px_per_canvas_px
    if ratio < 1.25:
        return np.stack(pictures), references.pose
    height, width = references.rgba.shape[1:3]
    size = (round(width * ratio), round(height * ratio))
    larger = np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in pictures])
    scale = np.array([size[0] / width, size[1] / height], np.float32)
    xy = (references.pose.xy + 0.5) * scale - 0.5
    depth = references.pose.depth * np.float32(ratio)
    return np.asarray(larger, np.uint8), Pose(xy.astype(np.float32), references.pose.confidence, depth.astype(np.float32))
