"""Invent the background where it was never seen, from parts of what was seen, so that lines and textures continue.

Whole parts are copied by few shifts, and straight lines are continued (`line_continuation`). Which of them fills what is
decided on a shrunken picture (`shift_proposals`, `shift_map`); they are refined and drawn in full size and blended in the
gradient domain. Copying what the picture shows only once is expensive (`uniqueness`). Holes in flat surroundings are filled as
a membrane.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.gradient_blending import Filling, copy_seamlessly
from dancenow.subject.background.hole_filling import fill_smoothly, interpolate_membrane
from dancenow.subject.background.line_continuation import (
    LINE_PICTURES,
    LinePicture,
    continue_lines,
    line_pictures,
    main_directions,
)
from dancenow.subject.background.shift_map import Drawn, choose_shifts
from dancenow.subject.background.shift_proposals import SIDE_PX, features_of, propose_shifts, whole_patches
from dancenow.subject.background.shift_refinement import refine_shifts
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
_LINE_COST, _FAR_COST, _LINE_LACK, _ACROSS_COST = 0.2, 1.0, 0.1, 10.0
"""Cost of a pixel of a line that is continued; of the squared distance over which, in sizes of the hole; of the texture that it
lacks; of the squared slope along the line where it was seen, which a line does not have."""
_SEAM_REACH: Final = 2
"""How far apart edges of two fillings that meet may lie, relative to the error of a refined shift."""
_TEXTURE_REACH: Final = 0.1
"""Half the width of the window in which texture is averaged, in sizes of the hole."""
_MIN_MARGIN_PX: Final = 32


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
    texture_cost = _TEXTURE_COST * _texture_of(features, outside, seen)
    angles_deg = main_directions(small, seen, ~outside)
    labels = choose_shifts(
        features,
        outside,
        sources,
        shifts,
        copy_cost=_UNIQUENESS_COST * measure_uniqueness(features, outside),
        texture_cost=texture_cost,
        drawn=[_drawn(each, ~outside, texture_cost) for each in line_pictures(small, seen, ~outside, angles_deg)],
    )
    labels = cv2.resize(labels.astype(np.float32), hole.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    labels[~hole] = 0
    lines = np.where(labels >= len(shifts), labels - len(shifts), -1).astype(np.int32)
    labels[lines >= 0] = 0
    full = np.rint(shifts * (np.array(known.shape) / size[::-1])).astype(np.int32)
    reach_px = int(np.ceil(0.5 / scale)) if scale < 1 else 0
    if reach_px:
        full = refine_shifts(image_rgb, known, labels, full, reach_px)
    drawn = _draw(image_rgb, known & shown, hole, angles_deg, lines)
    return copy_seamlessly(image_rgb, hole, known, Filling(full[labels], drawn, lines), _SEAM_REACH * reach_px)


def _drawn(picture: LinePicture, hole: NDArray[np.bool_], texture_cost: FloatArray) -> Drawn:
    """A picture with continued lines, and what it costs: by how far it is carried, and by the texture that it lacks."""
    features = features_of(np.clip(np.rint(picture.image), 0, 255).astype(np.uint8))
    side = 2 * round(_TEXTURE_REACH * float(np.sqrt(hole.sum()))) + 1
    texture = _TEXTURE_COST * cv2.blur((features[..., 3:] ** 2).sum(axis=2), (side, side))
    far = (picture.far / float(np.sqrt(hole.sum()))) ** 2
    cost = _LINE_COST + _FAR_COST * far + _LINE_LACK * np.maximum(texture_cost - texture, 0) + _ACROSS_COST * picture.across
    return Drawn(features, picture.valid, cost.astype(np.float32))


def _draw(
    image_rgb: ImageRGB,
    shown: NDArray[np.bool_],
    hole: NDArray[np.bool_],
    angles_deg: list[float],
    lines: NDArray[np.int32],
) -> dict[int, FloatArray]:
    """The pictures with continued lines that are used, in full size, by their numbers in `lines`, int32 [H,W]."""
    used: dict[int, list[int]] = {}
    for number in np.unique(lines[lines >= 0]).tolist():
        used.setdefault(number // LINE_PICTURES, []).append(number % LINE_PICTURES)
    found: dict[int, FloatArray] = {}
    for direction, kinds in used.items():
        pictures = continue_lines(image_rgb, shown, hole, angles_deg[direction], kinds)
        found |= {direction * LINE_PICTURES + kind: each.image for kind, each in zip(kinds, pictures, strict=True)}
    return found


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
