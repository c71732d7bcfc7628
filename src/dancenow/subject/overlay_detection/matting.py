"""The color and the opacity of graphics, from how the frames vary where they are and around them.

Where a graphic covers a fraction of the scene, the scene's changes are weaker by that fraction; where the scene hardly changes,
the graphic is what differs from its surroundings. What is behind is interpolated from around the graphic.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.hole_filling import interpolate_membrane
from dancenow.subject.overlay_detection.frame_stack import FrameStack

_MARGIN: Final = 0.015
"""Surroundings of a graphic that are looked at, as a fraction of the longer side of the frame."""
_FIRST_LEVELS, _SURE_LEVELS, _NOISE_LEVELS = 10.0, 30.0, 4.0
"""Spread of the scene in gray levels from which its changes tell the opacity, above which they alone do, and of an encoder."""
_FAINT_LEVELS, _CLEAR_LEVELS = 5.0, 18.0
"""Difference from the surroundings at which a graphic becomes visible, and at which it is opaque."""
_MIN_ALPHA, _OPAQUE = 0.1, 0.85
_MIN_FRAMES: Final = 3


def graphics_rgba(stack: FrameStack, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image of still graphics, uint8 [H,W,4], transparent outside of `mask` bool [H,W]."""
    height, width = mask.shape
    rgba = np.zeros((height, width, 4), np.uint8)
    margin = max(4, round(_MARGIN * max(mask.shape)))
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(near)
    for left, top, box_width, box_height, _ in boxes[1:count]:
        part = slice(top, top + box_height), slice(left, left + box_width)
        rgba[part] = _part_rgba(stack, mask[part], part)
    return rgba


def _part_rgba(stack: FrameStack, mask: NDArray[np.bool_], part: tuple[slice, slice]) -> NDArray[np.uint8]:
    """One graphic, in its part of the frame."""
    images = np.stack([image[part] for image in stack.images])
    use = _without_person(stack, part)
    count = np.maximum(use.sum(axis=0), 1)
    middle, spread = np.empty((*mask.shape, 3), np.float32), np.zeros(mask.shape, np.float32)
    for channel in range(3):
        values = np.where(use, images[..., channel].astype(np.float32), np.inf)
        values.sort(axis=0)
        ranks = [np.take_along_axis(values, (count - 1)[None] * rank // 10, axis=0)[0] for rank in (1, 5, 9)]
        middle[..., channel] = ranks[1]
        spread += (ranks[2] - ranks[0]) / 3
    around = (~cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)).astype(np.float32)
    behind = interpolate_membrane(np.where(np.isfinite(middle), middle, 0).astype(np.float32), around)
    scene_spread = interpolate_membrane(np.repeat(spread[..., None], 3, axis=2), around)[..., 0]
    by_changes = 1 - np.maximum(spread - _NOISE_LEVELS, 0) / np.maximum(scene_spread, 1e-3)
    difference = np.abs(middle - behind).max(axis=2)
    by_color = (difference - _FAINT_LEVELS) / (_CLEAR_LEVELS - _FAINT_LEVELS)
    weight = np.clip((scene_spread - _FIRST_LEVELS) / (_SURE_LEVELS - _FIRST_LEVELS), 0, 1)
    alpha = weight * np.clip(by_changes, 0, 1) + (1 - weight) * np.clip(by_color, 0, 1)
    alpha[(alpha < _MIN_ALPHA) | ~mask] = 0
    alpha[alpha > _OPAQUE] = 1
    color = (middle - (1 - alpha[..., None]) * behind) / np.maximum(alpha[..., None], _MIN_ALPHA)
    return np.concatenate([np.clip(np.rint(color), 0, 255), np.rint(alpha[..., None] * 255)], axis=2).astype(np.uint8)


def _without_person(stack: FrameStack, part: tuple[slice, slice]) -> NDArray[np.bool_]:
    """bool [N,h,w], in a part of the full frame: not the person; all frames where the person is in nearly all of them."""
    height, width = stack.images[0].shape[:2]
    rows = (np.arange(part[0].start, part[0].stop) * stack.gray.shape[1]) // height
    columns = (np.arange(part[1].start, part[1].stop) * stack.gray.shape[2]) // width
    use = stack.clear[:, rows][:, :, columns]
    return np.asarray(use | (use.sum(axis=0) < _MIN_FRAMES), np.bool_)
