"""Warp the references of a person onto wanted poses, part by part.

Only cells of the canvas near the person are computed. In each, the two parts with the highest scores are looked up in the
references chosen for them at twice the resolution of the canvas, so that nothing is interpolated twice; the generator sees
means of four such pixels. What another part hides in the reference is not copied.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.generators.references.body_parts import NUM_PARTS, PARTS, BodyParts, are_joined, part_weights
from dancenow.generators.references.part_matching import part_distances, part_features
from dancenow.generators.references.part_transforms import part_transforms
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.types import Pose

FINE_PER_CANVAS_PX: Final = 2
"""Px that are looked up per canvas px, along either axis."""
_LOOKUP_PX: Final = float(FINE_PER_CANVAS_PX)
"""Px of the pictures in memory per canvas px; those that are kept smaller are enlarged once, by a sharp kernel."""
_SAMPLES: Final = FINE_PER_CANVAS_PX**2
_VISIBILITY_CELLS: Final = 96
_REACH: Final = -24.0
"""Cells where every part scores less show nothing of the person."""
_PARTS_PER_CELL: Final = 2
_HIDDEN_COST: Final = 1.5
"""Distance that a part adds that is hidden in a reference."""
_CLUTTER_COST: Final = 1.0
"""Distance that a part adds that lies before others: they would be copied with it."""
_NEGLIGIBLE: Final = 0.004
"""Weight below which a part of a picture is not looked up: less than a level of gray."""
_TRUST_SCALE: Final = 1.2
"""Distance at which a copied part counts 1/e."""


@dataclass(frozen=True, eq=False)
class _WarpedCells:
    """n warped cells of `count` canvases: each one's canvas `body`, column x and row y, and the colors [n,C,4,16,samples] of
    its px, row by row."""

    count: int
    body: Tensor
    x: Tensor
    y: Tensor
    colors: Tensor


class ReferenceWarper:
    """The pictures of a person on a device, ready to be warped.

    The result has the layout of the pose maps, so that both can be concatenated: for each of C slots, 64 channels of a canvas'
    4x4 px blocks, of red, green, blue and validity. Colors are in [-1,1], multiplied by the validity in [0,1].
    """

    def __init__(self, references: ReferenceSet, canvas_px: int, device: torch.device) -> None:
        pictures, pose = _for_lookup(references)
        self.canvas_px, self.device = canvas_px, device
        self.time_s = torch.from_numpy(references.time_s).to(device)
        rgba = torch.from_numpy(pictures).to(device).float() / 255
        self._height, self._width = rgba.shape[1:3]
        color, alpha = rgba[..., :3] * 2 - 1, rgba[..., 3:]
        atlas = torch.cat([color * alpha, alpha], dim=3).permute(3, 0, 1, 2)
        self._atlas = atlas.reshape(1, 4, -1, self._width).contiguous()
        self._parts = BodyParts.of_pose(pose, device)
        self._features = part_features(self._parts)
        self._shown, self._hidden_cost = self._visibility(rgba[..., 3])

    def _visibility(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Where each part is seen in each picture, as one tall map [1,1,M P G,G], and what hiding and clutter cost, [P,M]."""
        cells, count = _VISIBILITY_CELLS, len(alpha)
        x, y = ((torch.arange(cells, device=self.device) + 0.5) * side / cells - 0.5 for side in (self._width, self._height))
        at = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        seen = part_weights(self._parts.scores(at)).reshape(count, NUM_PARTS, cells, cells)
        there = F.adaptive_avg_pool2d(alpha[:, None], cells)
        area = self._parts.occupancy(at).reshape(count, NUM_PARTS, cells, cells)
        fraction = (area * seen * there).sum(dim=(2, 3)) / area.sum(dim=(2, 3)).clamp_min(1e-3)
        fraction = fraction / fraction.amax(dim=0).clamp_min(1e-3)
        apart = torch.tensor([[float(not are_joined(one, other)) for other in PARTS] for one in PARTS], device=self.device)
        behind = torch.einsum("mpyx,mqyx,pq->mp", area, area, apart) / area.sum(dim=(2, 3)).clamp_min(1e-3)
        cost = _HIDDEN_COST * (1 - fraction) + _CLUTTER_COST * behind + torch.where(self._parts.present > 0, 0.0, 100.0)
        return seen.reshape(1, 1, -1, cells).contiguous(), cost.T.contiguous()

    def distances(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """How badly each picture shows each part of N poses, [N,P,M]: 0 is best, 1 is doubtful."""
        features = part_features(BodyParts.of(xy, confidence, depth))
        return part_distances(features, self._features) + self._hidden_cost

    @torch.no_grad()
    def warp(self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: Tensor, weight: Tensor, distances: Tensor) -> Tensor:
        """Warp the chosen pictures onto N poses.

        Args:
            xy, confidence, depth: [N,K,...] on the canvas. choice: int [N,C,B,P], for each slot and part which pictures are
                blended. weight: [N,C,B,P] of them, with a sum of 1 over B. distances: [N,P,M] of `distances`.

        Returns:
            float [N, 64 C, S/4, S/4], see the class.
        """
        return self._on_canvas(self._warp_cells(xy, confidence, depth, choice, weight, distances, samples=1))

    @torch.no_grad()
    def warp_finely(
        self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: Tensor, weight: Tensor, distances: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The result of `warp`, and the same at twice the resolution and pixel by pixel, [N, 4 C, 2 S, 2 S]."""
        warped = self._warp_cells(xy, confidence, depth, choice, weight, distances, samples=_SAMPLES)
        means = replace(warped, colors=warped.colors.mean(dim=-1, keepdim=True))
        return self._on_canvas(means), self._on_fine_canvas(warped)

    def _on_canvas(self, warped: "_WarpedCells") -> Tensor:
        """Cells with one sample per px as [N, 64 C, S/4, S/4]."""
        side = self.canvas_px // POSE_STRIDE
        canvas = torch.zeros(warped.count, side * side, *warped.colors.shape[1:], device=self.device)
        canvas[warped.body, warped.y * side + warped.x] = warped.colors
        return canvas.flatten(2).transpose(1, 2).reshape(warped.count, -1, side, side)

    def _on_fine_canvas(self, warped: "_WarpedCells") -> Tensor:
        """Cells with `_SAMPLES` per px as [N, 4 C, 2 S, 2 S]."""
        slots, fine_px = warped.colors.shape[1], self.canvas_px * FINE_PER_CANVAS_PX
        canvas = torch.zeros(warped.count, slots * 4, fine_px, fine_px, device=self.device)
        if not len(warped.body):
            return canvas
        # Only the box around all cells is put in order.
        (left, top), (right, bottom) = ((int(f(warped.x)), int(f(warped.y))) for f in (torch.amin, torch.amax))
        rows, columns, cell_px = bottom + 1 - top, right + 1 - left, POSE_STRIDE * FINE_PER_CANVAS_PX
        box = torch.zeros(warped.count, rows, columns, *warped.colors.shape[1:], device=self.device)
        box[warped.body, warped.y - top, warped.x - left] = warped.colors
        split = box.reshape(warped.count, rows, columns, slots * 4, *[POSE_STRIDE] * 2, *[FINE_PER_CANVAS_PX] * 2)
        ordered = split.permute(0, 3, 1, 4, 6, 2, 5, 7).reshape(warped.count, slots * 4, rows * cell_px, columns * cell_px)
        canvas[:, :, top * cell_px :, left * cell_px :][:, :, : rows * cell_px, : columns * cell_px] = ordered
        return canvas

    def _warp_cells(
        self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: Tensor, weight: Tensor, distances: Tensor, samples: int
    ) -> "_WarpedCells":
        """Warp the cells near the person. samples: colors of each px, `_SAMPLES` of them or their mean."""
        count, slots, blended, parts = choice.shape
        wanted = BodyParts.of(xy, confidence, depth)
        cells = self.canvas_px // POSE_STRIDE
        axis = torch.arange(cells, device=self.device, dtype=torch.float32) * POSE_STRIDE
        corner = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
        low, high = wanted.bounds(math.sqrt(-2 * _REACH))
        around = ((corner > low - POSE_STRIDE) & (corner < high)).all(dim=1).nonzero()[:, 0]
        scores = wanted.scores(corner[around] + (POSE_STRIDE - 1) / 2)
        body, near = torch.nonzero(scores.amax(dim=1) > _REACH, as_tuple=True)
        cell = around[near]
        best = scores[body, :, near].topk(_PARTS_PER_CELL, dim=1).indices
        step = torch.arange(POSE_STRIDE, device=self.device, dtype=torch.float32)
        within = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).reshape(-1, 2)
        at = corner[cell][:, None] + within
        share = part_weights(wanted.scores_of(at[:, None], body[:, None], best))
        flat = choice.reshape(count, slots * blended, parts)
        maps = part_transforms(wanted, self._parts, flat)
        trust = weight * torch.exp(-_of_choice(distances, choice) / _TRUST_SCALE)
        trust = trust.reshape(count, slots * blended, parts)[body[:, None], :, best].transpose(1, 2)
        colors = torch.zeros(len(cell), slots, 4, POSE_STRIDE**2, samples, device=self.device)
        counts = trust * share.amax(dim=2)[:, None] > _NEGLIGIBLE
        for layer in range(slots * blended):
            for place in range(_PARTS_PER_CELL):
                row = counts[:, layer, place].nonzero()[:, 0]
                pose, part = body[row], best[row, place]
                found, seen = self._look_up(at[row], maps[pose, layer, part], flat[pose, layer, part], part)
                found = found if samples > 1 else found.mean(dim=-1, keepdim=True)
                counted = (share[row, place] * trust[row, layer, place, None] * seen)[:, None, :, None]
                colors[row, layer // blended] += found.transpose(0, 1) * counted
        return _WarpedCells(count, body, cell % cells, cell // cells, colors)

    def _look_up(self, at: Tensor, maps: Tensor, picture: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """The colors of px `at` [n,16,2] under maps [n,2,3] in pictures [n], four samples of each, [4,n,16,4], and how much of
        the part [n] is seen there, [n,16]."""
        offset = torch.tensor([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]], device=self.device)
        fine = (at[:, :, None] + offset).flatten(1, 2)
        # Written out: sums and products over two numbers are slow as reductions.
        x, y = (maps[:, i, :1] * fine[..., 0] + maps[:, i, 1:2] * fine[..., 1] + maps[:, i, 2:] for i in (0, 1))
        inside = (x > -0.5) & (x < self._width - 0.5) & (y > -0.5) & (y < self._height - 0.5)
        colors = _sample(self._atlas, x, y, picture, self._height)
        colors = (colors * inside).unflatten(-1, (-1, _SAMPLES))
        u, v = (
            (each[:, ::4] + each[:, 3::4] + 1) / 2 * (_VISIBILITY_CELLS / side) - 0.5  # the middle of the four samples
            for each, side in ((x, self._width), (y, self._height))
        )
        seen = _sample(self._shown, u, v, picture * NUM_PARTS + part, _VISIBILITY_CELLS)
        return colors, seen[0]


def _of_choice(distances: Tensor, choice: Tensor) -> Tensor:
    """The distances [N,C,B,P] of chosen pictures [N,C,B,P] among those of all M, [N,P,M]."""
    count, slots, blended, parts = choice.shape
    pictures = choice.reshape(count, slots * blended, parts).transpose(1, 2)
    return distances.gather(2, pictures).transpose(1, 2).reshape(choice.shape)


def _sample(atlas: Tensor, x: Tensor, y: Tensor, tile: Tensor, tile_px: int) -> Tensor:
    """Bilinear samples [ch,n,q] of the tiles [n] of an atlas [1,ch,tiles tile_px,w] at px [n,q] of each tile."""
    height, width = atlas.shape[-2:]
    rows = y.clamp(0, tile_px - 1) + (tile * tile_px)[..., None]
    grid = torch.stack([(x * 2 + 1) / width - 1, (rows * 2 + 1) / height - 1], dim=-1)
    values = F.grid_sample(atlas, grid[None], mode="bilinear", padding_mode="border", align_corners=False)
    return values[0]


def _for_lookup(references: ReferenceSet) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], Pose]:
    """The pictures at about `_LOOKUP_PX`, and their poses in them."""
    ratio = _LOOKUP_PX / references.px_per_canvas_px
    if ratio < 1.25:
        return references.rgba, references.pose
    height, width = references.rgba.shape[1:3]
    size = (round(width * ratio), round(height * ratio))
    larger = np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in references.rgba])
    scale = np.array([size[0] / width, size[1] / height], np.float32)
    xy = (references.pose.xy + 0.5) * scale - 0.5
    depth = references.pose.depth * np.float32(ratio)
    return np.asarray(larger, np.uint8), Pose(xy.astype(np.float32), references.pose.confidence, depth.astype(np.float32))
