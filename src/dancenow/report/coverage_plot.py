"""A dance and its coverage in one picture: frames of the dance, the nearest ones of the footage, the curve, and what lacks.

Drawn with OpenCV, one column of thumbnails to a stretch of time, so that what is said of a moment stands below its picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import read_frames_at
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.subject.coverage import UNCOVERED, Coverage, Uncovered
from dancenow.types import ImageRGB

WIDTH_PX: Final = 1680
LEFT_PX: Final = 110
"""Room for the names of the rows."""
COLUMNS: Final = 14
THUMB_PX: Final = 150
CURVE_PX: Final = 190
STRIP_PX: Final = 18
LINE_PX: Final = 22
LISTED: Final = 12
"""Ranges that are written out below the curve; the rest is counted."""
FULL_SCALE: Final = 3.0
"""The curve's height, as a multiple of the distance from which a pose is not covered."""

INK, FAINT, PAPER = (40, 40, 45), (150, 150, 155), (250, 250, 248)
GOOD, FAIR, BAD, SHADE = (70, 150, 90), (235, 190, 70), (205, 70, 50), (250, 222, 212)

Colour = tuple[int, int, int]


def draw_timeline(
    coverage: Coverage,
    dance: Path,
    out: Path,
    *,
    footage: Path | None = None,
    title: str = "",
    on_progress: ProgressCallback = ignore_progress,
) -> None:
    """Write the picture to `out`, a .png file.

    Args:
        dance: the source's video, whose frames `coverage` is of. footage: the target's video, whose nearest frames are shown
            below those of the dance; None if only its poses are known. title: what is compared.

    Raises:
        UserError: a video cannot be read, or `out` cannot be written.
    """
    require_writable(out, ".png")
    centres = [round((i + 0.5) * len(coverage.time_s) / COLUMNS) for i in range(COLUMNS)]
    centres = [min(index, len(coverage.time_s) - 1) for index in centres]
    rows = [_heading(title, coverage.summary), _thumbnails("dance", dance, centres, on_progress)]
    if footage is not None:
        rows.append(_thumbnails("nearest footage", footage, [int(coverage.nearest[i]) for i in centres], on_progress))
    rows += [_curve(coverage), _strips(coverage), _axis(coverage), _list(coverage.ranges)]
    picture = np.concatenate(rows)
    with complete_or_absent(out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def _blank(height_px: int) -> ImageRGB:
    return np.full((height_px, WIDTH_PX, 3), PAPER, np.uint8)


def _write(image: ImageRGB, text: str, x: int, y: int, size: float = 0.5, colour: Colour = INK) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _width_of(text: str, size: float = 0.5) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])


def _x_of(coverage: Coverage, time_s: float) -> int:
    """Column of the picture for a time."""
    stop_s = float(coverage.time_s[-1]) or 1.0
    return LEFT_PX + round((WIDTH_PX - LEFT_PX - 10) * min(max(time_s / stop_s, 0.0), 1.0))


def _heading(title: str, summary: str) -> ImageRGB:
    image = _blank(70)
    _write(image, title, 10, 26, 0.7)
    _write(image, summary, 10, 54, 0.55)
    return image


def _thumbnails(name: str, video: Path, indices: Sequence[int], on_progress: ProgressCallback) -> ImageRGB:
    """A row of the frames with these numbers; negative ones stay empty."""
    image = _blank(THUMB_PX + 8)
    for line, word in enumerate(name.split()):
        _write(image, word, 10, THUMB_PX // 2 + 20 * line)
    room_px = (WIDTH_PX - LEFT_PX - 10) / COLUMNS
    frames: dict[int, ImageRGB] = {}
    wanted = sorted({index for index in indices if index >= 0})
    for frame in read_frames_at(video, wanted):
        frames[frame.index] = frame.image_rgb
        on_progress(Progress("timeline", len(frames), len(wanted)))
    for column, index in enumerate(indices):
        if index not in frames:
            continue
        picture = frames[index]
        scale = min(THUMB_PX / picture.shape[0], (room_px - 4) / picture.shape[1])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        x = round(LEFT_PX + (column + 0.5) * room_px - size[0] / 2)
        y = (THUMB_PX - size[1]) // 2
        image[y : y + size[1], x : x + size[0]] = small
    return image


def _curve(coverage: Coverage) -> ImageRGB:
    """The distance over time, upwards is farther from the footage, with the uncovered ranges shaded and named."""
    names_px = 3 * LINE_PX
    image = _blank(CURVE_PX + names_px)
    bottom = names_px + CURVE_PX - 4

    def y_of(distance: float) -> int:
        return bottom - round((CURVE_PX - 12) * min(distance / (FULL_SCALE * UNCOVERED), 1.0))

    for each in coverage.ranges:
        x, end = _x_of(coverage, each.start_s), _x_of(coverage, each.stop_s)
        image[names_px:bottom, x : max(end, x + 2)] = SHADE
    cv2.line(image, (LEFT_PX, y_of(UNCOVERED)), (WIDTH_PX - 10, y_of(UNCOVERED)), FAINT, 1, cv2.LINE_AA)
    _write(image, "distance", 10, names_px + 20)
    _write(image, "not covered", 10, y_of(UNCOVERED) - 6, 0.42, FAINT)
    points = [
        (_x_of(coverage, float(time_s)), y_of(float(distance))) if np.isfinite(distance) else None
        for time_s, distance in zip(coverage.time_s, coverage.distance, strict=True)
    ]
    for before, after, distance in zip(points, points[1:], coverage.distance[1:], strict=False):
        if before is not None and after is not None:
            cv2.line(image, before, after, BAD if distance > UNCOVERED else GOOD, 2, cv2.LINE_AA)
    _name_ranges(image, coverage)
    return image


def _name_ranges(image: ImageRGB, coverage: Coverage) -> None:
    """Words above the ranges, in the first of three lines that has room; without room the list below must do."""
    taken = [LEFT_PX - 8] * 3
    for each in coverage.ranges:
        start, stop = _x_of(coverage, each.start_s), _x_of(coverage, each.stop_s)
        width = _width_of(each.what, 0.45)
        x = min(max((start + stop - width) // 2, LEFT_PX), WIDTH_PX - 10 - width)
        line = next((i for i in (2, 1, 0) if taken[i] + 8 <= x), None)
        if line is not None:
            _write(image, each.what, x, LINE_PX * (line + 1) - 7, 0.45, BAD)
            taken[line] = x + width


def _strips(coverage: Coverage) -> ImageRGB:
    """A coloured strip for each part of the body: green is near to the footage, red is far."""
    image = _blank((STRIP_PX + 3) * len(coverage.parts) + 6)
    columns = np.arange(LEFT_PX, WIDTH_PX - 10)
    time_s = (columns - LEFT_PX) / max(WIDTH_PX - LEFT_PX - 11, 1) * float(coverage.time_s[-1])
    rows = np.minimum(np.searchsorted(coverage.time_s, time_s), len(coverage.time_s) - 1)
    for i, (name, values) in enumerate(coverage.parts.items()):
        top = 4 + i * (STRIP_PX + 3)
        image[top : top + STRIP_PX, columns] = _colours(values[rows])
        _write(image, name, 10, top + STRIP_PX - 4)
    return image


def _colours(distance: NDArray[np.float64]) -> NDArray[np.uint8]:
    """uint8 [N,3] from green over yellow, where a pose begins to be uncovered, to red; paper where nobody is."""
    share = np.nan_to_num(distance / UNCOVERED)
    stops = (0.3, 1.0, 2.0)
    channels = [np.interp(share, stops, [colour[i] for colour in (GOOD, FAIR, BAD)]) for i in range(3)]
    colours = np.stack(channels, axis=1)
    return np.where(np.isfinite(distance)[:, None], colours, PAPER).astype(np.uint8)


def _axis(coverage: Coverage) -> ImageRGB:
    image = _blank(30)
    stop_s = float(coverage.time_s[-1])
    step_s = next((step for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if stop_s / step <= 20), 600)
    for k in range(int(stop_s / step_s) + 1):
        x = _x_of(coverage, k * step_s)
        cv2.line(image, (x, 0), (x, 6), INK, 1)
        text = clock(k * step_s)
        _write(image, text, min(x - _width_of(text, 0.42) // 2, WIDTH_PX - 60), 22, 0.42)
    return image


def _list(ranges: Sequence[Uncovered]) -> ImageRGB:
    shown = ranges[:LISTED]
    image = _blank(LINE_PX * (len(shown) + (len(ranges) > LISTED)) + 16)
    for i, each in enumerate(shown):
        text = f"{clock(each.start_s)} - {clock(each.stop_s)}   {each.what}.  {each.advice}"
        _write(image, text, 10, LINE_PX * (i + 1), 0.5)
    if len(ranges) > LISTED:
        _write(image, f"and {len(ranges) - LISTED} more", 10, LINE_PX * (LISTED + 1), 0.5)
    return image


def clock(time_s: float) -> str:
    """Minutes and seconds, 1:05.2, tenths only where they say something."""
    tenths = round(time_s * 10)
    text = f"{tenths // 600}:{tenths // 10 % 60:02d}"
    return f"{text}.{tenths % 10}" if tenths % 10 else text
