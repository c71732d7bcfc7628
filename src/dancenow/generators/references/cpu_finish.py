"""The last step of a generator with references on a CPU: what `network.finish` does, by OpenCV."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.network import ALPHA_EPSILON
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.network import (
    AGREES_FROM,
    AGREES_TO,
    COPY_DECISIVENESS,
    COPY_GAIN,
    DECISIVENESS,
    HEAD_EDGE,
    OUTLINE_REACH_PX,
    SURE_FROM,
    SURE_TO,
    largest_shift_px,
)
from dancenow.types import FloatArray

Box = tuple[slice, slice]
_EPSILON: Final = np.float32(ALPHA_EPSILON)
_LEAST: Final = np.float32(1e-6)
"""Validity that pixels are divided by."""
_TINY: Final = np.float32(1e-30)
"""What counts are divided by, at least."""
_EDGE_SIGMA: Final = 0.75
"""In px of the canvas."""
_STEEPER: Final = np.float32(3.0)
"""The slope after the blur is multiplied by it: 1.5 undoes the blur, more makes edges narrower, because one px of the canvas is
several of the image."""
_EDGE_PX: Final = 5
"""Of the canvas, in which alpha changes from nearly 0 to nearly 1 at a sharp edge."""
_SHARP: Final = np.float32(0.8)
_SHARPEST: Final = np.float32(0.95)
"""Change of alpha within `_EDGE_PX` at an edge that is partly and fully smoothed."""
_TO_UNIT: Final = np.array([[0.5, 0, 0, 0, 0.5], [0, 0.5, 0, 0, 0.5], [0, 0, 0.5, 0, 0.5], [0, 0, 0, 0, 1]], np.float32)
"""From signed colors and alpha to colors in [0,1] and 1."""


def finish_box(plan: FloatArray, pictures: FinePictures, image: FloatArray, box: Box) -> None:
    """Generate a part of an image float32 [h,w,4] in place. Its alpha contains the shadow, if there is any.

    plan: [C,S,S], see `Plan.joined`. box: rows and columns of the plan, in whole numbers of px of the image.
    """
    layers = pictures.pixels.permute(0, 2, 3, 1).contiguous().numpy()
    slots, times = len(layers), Fraction(len(image), plan.shape[1])
    rows, columns = (slice(int(side.start * times), int(side.stop * times)) for side in box)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    part = plan[:, box[0], box[1]]
    rgba = _enlarge(np.ascontiguousarray(part[:4].transpose(1, 2, 0)), size, cv2.INTER_CUBIC)
    alpha = np.asarray(cv2.extractChannel(rgba, 3), np.float32).clip(0, 1)
    alpha = smooth_edges(alpha, float(times))
    mixed = np.asarray(cv2.transform(rgba, _TO_UNIT), np.float32)  # color in [0,1], and the weight of the generated color, 1
    per_canvas_px = pictures.px_per_canvas_px
    largest_px = np.float32(largest_shift_px(plan.shape[1]) * per_canvas_px)
    x, y = (
        ((np.arange(side.start, side.stop) + 0.5) * float(per_canvas_px / times) - 0.5 - first).astype(np.float32)
        for side, first in ((columns, pictures.x_px), (rows, pictures.y_px))
    )
    moved, counts, at = [], [], []
    for slot, layer in enumerate(layers):
        shift_x, shift_y = (_enlarge(part[4 + slots + 2 * slot + axis], size, cv2.INTER_LINEAR) for axis in (0, 1))
        at.append((shift_x * largest_px + x, shift_y * largest_px + y[:, None]))
        moved.append(cv2.remap(layer, *at[slot], cv2.INTER_LINEAR))
        weight = cv2.exp(_enlarge(part[4 + slot], size, cv2.INTER_LINEAR))
        counts.append(weight * cv2.extractChannel(moved[slot], 3).clip(_LEAST))
    for slot, (layer, decided) in enumerate(zip(moved, _decided(counts), strict=True)):
        gain = np.asarray(cv2.exp(_enlarge(part[4 + 3 * slots + slot], size, cv2.INTER_LINEAR)), np.float32)
        validity = np.asarray(cv2.extractChannel(layer, 3), np.float32)
        weight = decided / validity.clip(_LEAST)
        cv2.accumulateProduct(layer, cv2.merge([weight * gain] * 3 + [weight]), mixed)
        if not slot:
            first = _FirstReference(*at[0], validity, gain)
            _outline_head(pictures.head, first, mixed, alpha, len(image))
    image[rows, columns] = _with_shadow(mixed, alpha, image[rows, columns, 3])


@dataclass(frozen=True, eq=False)
class _FirstReference:
    """What is copied from the first reference, each float32 [h,w]. x_px, y_px: from which place in the pictures. validity: of
    what is there, in [0,1]. gain: factor on its colors.
    """

    x_px: FloatArray
    y_px: FloatArray
    validity: FloatArray
    gain: FloatArray


def _outline_head(head: Tensor, first: _FirstReference, mixed: FloatArray, alpha: FloatArray, canvas_px: int) -> None:
    """Copy the outline of a head [5,h',w'], see `FinePictures`, into an alpha [h,w], and its colors at the edge into the sum
    `mixed` [h,w,4], in place: see `network.finish`. canvas_px: side of the whole image that is generated.
    """
    there = np.ascontiguousarray(head[4].numpy())
    left, top, width, height = cv2.boundingRect((there > SURE_FROM).view(np.uint8))
    in_columns = (first.x_px > left - 1) & (first.x_px < left + width)
    near = in_columns & (first.y_px > top - 1) & (first.y_px < top + height)
    x, y, width, height = cv2.boundingRect(near.view(np.uint8))
    if not width:
        return
    part = (slice(y, y + height), slice(x, x + width))
    at_x, at_y = (np.ascontiguousarray(each[part]) for each in (first.x_px, first.y_px))
    known = np.asarray(cv2.remap(there, at_x, at_y, cv2.INTER_LINEAR), np.float32)
    colors = np.ascontiguousarray(head[:4].permute(1, 2, 0).numpy())
    shown = np.asarray(cv2.remap(colors, at_x, at_y, cv2.INTER_LINEAR), np.float32)
    generated, valid = alpha[part].copy(), shown[..., 3]
    copied = valid / known.clip(_LEAST)
    sure = ((known - np.float32(SURE_FROM)) / np.float32(SURE_TO - SURE_FROM)).clip(0, 1)
    both, either = (float((sure * f(generated, copied)).sum()) for f in (np.minimum, np.maximum))
    agreement = min(max((both / max(either, 1e-6) - AGREES_FROM) / (AGREES_TO - AGREES_FROM), 0.0), 1.0)
    side = 2 * round(agreement * OUTLINE_REACH_PX * canvas_px / 256) + 1
    least, most = (f(alpha, np.ones((side, side), np.uint8))[part] for f in (cv2.erode, cv2.dilate))
    alpha[part] += sure * (copied.clip(least, most) - generated)
    edge = np.maximum(valid - first.validity[part], valid * (1 - generated))
    weight = np.float32(agreement * np.exp(HEAD_EDGE)) * sure * edge / valid.clip(_LEAST)
    mixed[part] += shown * cv2.merge([weight * first.gain[part]] * 3 + [weight])


def smooth_edges(alpha: NDArray[np.float32], times: float) -> NDArray[np.float32]:
    """An alpha [h,w] that was enlarged without the stairs of its px: blurred, and steeper than before.

    Only edges that are sharp are changed: where alpha changes slowly, the generator is not sure, or what moves is blurred.
    """
    if times <= 1:
        return alpha
    blurred = np.asarray(cv2.GaussianBlur(alpha, (0, 0), _EDGE_SIGMA * times), np.float32)
    steep = ((blurred - 0.5) * _STEEPER + 0.5).clip(0, 1)
    height, width = alpha.shape
    small = cv2.resize(alpha, (round(width / times), round(height / times)), interpolation=cv2.INTER_AREA)
    around = np.ones((_EDGE_PX, _EDGE_PX), np.uint8)
    change = cv2.subtract(cv2.dilate(small, around), cv2.erode(small, around))
    is_sharp = (cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR) - _SHARP) / (_SHARPEST - _SHARP)
    return np.asarray(alpha + is_sharp.clip(0, 1) * (steep - alpha), np.float32)


def _decided(counts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """What references count after more was given to them, and to the most important one, see `network.finish`."""
    together = cv2.pow(sum(counts[1:], counts[0]) * np.float32(np.exp(COPY_GAIN)), COPY_DECISIVENESS)
    largest = functools.reduce(np.maximum, counts).clip(_TINY)  # powers of what counts very little would be 0
    powers = [np.asarray(cv2.pow(each / largest, DECISIVENESS), np.float32) for each in counts]
    factor = together / sum(powers[1:], powers[0])
    return [each * factor for each in powers]


def _with_shadow(mixed: FloatArray, alpha: NDArray[np.float32], shadow: NDArray[np.float32]) -> FloatArray:
    """Colors in [0,1] divided by their weight, the fourth channel of `mixed`, to signed ones, and the shadow behind: see
    `composite_shadow`."""
    dark = shadow * (1 - alpha)
    covered = alpha + dark
    part = alpha / (covered + _EPSILON)
    factor, darker = 2 * part / cv2.extractChannel(mixed, 3), part + (dark + _EPSILON) / (covered + _EPSILON)
    color = cv2.subtract(cv2.multiply(mixed, cv2.merge([factor] * 4)), cv2.merge([darker] * 4))
    return np.asarray(cv2.insertChannel(covered, color, 3), np.float32)


def _enlarge(plane: FloatArray, size: tuple[int, int], kernel: int) -> FloatArray:
    if (plane.shape[1], plane.shape[0]) == size:
        return np.array(plane, np.float32)
    return np.asarray(cv2.resize(plane, size, interpolation=kernel), np.float32)
