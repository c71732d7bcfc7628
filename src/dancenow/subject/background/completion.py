"""Invent the background where it was never seen, from parts of what was seen, so that lines and textures continue.

Whole parts are copied by few shifts, which are found and placed on a shrunken picture (`shift_proposals`, `shift_map`), refined
and copied in full size, and blended in the gradient domain. Copying what the picture shows only once is expensive
(`uniqueness`). Holes in flat surroundings are filled as a membrane.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.gradient_blending import copy_seamlessly
from dancenow.subject.background.hole_filling import fill_smoothly, interpolate_membrane
from dancenow.subject.background.shift_map import choose_shifts
from dancenow.subject.background.shift_proposals import SIDE_PX, Shifts, features_of, propose_shifts, whole_patches
from dancenow.subject.background.uniqueness import measure_uniqueness
from dancenow.types import FloatArray, ImageRGB

_WORK_HOLE_PX: Final = 7000
"""Pixels of a hole in the shrunken picture."""
_WORK_IMAGE_PX: Final = 200_000
_SHIFTS: Final = 36
_MIN_DEPTH_PX: Final = 3.0
"""Thinner holes, by half of their thickness, are filled smoothly."""
_FLAT_LEVELS: Final = 8
"""Neighboring colors of a flat rim differ by no more than this, but for fewer pixels than:"""
_MIN_EDGE_PX: Final = 8
_JOIN: Final = 0.02
"""Holes nearer to each other than this fraction of the longer side are filled together."""
_TEXTURE_COST: Final = 2.0
"""Cost of a pixel that is smoother than its surroundings, relative to the squared slopes that it lacks."""
_UNIQUENESS_COST: Final = 0.1
"""Cost of copying a pixel of something that the picture shows only once, relative to its `uniqueness`."""
_TEXTURE_REACH: Final = 0.1
"""Half the width of the window in which texture is averaged, in sizes of the hole."""
_MIN_MARGIN_PX: Final = 32
_RIM_SAMPLES: Final = 3000
_TRUNCATED: Final = 30.0
"""Largest difference, in levels, that counts when a shift is refined."""


def complete(image_rgb: ImageRGB, known: NDArray[np.bool_]) -> ImageRGB:
    """Fill the pixels of image_rgb, uint8 [H,W,3], that are not `known`, bool [H,W], with a plausible continuation.

    Known pixels stay as they are. The same input always gives the same result.
    """
    return add_structure(fill_smoothly(image_rgb, known), known)


def add_structure(smooth_rgb: ImageRGB, known: NDArray[np.bool_], shown: NDArray[np.bool_] | None = None) -> ImageRGB:
    """The same for an image that is already filled smoothly, which it stays in flat surroundings.

    shown: bool [H,W], what may be copied of what is `known`; by default all of it.
    """
    shown = known if shown is None else known & shown
    if known.all() or not shown.any():
        return smooth_rgb
    result = smooth_rgb.copy()
    radius_px = round(_JOIN * max(known.shape) / 2)
    hole = (~known).astype(np.uint8)
    near = cv2.dilate(hole, np.ones((2 * radius_px + 1,) * 2, np.uint8))
    count, groups = cv2.connectedComponents(near)
    for group in range(1, count):
        members = (groups == group) & ~known
        part = _surroundings(members)
        if _is_structured(smooth_rgb[part], known[part], members[part]):
            completed = _complete_part(smooth_rgb[part], known[part], members[part], shown[part])
            result[part] = np.where(members[part][..., None], completed, result[part])
    return result


def _surroundings(hole: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The part of the picture from which a hole is filled."""
    spans = []
    margin_px = max(_MIN_MARGIN_PX, *(int(np.ptp(np.flatnonzero(hole.any(axis=axis)))) for axis in (0, 1)))
    for axis, size in ((1, hole.shape[0]), (0, hole.shape[1])):
        occupied = np.flatnonzero(hole.any(axis=axis))
        spans.append(slice(max(0, int(occupied[0]) - margin_px), min(size, int(occupied[-1]) + 1 + margin_px)))
    return spans[0], spans[1]


def _is_structured(image_rgb: ImageRGB, known: NDArray[np.bool_], hole: NDArray[np.bool_]) -> bool:
    """Whether a hole is thick and its rim has edges, which run into it."""
    if cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max() < _MIN_DEPTH_PX:
        return False
    rim = (cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & known
    if not rim.any():
        return False
    light = cv2.blur(image_rgb, (3, 3)).max(axis=2)
    window = np.ones((7, 7), np.uint8)
    highest = cv2.dilate(np.where(rim, light, 0).astype(np.uint8), window)
    lowest = cv2.erode(np.where(rim, light, 255).astype(np.uint8), window)
    contrast = highest[rim].astype(int) - lowest[rim]
    return int((contrast > _FLAT_LEVELS).sum()) >= _MIN_EDGE_PX


def _complete_part(
    image_rgb: ImageRGB, known: NDArray[np.bool_], hole: NDArray[np.bool_], shown: NDArray[np.bool_]
) -> ImageRGB:
    """Fill one hole. image_rgb: already filled smoothly, which stays where nothing can be copied."""
    scale = min(1.0, (_WORK_HOLE_PX / hole.sum()) ** 0.5, (_WORK_IMAGE_PX / known.size) ** 0.5)
    size = round(known.shape[1] * scale), round(known.shape[0] * scale)
    if min(size) < 2 * SIDE_PX:
        return image_rgb
    small = np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    small_shown, small_hole = (
        cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_AREA) for each in (shown, hole)
    )
    seen = small_shown > 0.999
    sources = whole_patches(seen)
    if not sources.any():
        return image_rgb
    features, outside = features_of(small), small_hole == 0
    shifts = propose_shifts(features, outside, sources, _SHIFTS)
    shifts = np.concatenate([np.zeros((1, 2), np.int32), shifts])
    labels = choose_shifts(
        features,
        outside,
        sources,
        shifts,
        copy_cost=_UNIQUENESS_COST * measure_uniqueness(features, outside),
        texture_cost=_TEXTURE_COST * _texture_of(features, outside, seen),
    )
    labels = cv2.resize(labels.astype(np.float32), hole.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    labels[~hole] = 0
    full = np.rint(shifts * (np.array(known.shape) / size[::-1])).astype(np.int32)
    if scale < 1:
        full = _refine_shifts(image_rgb, known, labels, full, int(np.ceil(0.5 / scale)))
    return copy_seamlessly(image_rgb, hole, known, full[labels])


def _texture_of(features: FloatArray, outside: NDArray[np.bool_], seen: NDArray[np.bool_]) -> FloatArray:
    """The squared slopes of the lightness around each pixel, [H,W]; in the hole, those of its surroundings continued.

    outside: bool [H,W], of the hole. seen: bool [H,W], what counts.
    """
    slopes = np.where(seen, (features[..., 3:] ** 2).sum(axis=2), 0).astype(np.float32)
    side = 2 * round(_TEXTURE_REACH * float(np.sqrt((~outside).sum()))) + 1
    share = cv2.blur(seen.astype(np.float32), (side, side))
    mean = np.asarray(cv2.blur(slopes, (side, side)) / np.maximum(share, 1e-6), np.float32)
    continued = interpolate_membrane(mean[..., None].repeat(3, axis=2), (outside & (share > 0)).astype(np.float32))
    return np.where(outside, mean, continued[..., 0]).astype(np.float32)


def _refine_shifts(
    image_rgb: ImageRGB, known: NDArray[np.bool_], labels: NDArray[np.int32], shifts: Shifts, reach_px: int
) -> Shifts:
    """Correct each shift by up to `reach_px` so that, around the part it fills, the picture resembles itself best."""
    light = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    refined = shifts.copy()
    for number in np.unique(labels[labels > 0]):
        part = (labels == number).astype(np.uint8)
        width_px = max(2 * reach_px + 1, round(0.3 * float(np.sqrt(part.sum()))))
        around = np.argwhere((cv2.dilate(part, np.ones((2 * width_px + 1,) * 2, np.uint8)) > 0) & known)
        around = around[:: max(1, len(around) // _RIM_SAMPLES)]
        moved = around + shifts[number]
        room = ((moved >= reach_px) & (moved < np.array(known.shape) - reach_px)).all(axis=1)
        around, moved = around[room], moved[room]
        usable = known[moved[:, 0], moved[:, 1]]
        around, moved = around[usable], moved[usable]
        if not len(around):
            continue
        own, best = light[around[:, 0], around[:, 1]], np.inf
        for dy in range(-reach_px, reach_px + 1):
            for dx in range(-reach_px, reach_px + 1):
                error = np.abs(light[moved[:, 0] + dy, moved[:, 1] + dx] - own)
                cost = float(np.minimum(error, _TRUNCATED).mean()) + 1e-3 * float(np.hypot(dy, dx))
                if cost < best:
                    best, refined[number] = cost, shifts[number] + (dy, dx)
    return refined
