"""Plot the coverage of a source video: its frames, the nearest frames of the footage, the distance curve, and the gaps.

Drawn with OpenCV, one column of thumbnails per stretch of time, so that each part of the curve is below its image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.subject.coverage import UNCOVERED_DISTANCE, Coverage, UncoveredRange
from dancenow.types import ImageRGB

WIDTH_PX: Final = 1680
LEFT_PX: Final = 110
"""Room for the row labels."""
COLUMNS: Final = 14
THUMB_PX: Final = 150
CURVE_PX: Final = 190
STRIP_PX: Final = 18
LINE_PX: Final = 22
MAX_LISTED: Final = 12
"""Ranges listed below the curve; the rest is counted."""
FULL_SCALE: Final = 3.0
"""Height of the curve, as a multiple of the distance from which a pose is not covered."""

INK, FAINT, BACKGROUND = (40, 40, 45), (150, 150, 155), (250, 250, 248)
GOOD, FAIR, BAD, SHADE = (70, 150, 90), (235, 190, 70), (205, 70, 50), (250, 222, 212)

Color = tuple[int, int, int]


def draw_coverage_plot(
    coverage: Coverage,
    source_video: VideoInput,
    out: Path,
    *,
    target_video: VideoInput | None = None,
    title: str = "",
    on_progress: ProgressCallback = ignore_progress,
) -> None:
    """Write the plot to `out`, a .png file.

    Args:
        source_video: the video of `coverage`.
        target_video: the target's footage, whose nearest frames are shown below those of the source; None if only its poses are
            known.
        title: what is compared.

    Raises:
        UserError: a video cannot be read, or `out` cannot be written.
    """
    require_writable(out, ".png")
    centers = [round((i + 0.5) * len(coverage.time_s) / COLUMNS) for i in range(COLUMNS)]
    centers = [min(index, len(coverage.time_s) - 1) for index in centers]
    rows = [_heading(title, coverage.summary), _thumbnails("dance", open_video(source_video), centers, on_progress)]
    if target_video is not None:
        nearest = [int(coverage.nearest[i]) for i in centers]
        rows.append(_thumbnails("nearest footage", open_video(target_video), nearest, on_progress))
    rows += [_curve(coverage), _strips(coverage), _axis(coverage), _range_list(coverage.ranges)]
    image = np.concatenate(rows)
    with complete_or_absent(out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


def _blank(height_px: int) -> ImageRGB:
    return np.full((height_px, WIDTH_PX, 3), BACKGROUND, np.uint8)


def _put_text(image: ImageRGB, text: str, x: int, y: int, size: float = 0.5, color: Color = INK) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)


def _width_of(text: str, size: float = 0.5) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])


def _x_of(coverage: Coverage, time_s: float) -> int:
    """Column of the plot for a time."""
    stop_s = float(coverage.time_s[-1]) or 1.0
    return LEFT_PX + round((WIDTH_PX - LEFT_PX - 10) * min(max(time_s / stop_s, 0.0), 1.0))


def _heading(title: str, summary: str) -> ImageRGB:
    image = _blank(70)
    _put_text(image, title, 10, 26, 0.7)
    _put_text(image, summary, 10, 54, 0.55)
    return image


def _thumbnails(name: str, video: VideoSource, indices: Sequence[int], on_progress: ProgressCallback) -> ImageRGB:
    """A row of the given frames; negative numbers leave a gap."""
    row = _blank(THUMB_PX + 8)
    for line, word in enumerate(name.split()):
        _put_text(row, word, 10, THUMB_PX // 2 + 20 * line)
    room_px = (WIDTH_PX - LEFT_PX - 10) / COLUMNS
    frames: dict[int, ImageRGB] = {}
    wanted = sorted({index for index in indices if index >= 0})
    for frame in video.frames_at(wanted):
        frames[frame.index] = frame.image_rgb
        on_progress(Progress("coverage plot", len(frames), len(wanted)))
    for column, index in enumerate(indices):
        if index not in frames:
            continue
        image = frames[index]
        scale = min(THUMB_PX / image.shape[0], (room_px - 4) / image.shape[1])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        x = round(LEFT_PX + (column + 0.5) * room_px - size[0] / 2)
        y = (THUMB_PX - size[1]) // 2
        row[y : y + size[1], x : x + size[0]] = small
    return row


def _curve(coverage: Coverage) -> ImageRGB:
    """Distance over time, with uncovered ranges shaded and labeled; up is farther from the footage."""
    names_px = 3 * LINE_PX
    image = _blank(CURVE_PX + names_px)
    bottom = names_px + CURVE_PX - 4

    def y_of(distance: float) -> int:
        return bottom - round((CURVE_PX - 12) * min(distance / (FULL_SCALE * UNCOVERED_DISTANCE), 1.0))

    for each in coverage.ranges:
        x, end = _x_of(coverage, each.start_s), _x_of(coverage, each.stop_s)
        image[names_px:bottom, x : max(end, x + 2)] = SHADE
    cv2.line(image, (LEFT_PX, y_of(UNCOVERED_DISTANCE)), (WIDTH_PX - 10, y_of(UNCOVERED_DISTANCE)), FAINT, 1, cv2.LINE_AA)
    _put_text(image, "distance", 10, names_px + 20)
    _put_text(image, "not covered", 10, y_of(UNCOVERED_DISTANCE) - 6, 0.42, FAINT)
    points = [
        (_x_of(coverage, float(time_s)), y_of(float(distance))) if np.isfinite(distance) else None
        for time_s, distance in zip(coverage.time_s, coverage.distance, strict=True)
    ]
    for before, after, distance in zip(points, points[1:], coverage.distance[1:], strict=False):
        if before is not None and after is not None:
            cv2.line(image, before, after, BAD if distance > UNCOVERED_DISTANCE else GOOD, 2, cv2.LINE_AA)
    _label_ranges(image, coverage)
    return image


def _label_ranges(image: ImageRGB, coverage: Coverage) -> None:
    """Label the ranges in the first of three lines that has room; a label without room is only in the list below."""
    taken = [LEFT_PX - 8] * 3
    for each in coverage.ranges:
        start, stop = _x_of(coverage, each.start_s), _x_of(coverage, each.stop_s)
        width = _width_of(each.what, 0.45)
        x = min(max((start + stop - width) // 2, LEFT_PX), WIDTH_PX - 10 - width)
        line = next((i for i in (2, 1, 0) if taken[i] + 8 <= x), None)
        if line is not None:
            _put_text(image, each.what, x, LINE_PX * (line + 1) - 7, 0.45, BAD)
            taken[line] = x + width


def _strips(coverage: Coverage) -> ImageRGB:
    """A colored strip per body part: green is near the footage, red is far."""
    image = _blank((STRIP_PX + 3) * len(coverage.parts) + 6)
    columns = np.arange(LEFT_PX, WIDTH_PX - 10)
    time_s = (columns - LEFT_PX) / max(WIDTH_PX - LEFT_PX - 11, 1) * float(coverage.time_s[-1])
    rows = np.minimum(np.searchsorted(coverage.time_s, time_s), len(coverage.time_s) - 1)
    for i, (name, values) in enumerate(coverage.parts.items()):
        top = 4 + i * (STRIP_PX + 3)
        image[top : top + STRIP_PX, columns] = _colors(values[rows])
        _put_text(image, name, 10, top + STRIP_PX - 4)
    return image


def _colors(distance: NDArray[np.float64]) -> NDArray[np.uint8]:
    """uint8 [N,3] from green over yellow, where a pose begins to be uncovered, to red; background color where there is no
    person.
    """
    ratio = np.nan_to_num(distance / UNCOVERED_DISTANCE)
    stops = (0.3, 1.0, 2.0)
    channels = [np.interp(ratio, stops, [color[i] for color in (GOOD, FAIR, BAD)]) for i in range(3)]
    colors = np.stack(channels, axis=1)
    return np.where(np.isfinite(distance)[:, None], colors, BACKGROUND).astype(np.uint8)


def _axis(coverage: Coverage) -> ImageRGB:
    image = _blank(30)
    stop_s = float(coverage.time_s[-1])
    step_s = next((step for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if stop_s / step <= 20), 600)
    for k in range(int(stop_s / step_s) + 1):
        x = _x_of(coverage, k * step_s)
        cv2.line(image, (x, 0), (x, 6), INK, 1)
        text = format_time(k * step_s)
        _put_text(image, text, min(x - _width_of(text, 0.42) // 2, WIDTH_PX - 60), 22, 0.42)
    return image


def _range_list(ranges: Sequence[UncoveredRange]) -> ImageRGB:
    shown = ranges[:MAX_LISTED]
    image = _blank(LINE_PX * (len(shown) + (len(ranges) > MAX_LISTED)) + 16)
    for i, each in enumerate(shown):
        text = f"{format_time(each.start_s)} - {format_time(each.stop_s)}   {each.what}.  {each.advice}"
        _put_text(image, text, 10, LINE_PX * (i + 1), 0.5)
    if len(ranges) > MAX_LISTED:
        _put_text(image, f"and {len(ranges) - MAX_LISTED} more", 10, LINE_PX * (MAX_LISTED + 1), 0.5)
    return image


def format_time(time_s: float) -> str:
    """Minutes and seconds, 1:05.2, with tenths only if they are not 0."""
    tenths = round(time_s * 10)
    text = f"{tenths // 600}:{tenths // 10 % 60:02d}"
    return f"{text}.{tenths % 10}" if tenths % 10 else text
