"""Find still graphics: fine structure that stays where it is in the frame although the scene or the person behind it moves.

As for removing watermarks (Dekel et al., 2017), what all frames have in common in their fine structure is the overlay. Here
most frames of a tripod have all of the scene in common, so a graphic is only believed where the camera moves around it, or
where the person passes behind it.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.overlay_detection.frame_stack import FrameStack, masked_median

_STRONG_LEVELS: Final = 4.0
"""Fine structure that counts, in gray levels: a logo of a tenth of the contrast still has this."""
_TEXTURE_LEVELS: Final = 2.5
_CONSISTENT: Final = 0.92
"""Fraction of the frames in which the fine structure of a graphic is the same."""
_MOSTLY_CONSISTENT: Final = 0.7
"""The same for what continues a graphic: a strong edge of the scene shows through one that is not opaque."""
_INCONSISTENT: Final = 0.8
_MIN_CLEAR: Final = 0.3
"""Fraction of the frames at least in which the person is elsewhere."""
_TILES, _MIN_TILE_PX, _MIN_MOVING_TILES = 10, 12, 5
_MOVING_PX, _MOVING_TILES = 0.3, 0.3
"""Fraction of the texture of a tile that changes if the camera moves, as a horizon does not in a pan, and of such tiles."""
_MAX_STEADY: Final = 0.55
"""Part of the texture that graphics are at most: if more is still, the camera is, and something else moves."""
_MAX_SPREAD: Final = 0.25
"""Tiles of the frame that graphics touch at most, for the same reason."""
_JOIN: Final = 0.012
"""Parts of a graphic are at most this far apart, as a fraction of the longer side of the frame."""
_MIN_PARTS_PX: Final = 24
_STROKE_PX: Final = 2
"""Half of the width of a stroke whose middle has no fine structure, apart from those that enclose an area."""
_MIN_CROSS_ENERGY: Final = 0.08
"""Structure across the main direction of a graphic, of the total: a horizon stays where it is when the camera pans."""
_MAX_GRAPHIC: Final = 0.25
"""Of the frame."""
_DEEP: Final = 0.02
"""How deep inside of the person's mask something in front of them is, as a fraction of the height of the frame."""
_MIN_DEEP_FRAMES, _IN_FRONT_LEVELS, _IN_FRONT = 4, 6.0, 0.8


def find_graphics(stack: FrameStack, inside: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Pixels of graphics that are still while the camera moves, bool [h,w]; None if it does not move.

    inside: bool [h,w], where the scene is.
    """
    strong, texture, consistency = _steadiness(stack)
    steady = strong & (consistency >= _CONSISTENT)
    texture &= inside
    if not _camera_moves(texture, consistency):
        return None
    found = _filled(
        steady & inside, stack, (_steady_before_person(stack) | (strong & (consistency >= _MOSTLY_CONSISTENT))) & inside
    )
    spread = np.asarray(cv2.resize(found.astype(np.float32), (_TILES, _TILES), interpolation=cv2.INTER_AREA) > 0).mean()
    return None if spread > _MAX_SPREAD or (found & steady).sum() > _MAX_STEADY * texture.sum() else found


def find_in_front(stack: FrameStack, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of graphics behind which the person passes, bool [h,w]: they look the same whether the person is there or not."""
    radius = max(2, round(_DEEP * stack.gray.shape[1]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    deep = np.stack([cv2.erode((mask > 230).astype(np.uint8), disc) > 0 for mask in stack.person])
    count = deep.sum(axis=0)
    room = masked_median(stack.fine, stack.clear)
    same = (np.abs(stack.fine - room) <= 2 + 0.35 * np.abs(room)) & deep
    found = (np.abs(room) >= _IN_FRONT_LEVELS) & (count >= _MIN_DEEP_FRAMES) & (stack.clear.sum(axis=0) >= _MIN_DEEP_FRAMES)
    return _filled(found & (same.sum(axis=0) >= _IN_FRONT * count) & inside, stack)


def _steadiness(stack: FrameStack) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]:
    """Pixels with strong common structure; pixels with any texture; fraction of the frames with the common structure."""
    count = stack.clear.sum(axis=0)
    common = masked_median(stack.fine, stack.clear)
    same = (np.abs(stack.fine - common) <= np.maximum(3, 0.4 * np.abs(common))) & stack.clear
    enough = count >= max(3, _MIN_CLEAR * len(stack))
    consistency = np.asarray(same.sum(axis=0) / np.maximum(count, 1), np.float32)
    texture = enough & (masked_median(np.abs(stack.fine), stack.clear) >= _TEXTURE_LEVELS)
    return enough & (np.abs(common) >= _STRONG_LEVELS), texture, consistency


def _steady_before_person(stack: FrameStack) -> NDArray[np.bool_]:
    """Pixels with the same strong structure in nearly all frames, where the person is in most of them."""
    rarely_clear = stack.clear.sum(axis=0) < max(3, _MIN_CLEAR * len(stack))
    common = np.median(stack.fine[:, rarely_clear], axis=0)
    same = (np.abs(stack.fine[:, rarely_clear] - common) <= np.maximum(3, 0.4 * np.abs(common))).mean(axis=0)
    steady = np.zeros(rarely_clear.shape, np.bool_)
    steady[rarely_clear] = (np.abs(common) >= _STRONG_LEVELS) & (same >= _CONSISTENT)
    return steady


def _camera_moves(texture: NDArray[np.bool_], consistency: NDArray[np.float32]) -> bool:
    """Whether the texture of the scene changes in many tiles of the frame."""
    moving = textured = 0
    for rows in np.array_split(np.arange(len(texture)), _TILES):
        for columns in np.array_split(np.arange(texture.shape[1]), _TILES):
            tile = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            values = consistency[tile][texture[tile]]
            if len(values) >= _MIN_TILE_PX:
                textured += 1
                moving += bool((values < _INCONSISTENT).mean() >= _MOVING_PX)
    return moving >= max(_MIN_MOVING_TILES, _MOVING_TILES * textured)


def _filled(parts: NDArray[np.bool_], stack: FrameStack, more: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Join nearby parts to graphics without those that are too small, too large or mere lines; fill what they enclose.

    more: bool [h,w], what belongs to a graphic if it continues one.
    """
    certain, parts = parts, parts if more is None else parts | more
    radius = max(2, round(_JOIN * max(parts.shape)))
    joined = cv2.morphologyEx(parts.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    light = cv2.GaussianBlur(stack.median, (0, 0), 1.0)
    gradient_x, gradient_y = (cv2.Sobel(light, cv2.CV_32F, dx, dy, ksize=3) for dx, dy in ((1, 0), (0, 1)))
    found = np.zeros_like(parts)
    for label in range(1, count):
        own = parts & (labels == label)
        if (own & certain).sum() < _MIN_PARTS_PX:
            continue
        x, y = gradient_x[own], gradient_y[own]
        energies = np.linalg.eigvalsh([[float(x @ x), float(x @ y)], [float(x @ y), float(y @ y)]])
        if energies[0] < _MIN_CROSS_ENERGY * energies.sum() or own.sum() > _MAX_GRAPHIC * own.size:
            continue
        strokes = cv2.dilate(own.astype(np.uint8), np.ones((2 * _STROKE_PX + 1, 2 * _STROKE_PX + 1), np.uint8))
        contours, _ = cv2.findContours(strokes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        found |= cv2.drawContours(np.zeros(parts.shape, np.uint8), contours, -1, 1, cv2.FILLED) > 0
    return found
