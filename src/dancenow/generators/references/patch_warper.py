"""Warping on a CPU: each part of each picture is a patch, which OpenCV warps and adds to the canvas."""

import math
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.generators.references.body_parts import HEAD, NUM_PARTS, BodyParts, part_odds
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
from dancenow.types import FloatArray

_REACH_SOFTNESS: Final = math.sqrt(-2 * REACH)
_STEP_PX: Final = 2
"""Canvas px between the points at which the weights of the parts are computed; they are smooth."""
_POINT_PX: Final = (_STEP_PX - 1) / 2
"""Of the first point: each is in the middle of its square."""
_FINE_PER_POINT: Final = _STEP_PX * FINE_PER_CANVAS_PX
_SIGNED: Final = np.array([[2, 0, 0, -1], [0, 2, 0, -1], [0, 0, 2, -1], [0, 0, 0, 1]], np.float32)
"""From colors in [0,1], multiplied by validity, to colors in [-1,1]."""


class PatchWarper:
    """See `PictureWarper`."""

    def __init__(self, pictures: PreparedPictures, canvas_px: int) -> None:
        self.pictures, self._canvas_px = pictures, canvas_px
        self._shown = np.rint(pictures.shown.numpy() * 255).astype(np.uint8)

    @torch.no_grad()
    def warp(self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor) -> Tensor:
        """See `PictureWarper.warp`."""
        return self._warp(BodyParts.of(xy, confidence, depth), choice, distances, with_heads=False)[0]

    @torch.no_grad()
    def warp_finely(
        self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor
    ) -> tuple[Tensor, list[FinePictures]]:
        """See `PictureWarper.warp_finely`."""
        return self._warp(BodyParts.of(xy, confidence, depth), choice, distances, with_heads=True)

    def _warp(
        self, wanted: BodyParts, choice: ReferenceChoice, distances: Tensor, *, with_heads: bool
    ) -> tuple[Tensor, list[FinePictures]]:
        """Warp coarsely and finely. The values of a px are neighbors in memory, as OpenCV takes them."""
        flat = choice.picture.flatten(1, 2)
        to_picture = part_transforms(wanted, self.pictures.parts, flat).numpy().astype(np.float64)
        trust = self.pictures.trust(choice, distances).numpy()
        count, slots, blended, _ = choice.picture.shape
        cells = self._canvas_px // POSE_STRIDE
        coarse, fine = np.zeros((count, slots, 4, POSE_STRIDE, POSE_STRIDE, cells, cells), np.float32), []
        for body in range(count):
            corner, weights = self._part_weights(wanted[body])
            size = [points * _FINE_PER_POINT for points in weights.shape[1:]]
            layers, head = np.zeros((slots, *size, 4), np.float32), np.zeros((*size, 5), np.float32)
            for layer, pictures in enumerate(flat[body].tolist()):
                trusted = weights * trust[body, layer, :, None, None]
                self._add_layer(layers[layer // blended], corner, trusted, pictures, to_picture[body, layer])
                if with_heads and layer < blended:
                    self._add_head(head, corner, trusted[HEAD], pictures[HEAD], to_picture[body, layer, HEAD])
            for slot in range(slots if weights.size else 0):
                _put_means(coarse[body, slot], corner, layers[slot])
            x, y = (first * FINE_PER_CANVAS_PX for first in corner)
            pixels, outlined = torch.from_numpy(layers).permute(0, 3, 1, 2), torch.from_numpy(head).permute(2, 0, 1)
            fine.append(FinePictures(x, y, pixels, outlined))
        return torch.from_numpy(coarse).reshape(count, -1, cells, cells), fine

    def _part_weights(self, wanted: BodyParts) -> tuple[tuple[int, int], FloatArray]:
        """The corner x, y of the box around one pose in canvas px, and the weights of its parts at points of it, [P,h,w].

        The box consists of whole cells of `POSE_STRIDE`.
        """
        x, y = (_points(low, high, self._canvas_px) for low, high in zip(*wanted.bounds(_REACH_SOFTNESS), strict=True))
        if not (len(x) and len(y)):
            return (0, 0), np.zeros((NUM_PARTS, len(y), len(x)), np.float32)
        corner = (int(x[0] - _POINT_PX), int(y[0] - _POINT_PX))
        # Few operations on all points take less time than many on the points near each part.
        at = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        scores = wanted.scores(at)[0]
        near = part_odds(scores) * ((scores > REACH) & (wanted.present[0] > 0)[:, None])
        weights = near.reshape(-1, len(y), len(x))
        return corner, (weights / weights.sum(dim=0).clamp_min(1e-30)).numpy()

    def _add_layer(
        self,
        canvas: FloatArray,
        corner: tuple[int, int],
        weights: FloatArray,
        pictures: list[int],
        to_picture: NDArray[np.float64],
    ) -> None:
        """Add the parts of one layer to the fine part [h,w,4] of a canvas from `corner` on.

        weights: [P,h/4,w/4] of the parts. pictures: of each part. to_picture: [P,2,3] px of the canvas -> px of the picture.
        """
        for part, picture in enumerate(pictures):
            found = self._patch(self.pictures.premultiplied[picture], corner, weights[part], part, picture, to_picture[part])
            if found is not None:
                place, patch, counted = found
                cv2.accumulateProduct(patch, cv2.merge([counted] * 4), canvas[place])

    def _add_head(
        self, canvas: FloatArray, corner: tuple[int, int], weight: FloatArray, picture: int, to_picture: NDArray[np.float64]
    ) -> None:
        """Add the head of one layer with its outline to the fine part [h,w,5] of a canvas, see `FinePictures.head`."""
        found = self._patch(self.pictures.outlined[picture], corner, weight, HEAD, picture, to_picture)
        if found is not None and self.pictures.whole_head[picture]:
            place, patch, counted = found
            canvas[place] += np.dstack([patch * counted[..., None], 255 * counted])

    def _patch(
        self,
        image: NDArray[np.uint8],
        corner: tuple[int, int],
        weights: FloatArray,
        part: int,
        picture: int,
        to_picture: NDArray[np.float64],
    ) -> tuple[tuple[slice, slice], FloatArray, FloatArray] | None:
        """Look a part up in a version of a picture: rows and columns of the fine canvas, colors [h,w,4] there, and the
        weights [h,w], already divided by 255; None if the part is nowhere."""
        left, top, width, height = cv2.boundingRect((weights > NEGLIGIBLE).view(np.uint8))
        if not width:
            return None
        first = np.array([corner[0] + left * _STEP_PX, corner[1] + top * _STEP_PX], np.float64)
        seen = cv2.warpAffine(
            self._shown[picture, part], self._to_cells(_zoomed(to_picture, first, _STEP_PX)), (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        size = (width * _FINE_PER_POINT, height * _FINE_PER_POINT)
        patch = cv2.warpAffine(
            image, _zoomed(to_picture, first, 1 / FINE_PER_CANVAS_PX), size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
        )  # fmt: skip
        weight = weights[top : top + height, left : left + width] * seen * np.float32(1 / 255**2)
        x, y = left * _FINE_PER_POINT, top * _FINE_PER_POINT
        place = (slice(y, y + size[1]), slice(x, x + size[0]))
        return place, patch.astype(np.float32), np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def _to_cells(self, to_picture: NDArray[np.float64]) -> NDArray[np.float64]:
        """A map [2,3] to px of a picture as one to cells of where parts are shown."""
        scale = VISIBILITY_CELLS / np.array([[self.pictures.width], [self.pictures.height]])
        cells = to_picture * scale
        cells[:, 2:] += 0.5 * scale - 0.5
        return cells


def _points(low: Tensor, high: Tensor, canvas_px: int) -> Tensor:
    """The coordinates of points every `_STEP_PX` px along one axis, in whole cells, from `low` to `high` on the canvas."""
    if not low < high:
        return torch.zeros(0)
    first = max(math.floor(float(low) / POSE_STRIDE), 0) * POSE_STRIDE
    end = min(math.ceil(float(high) / POSE_STRIDE) + 1, canvas_px // POSE_STRIDE) * POSE_STRIDE
    return torch.arange(first, max(end, first), _STEP_PX) + _POINT_PX


def _put_means(blocks: FloatArray, corner: tuple[int, int], fine: FloatArray) -> None:
    """Put the means of 2x2 px of a part [h,w,4] of a fine canvas into the canvas [4,4,4,S/4,S/4] of its channels and blocks,
    with signed colors."""
    height, width = (side // FINE_PER_CANVAS_PX for side in fine.shape[:2])
    small = cv2.transform(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), _SIGNED)
    split = small.reshape(height // POSE_STRIDE, POSE_STRIDE, width // POSE_STRIDE, POSE_STRIDE, 4)
    x, y = (first // POSE_STRIDE for first in corner)
    blocks[..., y : y + height // POSE_STRIDE, x : x + width // POSE_STRIDE] = split.transpose(4, 1, 3, 0, 2)


def _zoomed(to_picture: NDArray[np.float64], first: NDArray[np.float64], step_px: float) -> NDArray[np.float64]:
    """A map [2,3] from px of the canvas as one from squares of `step_px`, of which the first begins at the px `first`."""
    zoomed = to_picture * step_px
    zoomed[:, 2] = to_picture[:, 2] + to_picture[:, :2] @ (first + (step_px - 1) / 2)
    return zoomed
