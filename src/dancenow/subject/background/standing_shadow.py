"""Lighten the soft shadow at the feet of a person who always stands in the same place, so that nobody saw it lit.

The shadow is a smooth factor that darkens all color channels alike. Of all smooth factors, the one is chosen that leaves the
least total variation in the logarithm of the image: the flat parts of the floor become as even as around the place, while edges
of boards, rugs and furniture stay, because a smooth factor cannot remove them. Variational Retinex (Kimmel et al., 2003) with
the L1 norm of Ma and Osher (2012), in a small space of splines.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_USUAL: Final = 0.5
"""Fraction of the samples in which the feet are near a pixel where they usually stand."""
_REACH_X, _REACH_Y = 0.6, 0.5
"""The shadow is searched this far around the usual place, as a fraction of its width and of its height."""
_SIDE_PX: Final = 112
"""Longer side of the searched part, which is reduced to this size."""
_KNOT_X_PX, _KNOT_Y_PX, _MAX_KNOTS = 7.0, 3.0, 16
"""Distance of the knots of the splines, because shadows on a floor look flat, and most of them in each direction."""
_LIFT: Final = 8.0
"""Levels added before logarithms are taken, because ratios of nearly black values are unreliable."""
_EVEN: Final = 0.004
"""Differences of neighboring logarithms below this count as even."""
_STIFFNESS: Final = 0.02
_OWN_VARIATION, _OWN_VARIATION_SEEN = 0.6, 0.2
"""Weight of the total variation of the shadow, relative to that of the image; without it textures become shadow. Less where the
light was seen to change.
"""
_REWEIGHTINGS: Final = 12
_MIN_DEPTH, _MIN_PEAK, _MAX_DEPTH = 0.02, 0.06, 1.1
"""Logarithms of the factor: least at a pixel of the shadow, least in its middle, and largest."""

_Array = NDArray[np.float64]


def remove_standing_shadow(
    image_rgb: NDArray[np.uint8], feet_share: NDArray[np.floating], changing: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Lighten the soft shadow where the person usually stands; keep the image where they have no such place.

    image_rgb: uint8 [H,W,3], the background. feet_share: float [h,w], fraction of the samples in which the feet are near.
    changing: bool [h,w], where a shadow was seen to come and go.
    """
    box = _searched_box(feet_share > _USUAL)
    if box is None:
        return image_rgb
    height, width = image_rgb.shape[:2]
    scale_y, scale_x = height / feet_share.shape[0], width / feet_share.shape[1]
    rows = slice(round(box[0] * scale_y), round(box[1] * scale_y))
    columns = slice(round(box[2] * scale_x), round(box[3] * scale_x))
    part = image_rgb[rows, columns]
    shrink = min(1.0, _SIDE_PX / max(part.shape[:2]))
    size = max(8, round(part.shape[1] * shrink)), max(8, round(part.shape[0] * shrink))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    usual = cv2.resize((feet_share[box[0] : box[1], box[2] : box[3]] > _USUAL).astype(np.uint8), size) > 0
    seen = cv2.resize(changing[box[0] : box[1], box[2] : box[3]].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    own_variation = _OWN_VARIATION + (_OWN_VARIATION_SEEN - _OWN_VARIATION) * seen.astype(np.float64)
    depth = _at_place(_shadow_depth(np.log(small + _LIFT), own_variation, cut_below=rows.stop >= height), np.asarray(usual))
    if not depth.any():
        return image_rgb
    full = cv2.resize(depth.astype(np.float32), part.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    gain = np.exp(np.maximum(full, 0))[..., None]
    lit = image_rgb.copy()
    lit[rows, columns] = np.clip(np.rint((part + np.float32(_LIFT)) * gain - np.float32(_LIFT)), 0, 255).astype(np.uint8)
    return lit


def _searched_box(usual: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """The part around the largest usual place as (top, bottom, left, right), or None if the person has none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(usual.astype(np.uint8))
    if count < 2:
        return None
    left, top, width, height, _ = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())].tolist()
    across, along = round(_REACH_X * width), round(_REACH_Y * height)
    bottom, right = min(usual.shape[0], top + height + along), min(usual.shape[1], left + width + across)
    return max(0, top - along), bottom, max(0, left - across), right


def _shadow_depth(log_rgb: _Array, own_variation: _Array, *, cut_below: bool) -> _Array:
    """Logarithm [h,w] of the smooth factor without which log_rgb, float64 [h,w,3], varies least; 0 at the border.

    own_variation: [h,w], weight of the factor's own variation. cut_below: the image ends at the lower border, beyond which the
    shadow may continue.
    """
    height, width = log_rgb.shape[:2]
    down, across = _spline_basis(height, _KNOT_Y_PX, free_end=cut_below), _spline_basis(width, _KNOT_X_PX, free_end=False)
    design = np.concatenate([
        np.kron(down, np.diff(across, axis=0)), np.kron(np.diff(down, axis=0), across),
    ])  # fmt: skip
    changes = np.concatenate([np.diff(log_rgb, axis=1).reshape(-1, 3), np.diff(log_rgb, axis=0).reshape(-1, 3)])
    own_weight = 3 * np.concatenate([own_variation[:, 1:].ravel(), own_variation[1:].ravel()])
    bend = _STIFFNESS * np.eye(design.shape[1])
    coefficients = np.zeros(design.shape[1])
    for _ in range(_REWEIGHTINGS):
        change = design @ coefficients
        weight = 1 / np.maximum(np.abs(changes + change[:, None]), _EVEN)
        own = own_weight / np.maximum(np.abs(change), _EVEN)
        normal = design.T @ (design * (weight.sum(axis=1) + own)[:, None])
        coefficients = np.linalg.solve(normal + bend, -design.T @ (weight * changes).sum(axis=1))
    depth = (down @ coefficients.reshape(down.shape[1], -1)) @ across.T
    return np.asarray(np.clip(depth, 0, _MAX_DEPTH))


def _spline_basis(length: int, knot_px: float, *, free_end: bool) -> _Array:
    """Cubic B-splines [length,K] that are 0 at the start and, unless `free_end`, at the end."""
    count = min(max(5, round(length / knot_px)), _MAX_KNOTS)
    step = (length - 1) / count
    centers = np.arange(2, count + (2 if free_end else -1)) * step
    distance = np.abs(np.arange(length)[:, None] - centers) / step
    near = (4 - 6 * distance**2 + 3 * distance**3) / 6
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.asarray(np.where(distance < 1, near, far))


def _at_place(depth: _Array, usual: NDArray[np.bool_]) -> _Array:
    """Keep the dark spots that are deep enough and reach the usual place of the feet."""
    spots = (depth > _MIN_DEPTH).astype(np.uint8)
    _, parts = cv2.connectedComponents(spots)
    kept = np.intersect1d(parts[depth > _MIN_PEAK], parts[usual & (spots > 0)])
    inside = cv2.dilate(np.isin(parts, kept[kept > 0]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray(np.where(inside, depth, 0))
