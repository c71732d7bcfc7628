"""Find small graphics that change, such as the digits of a clock: pixels that switch between two colors at their place.

They are frozen as they are in the middle of the video: a dance has its own length, so the footage's clock would jump in it.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.overlay_detection.frame_stack import FrameStack

_MIN_CHANGE, _MAX_NOISE = 48.0, 9.0
"""Distance of the two colors in gray levels, and the standard deviation around each."""
_MIN_TIMES: Final = 2
"""Frames at least that show either color."""
_MIN_SWITCHES: Final = 8
"""Changes of color at least, from one sampled frame to the next, somewhere in the graphic."""
_JOIN: Final = 0.012
_MAX_HEIGHT, _MAX_WIDTH, _MIN_FILL, _MIN_PX = 0.1, 0.5, 0.12, 24
"""Size of such a graphic at most, as a fraction of the frame; fraction of its box and number of px at least that switch."""
_AT_EDGE: Final = 0.22
"""Clocks are near the upper or lower edge of the picture, within this fraction of its height."""
_MIN_SHARPNESS: Final = 6.0
"""Fine structure of it in a frame, in gray levels."""


def find_changing(stack: FrameStack, inside: NDArray[np.bool_], beside: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Pixels of small changing graphics, bool [h,w].

    inside: bool [h,w], where to look. beside: bool [h,w], still graphics; where the camera moves, an edge of the scene switches
    between two colors as well, so that only what continues a still graphic counts.
    """
    switching, high = _two_colors(stack)
    switching &= inside & (np.abs(stack.fine[len(stack) // 2]) > _MIN_SHARPNESS / 3)
    radius = max(2, round(_JOIN * max(inside.shape)))
    joined = cv2.morphologyEx(switching.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    found = np.zeros_like(inside)
    scene = np.flatnonzero(inside.any(axis=1))
    upper, lower = np.percentile(scene, (100 * _AT_EDGE, 100 - 100 * _AT_EDGE)) if len(scene) else (0, 0)
    for left, top, width, height, _ in boxes[1:count]:
        part = slice(top, top + height), slice(left, left + width)
        own = switching[part]
        is_small = height <= _MAX_HEIGHT * len(inside) and width <= _MAX_WIDTH * inside.shape[1]
        is_at_edge = top + height <= upper or top >= lower
        if not is_small or not is_at_edge or own.sum() < max(_MIN_PX, _MIN_FILL * own.size):
            continue
        switches = (np.diff(high[:, *part].astype(np.int8), axis=0) != 0) & own
        is_sharp = np.median(np.abs(stack.fine[:, *part])[:, own]) >= _MIN_SHARPNESS
        reach = 2 * radius
        area = slice(top, top + height), slice(max(left - reach, 0), left + width + reach)
        if beside is not None and not beside[area].any():
            continue
        if is_sharp and (switches.mean(axis=(1, 2)) > 0.05 * own.mean()).sum() >= _MIN_SWITCHES:
            found[part] |= own
    return cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _two_colors(stack: FrameStack) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels that show one of two gray levels in every frame without the person, bool [h,w]; and when the brighter, [N,h,w]."""
    shape = stack.gray.shape[1:]
    candidates = (stack.spread >= _MIN_CHANGE / 2) & (stack.clear.sum(axis=0) >= 0.5 * len(stack))
    rows, columns = np.nonzero(candidates)
    use = stack.clear[:, rows, columns]
    values = np.where(use, stack.gray[:, rows, columns].astype(np.float64), np.inf)
    values.sort(axis=0)
    count = use.sum(axis=0)
    values[~np.isfinite(values)] = 0.0
    sums, squares = values.cumsum(axis=0), (values**2).cumsum(axis=0)
    best, threshold = np.full(len(rows), np.inf), np.zeros(len(rows))
    for low in range(_MIN_TIMES, len(stack) - _MIN_TIMES + 1):
        high = np.maximum(count - low, 1)
        mean_low, mean_high = sums[low - 1] / low, (sums[-1] - sums[low - 1]) / high
        within = (squares[-1] - low * mean_low**2 - high * mean_high**2) / np.maximum(count, 1)
        is_better = (within < best) & (count - low >= _MIN_TIMES) & (mean_high - mean_low >= _MIN_CHANGE)
        best, threshold = np.where(is_better, within, best), np.where(is_better, (mean_low + mean_high) / 2, threshold)
    found, limit = np.zeros(shape, bool), np.zeros(shape)
    found[rows, columns], limit[rows, columns] = best <= _MAX_NOISE**2, threshold
    return found, stack.gray > limit
