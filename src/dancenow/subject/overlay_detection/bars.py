"""Find bars and borders: the box of the frame that shows the scene, when something else fills the frame around it.

Bars are flat. A border may also be a blurred or still picture; it is told by straight edges along whole sides of the box, and
by what moves inside of it and not outside.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.overlay_detection.frame_stack import FrameStack
from dancenow.subject.overlays import ContentBox

_MIN_BAND: Final = 0.004
"""Thickness of a bar at least, as a fraction of the frame's size across it: thinner dark lines are errors of an encoder."""
_FLAT_LEVELS, _STILL_LEVELS, _BLACK_LEVEL = 8.0, 6.0, 28.0
_FLAT_FRACTION, _STILL_FRACTION = 0.55, 0.97
"""Fractions of every line of a bar that have its color (a caption does not), and of the bar that never change."""
_FLAT_FRACTION_OF_COLOR: Final = 0.8
"""The same for a bar that is not black, as a plain wall is not."""
_STEP_LEVELS, _STEP_FRACTION = 12.0, 0.5
"""How much the picture differs from the bar next to it, and along which fraction of the line."""
_MAX_BAND: Final = 0.45
_MOVING_LEVELS, _MOVING_LINE, _STILL_LINE = 1.5, 0.1, 0.05
"""What counts as moving, noise included, because a still picture has none; fraction of a line along which the moving picture
begins at once, and fraction that moves outside of it."""
_SPILL_PX: Final = 8, 28
"""Distances from the moving picture, in px, between which its border is still; nearer, an encoder spills into it."""
_EDGE_LEVELS, _EDGE_FRACTION, _EDGE_PEAK = 1.5, 0.25, 5.0
"""An edge of such a border: least step in gray levels, fraction of the line that has it, and ratio to the steps nearby."""
_THIN_PX: Final = 12
"""A border of a picture that moves is thicker."""
_MIN_SIDE: Final = 0.25
_SMOOTH: Final = 0.12
"""Fine structure of a blurred border, compared with the picture."""
_MAX_PERSON_OUTSIDE: Final = 0.01


def find_content(stack: FrameStack) -> ContentBox | None:
    """The box of the frame that shows the scene, in px of the gray images; None if it is the whole frame."""
    height, width = stack.gray.shape[1:]
    box = _flat_bars(stack)
    for find in (_moving_picture, _smooth_bands):
        if box == ContentBox(0, 0, width, height):
            box = find(stack)
    is_whole = box == ContentBox(0, 0, width, height)
    return None if is_whole or _person_outside(stack, box) > _MAX_PERSON_OUTSIDE else box


def _person_outside(stack: FrameStack, box: ContentBox) -> float:
    """Fraction of the person that is outside of a box."""
    person = stack.person > 200
    total = int(person.sum())
    return 1 - float(person[:, box.rows, box.columns].sum()) / total if total else 0.0


def _flat_bars(stack: FrameStack) -> ContentBox:
    """Bars of one color. One that is not black has a partner of the same color on the opposite side."""
    height, width = stack.gray.shape[1:]
    median = np.median(stack.gray, axis=0).astype(np.float32)
    changing = np.percentile(np.abs(stack.gray - median), 90, axis=0).astype(np.float32)
    y0, y1 = _opposite_bars(median, changing)
    x0, x1 = _opposite_bars(median[y0 : height - y1].T, changing[y0 : height - y1].T)
    return ContentBox(x0, y0, width - x1, height - y1)


def _opposite_bars(median: NDArray[np.float32], changing: NDArray[np.float32]) -> tuple[int, int]:
    """Thickness of the bars along the first and the last rows, 0 if there is none."""
    first, first_level = _bar(median, changing)
    last, last_level = _bar(median[::-1], changing[::-1])
    is_pair = first > 0 and last > 0 and abs(first_level - last_level) < _FLAT_LEVELS
    return (
        first if first_level < _BLACK_LEVEL or is_pair else 0,
        last if last_level < _BLACK_LEVEL or is_pair else 0,
    )


def _bar(median: NDArray[np.float32], changing: NDArray[np.float32]) -> tuple[int, float]:
    """Thickness and gray level of a bar along the first rows; the picture must differ from it where it ends."""
    level = float(np.median(median[:2]))
    flat, still = np.abs(median - level) < _FLAT_LEVELS, changing < _STILL_LEVELS
    is_bar = (flat & still).mean(axis=1) >= (_FLAT_FRACTION if level < _BLACK_LEVEL else _FLAT_FRACTION_OF_COLOR)
    thickness = int(np.argmin(is_bar)) if not is_bar.all() else len(is_bar)
    is_thin = thickness < max(2, _MIN_BAND * len(median))
    if is_thin or thickness > _MAX_BAND * len(median) or still[:thickness].mean() < _STILL_FRACTION:
        return 0, level
    beyond = np.abs(median[thickness + 1 : thickness + 4] - level).max(axis=0)
    is_flat = flat[thickness - 1]
    return (thickness if (beyond > _STEP_LEVELS)[is_flat].mean() >= _STEP_FRACTION else 0), level


def _moving_picture(stack: FrameStack) -> ContentBox:
    """A box in which the scene moves along all of its sides, while nothing moves outside."""
    height, width = stack.gray.shape[1:]
    whole = ContentBox(0, 0, width, height)
    moving = cv2.medianBlur(((stack.spread > _MOVING_LEVELS) & stack.clear.any(axis=0)).astype(np.uint8), 5) > 0
    box = whole
    for _ in range(2):  # the columns of the box tell its rows, and the other way round
        rows = _jumps(moving[:, box.columns].mean(axis=1)) or (0, height)
        columns = _jumps(moving[slice(*rows)].mean(axis=0)) or (0, width)
        box = ContentBox(columns[0], rows[0], columns[1], rows[1])
    y0, y1 = _between_edges(stack.median[:, box.columns], box.y0, box.y1)
    x0, x1 = _between_edges(stack.median[box.rows].T, box.x0, box.x1)
    box = ContentBox(x0, y0, x1, y1)
    outside = moving.copy()
    outside[box.rows, box.columns] = False
    is_large = box.x1 - box.x0 > _MIN_SIDE * width and box.y1 - box.y0 > _MIN_SIDE * height
    return box if is_large and outside.mean() < _STILL_LINE / 3 else whole


def _between_edges(median: NDArray[np.float32], start: int, stop: int) -> tuple[int, int]:
    """The rows between a border on both of two opposite sides, exactly; all rows if there is no edge along most of it.

    A plain wall or sky along one side does not move visibly either.
    """
    if start < _THIN_PX or stop > len(median) - _THIN_PX:
        return 0, len(median)
    steps = np.abs(np.diff(median, axis=0))
    near, edges = _SPILL_PX[0], []
    for edge in (start, stop):
        around = steps[edge - near : edge + near].mean(
            axis=1
        )  # the median of a picture that moves is soft, a border's edge sharp
        peak = int(around.argmax())
        along = steps[edge - near + peak] > _EDGE_LEVELS
        if around[peak] < _EDGE_PEAK * np.median(around) or along.mean() < _EDGE_FRACTION:
            return 0, len(median)
        edges.append(edge - near + peak + 1)
    return edges[0], edges[1]


def _jumps(profile: NDArray[np.float64]) -> tuple[int, int] | None:
    """Where a profile rises at once, and falls: first and end of what moves. At the edges of the frame it need not rise."""
    moving = np.flatnonzero(profile > _MOVING_LINE)
    if not len(moving):
        return None
    start, stop = int(moving[0]), int(moving[-1]) + 1
    near, far = _SPILL_PX
    outside = profile[max(start - far, 0) : max(start - near, 0)], profile[stop + near : stop + far]
    if any(len(outward) and outward.max() > _STILL_LINE for outward in outside):
        return None
    return (0 if start < _THIN_PX else start, len(profile) if stop > len(profile) - _THIN_PX else stop)


def _smooth_bands(stack: FrameStack) -> ContentBox:
    """Blurred bands of equal width on opposite sides of a picture that is sharp."""
    height, width = stack.gray.shape[1:]
    detail = np.median(np.abs(stack.fine), axis=0).astype(np.float32)
    median = np.median(stack.gray, axis=0).astype(np.float32)
    rows = _equal_bands(detail, median)
    if rows:
        return ContentBox(0, rows, width, height - rows)
    columns = _equal_bands(detail.T, median.T)
    return ContentBox(columns, 0, width - columns, height)


def _equal_bands(detail: NDArray[np.float32], median: NDArray[np.float32]) -> int:
    """Thickness of smooth bands along the first and the last rows, 0 if there are none."""
    line = np.percentile(detail, 95, axis=1)
    limit = _SMOOTH * float(np.mean(line[len(line) // 3 : -len(line) // 3]))
    is_smooth = line < max(limit, 0.35)
    ends = [int(np.argmin(each)) if not each.all() else 0 for each in (is_smooth, is_smooth[::-1])]
    thickness = min(ends)
    if thickness < 0.03 * len(line) or thickness > _MAX_BAND * len(line) or abs(ends[0] - ends[1]) > 6:
        return 0
    for edge, image in zip(ends, (median, median[::-1]), strict=True):
        step = np.abs(image[edge + 3] - image[edge - 3])
        if (step > _STEP_LEVELS / 2).mean() < _STEP_FRACTION - 0.1 or line[edge] == 0:
            return 0
    return thickness + 2
