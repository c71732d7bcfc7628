"""Warping on a GPU: small cells of the canvas, all at once.

Only cells near the person are computed. In each, the two parts with the highest scores are looked up in the pictures.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.generators.references.body_parts import HEAD, NUM_PARTS, BodyParts, part_weights
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.part_transforms import part_transforms
from dancenow.generators.references.prepared_pictures import (
    FINE_PER_CANVAS_PX,
    NEGLIGIBLE,
    REACH,
    VISIBILITY_CELLS,
    PreparedPictures,
)
from dancenow.generators.references.reference_choice import ReferenceChoice

_SAMPLES: Final = FINE_PER_CANVAS_PX**2
_PARTS_PER_CELL: Final = 2


@dataclass(frozen=True, eq=False)
class _WarpedCells:
    """n warped cells of `count` canvases: each one's canvas `body`, column x and row y, and the colors [n,C,4,16,samples] of
    its px, row by row. head: [n,5,16,samples], see `FinePictures.head`."""

    count: int
    body: Tensor
    x: Tensor
    y: Tensor
    colors: Tensor
    head: Tensor


class CellWarper:
    """See `PictureWarper`."""

    def __init__(self, pictures: PreparedPictures, canvas_px: int) -> None:
        self.pictures, self._canvas_px = pictures, canvas_px
        self._device = pictures.shown.device
        self._atlas, self._outlined = (
            (torch.from_numpy(each).to(self._device).float() / 255).permute(3, 0, 1, 2).reshape(1, 4, -1, pictures.width)
            for each in (pictures.premultiplied, pictures.outlined)
        )
        self._whole_head = torch.from_numpy(pictures.whole_head).to(self._device)
        self._shown = pictures.shown.reshape(1, 1, -1, VISIBILITY_CELLS).contiguous()

    @torch.no_grad()
    def warp(self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor) -> Tensor:
        """See `PictureWarper.warp`."""
        return self._on_canvas(self._warp_cells(BodyParts.of(xy, confidence, depth), choice, distances, samples=1))

    @torch.no_grad()
    def warp_finely(
        self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor
    ) -> tuple[Tensor, list[FinePictures]]:
        """See `PictureWarper.warp_finely`."""
        warped = self._warp_cells(BodyParts.of(xy, confidence, depth), choice, distances, samples=_SAMPLES)
        means = replace(warped, colors=warped.colors.mean(dim=-1, keepdim=True))
        pixels = self._on_fine_canvas(warped, warped.colors).unflatten(1, (-1, 4))
        heads = self._on_fine_canvas(warped, warped.head[:, None])
        return self._on_canvas(means), [FinePictures(0, 0, *each) for each in zip(pixels, heads, strict=True)]

    def _on_canvas(self, warped: _WarpedCells) -> Tensor:
        """Cells with one sample per px as [N, 64 C, S/4, S/4], with signed colors."""
        side = self._canvas_px // POSE_STRIDE
        canvas = torch.zeros(warped.count, side * side, *warped.colors.shape[1:], device=self._device)
        color, validity = warped.colors.split([3, 1], dim=2)
        canvas[warped.body, warped.y * side + warped.x] = torch.cat([2 * color - validity, validity], dim=2)
        return canvas.flatten(2).transpose(1, 2).reshape(warped.count, -1, side, side)

    def _on_fine_canvas(self, warped: _WarpedCells, values: Tensor) -> Tensor:
        """Values [n,C,Q,16,`_SAMPLES`] of the cells as [N, QC, 2 S, 2 S]."""
        planes, fine_px = values.shape[1] * values.shape[2], self._canvas_px * FINE_PER_CANVAS_PX
        canvas = torch.zeros(warped.count, planes, fine_px, fine_px, device=self._device)
        if not len(warped.body):
            return canvas
        # Only the box around all cells is put in order.
        (left, top), (right, bottom) = ((int(f(warped.x)), int(f(warped.y))) for f in (torch.amin, torch.amax))
        rows, columns, cell_px = bottom + 1 - top, right + 1 - left, POSE_STRIDE * FINE_PER_CANVAS_PX
        box = torch.zeros(warped.count, rows, columns, *values.shape[1:], device=self._device)
        box[warped.body, warped.y - top, warped.x - left] = values
        split = box.reshape(warped.count, rows, columns, planes, *[POSE_STRIDE] * 2, *[FINE_PER_CANVAS_PX] * 2)
        ordered = split.permute(0, 3, 1, 4, 6, 2, 5, 7).reshape(warped.count, planes, rows * cell_px, columns * cell_px)
        canvas[:, :, top * cell_px :, left * cell_px :][:, :, : rows * cell_px, : columns * cell_px] = ordered
        return canvas

    def _warp_cells(self, wanted: BodyParts, choice: ReferenceChoice, distances: Tensor, samples: int) -> _WarpedCells:
        """Warp the cells near the person. samples: colors of each px, `_SAMPLES` of them or their mean."""
        count, slots, blended, _ = choice.picture.shape
        cells = self._canvas_px // POSE_STRIDE
        axis = torch.arange(cells, device=self._device, dtype=torch.float32) * POSE_STRIDE
        corner = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
        low, high = wanted.bounds(math.sqrt(-2 * REACH))
        around = ((corner > low - POSE_STRIDE) & (corner < high)).all(dim=1).nonzero()[:, 0]
        scores = wanted.scores(corner[around] + (POSE_STRIDE - 1) / 2)
        body, near = torch.nonzero(scores.amax(dim=1) > REACH, as_tuple=True)
        cell = around[near]
        best = scores[body, :, near].topk(_PARTS_PER_CELL, dim=1).indices
        step = torch.arange(POSE_STRIDE, device=self._device, dtype=torch.float32)
        within = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).reshape(-1, 2)
        at = corner[cell][:, None] + within
        share = part_weights(wanted.scores_of(at[:, None], body[:, None], best))
        flat = choice.picture.flatten(1, 2)
        maps = part_transforms(wanted, self.pictures.parts, flat)
        trust = self.pictures.trust(choice, distances)[body[:, None], :, best].transpose(1, 2)
        colors = torch.zeros(len(cell), slots, 4, POSE_STRIDE**2, samples, device=self._device)
        head = torch.zeros(len(cell), 5, POSE_STRIDE**2, samples, device=self._device)
        counts = trust * share.amax(dim=2)[:, None] > NEGLIGIBLE
        for layer in range(slots * blended):
            for place in range(_PARTS_PER_CELL):
                row = counts[:, layer, place].nonzero()[:, 0]
                pose, part = body[row], best[row, place]
                to_picture, picture = maps[pose, layer, part], flat[pose, layer, part]
                found, seen = self._look_up(self._atlas, at[row], to_picture, picture, part)
                found = found if samples > 1 else found.mean(dim=-1, keepdim=True)
                counted = (share[row, place] * trust[row, layer, place, None] * seen)[:, None, :, None]
                colors[row, layer // blended] += found.transpose(0, 1) * counted
                is_head = ((part == HEAD) & self._whole_head[picture]).nonzero()[:, 0]
                if samples > 1 and layer < blended and len(is_head):
                    only = (each[is_head] for each in (at[row], to_picture, picture, part))
                    outlined, _ = self._look_up(self._outlined, *only)
                    known = torch.cat([outlined, torch.ones_like(outlined[:1])]).transpose(0, 1)
                    head[row[is_head]] += known * counted[is_head]
        return _WarpedCells(count, body, cell % cells, cell // cells, colors, head)

    def _look_up(self, atlas: Tensor, at: Tensor, maps: Tensor, picture: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """The colors of px `at` [n,16,2] under maps [n,2,3] in pictures [n] of an atlas, four samples of each, [4,n,16,4], and
        how much of the part [n] is seen there, [n,16]."""
        offset = torch.tensor([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]], device=self._device)
        fine = (at[:, :, None] + offset).flatten(1, 2)
        # Written out: sums and products over two numbers are slow as reductions.
        x, y = (maps[:, i, :1] * fine[..., 0] + maps[:, i, 1:2] * fine[..., 1] + maps[:, i, 2:] for i in (0, 1))
        inside = (x > -0.5) & (x < self.pictures.width - 0.5) & (y > -0.5) & (y < self.pictures.height - 0.5)
        colors = _sample(atlas, x, y, picture, self.pictures.height)
        colors = (colors * inside).unflatten(-1, (-1, _SAMPLES))
        u, v = (
            (each[:, ::4] + each[:, 3::4] + 1) / 2 * (VISIBILITY_CELLS / side) - 0.5  # the middle of the four samples
            for each, side in ((x, self.pictures.width), (y, self.pictures.height))
        )
        seen = _sample(self._shown, u, v, picture * NUM_PARTS + part, VISIBILITY_CELLS)
        return colors, seen[0]


def _sample(atlas: Tensor, x: Tensor, y: Tensor, tile: Tensor, tile_px: int) -> Tensor:
    """Bilinear samples [ch,n,q] of the tiles [n] of an atlas [1,ch,tiles tile_px,w] at px [n,q] of each tile."""
    height, width = atlas.shape[-2:]
    rows = y.clamp(0, tile_px - 1) + (tile * tile_px)[..., None]
    grid = torch.stack([(x * 2 + 1) / width - 1, (rows * 2 + 1) / height - 1], dim=-1)
    values = F.grid_sample(atlas, grid[None], mode="bilinear", padding_mode="border", align_corners=False)
    return values[0]
