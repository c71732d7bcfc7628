"""Curves over time as inline SVG, which frames are the worst, and which figures come first.

Drawn without a script, so that a report is readable where none runs; the page's script only moves the cursor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.report.content import Course, Curve

MAX_POINTS: Final = 1200
"""More than a screen has columns; a longer curve shows the worst value of each column."""
WORST_COUNT: Final = 8
WORST_APART_S: Final = 0.4
"""Neighbours of a bad frame are as bad; the next one shown is at least this far away."""
HEADLINE_REGIONS: Final = ("person", "all", "feet", "hands", "face", "frame", "")
WIDTH, HEIGHT = 1000, 100
"""Of the drawing; it is stretched to its place."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A curve ready for the page: its points, float64 [N], NaN where unknown; how many frames each point stands for."""

    time_s: NDArray[np.float64]
    values: Curve
    frames_per_point: int
    low: float
    high: float


def headlines(courses: Sequence[Course]) -> list[Course]:
    """One of each name, of the region that says most, in the given order."""
    best: dict[str, Course] = {}
    for course in courses:
        rival = best.get(course.name)
        if rival is None or _rank(course) < _rank(rival):
            best[course.name] = course
    return list(best.values())


def varies(course: Course) -> bool:
    """Whether some frames are worse than others."""
    known = course.curve[np.isfinite(course.curve)]
    return len(known) > 1 and bool(known.max() > known.min())


def worst_frames(course: Course, fps: float, count: int = WORST_COUNT) -> list[int]:
    """Frame numbers with the worst values of the curve, worst first, at least `WORST_APART_S` from each other."""
    badness = np.where(np.isfinite(course.curve), course.curve if course.better == "lower" else -course.curve, -np.inf)
    apart = max(1, math.ceil(WORST_APART_S * fps))
    chosen: list[int] = []
    while len(chosen) < count and badness.size and np.isfinite(badness.max()):
        worst = int(badness.argmax())
        chosen.append(worst)
        badness[max(0, worst - apart + 1) : worst + apart] = -np.inf
    return chosen


def prepare(course: Course, time_s: NDArray[np.float64]) -> Drawn | None:
    """The curve as it is drawn, at `time_s` [T] of the result's frames; None if nothing is known of it."""
    count = min(len(course.curve), len(time_s))
    values, times = np.asarray(course.curve[:count], np.float64), time_s[:count]
    known = np.isfinite(values)
    if not known.any():
        return None
    per_point = math.ceil(count / MAX_POINTS)
    if per_point > 1:
        padded = np.full(math.ceil(count / per_point) * per_point, np.nan)
        padded[:count] = values
        columns = padded.reshape(-1, per_point)
        sign = 1.0 if course.better == "lower" else -1.0
        filled = np.where(np.isfinite(columns), sign * columns, -np.inf).max(axis=1)
        values, times = np.where(np.isfinite(filled), sign * filled, np.nan), times[::per_point]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if course.ideal is not None and math.isfinite(course.ideal):
        low, high = min(low, course.ideal), max(high, course.ideal)
    return Drawn(times, values, per_point, low, high)


def svg(drawn: Drawn, course: Course, end_s: float) -> str:
    """The chart: the curve, the ideal as a dashed line, gaps as bands, and a cursor for the script to move."""
    span = drawn.high - drawn.low or max(abs(drawn.high), 1.0)

    def x(time_s: float) -> str:
        return f"{WIDTH * time_s / max(end_s, 1e-9):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT * (0.94 - 0.88 * (value - drawn.low) / span):.1f}"

    bands = "".join(
        f'<rect class="band" x="{x(gap.start_s)}" y="0" width="{x(gap.stop_s - gap.start_s)}" height="{HEIGHT}"/>'
        for gap in course.gaps
    )
    ideal = ""
    if course.ideal is not None and math.isfinite(course.ideal):
        ideal = f'<line class="ideal" x1="0" x2="{WIDTH}" y1="{y(course.ideal)}" y2="{y(course.ideal)}"/>'
    lines = []
    for start, stop in _runs(drawn.values):
        known = [i for i in range(start, stop) if math.isfinite(drawn.values[i])]
        points = " ".join(f"{x(drawn.time_s[i])},{y(drawn.values[i])}" for i in known)
        lines.append(f'<polyline points="{points}"/>' if len(known) > 1 else _dot(points))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{bands}{ideal}'
        f'{"".join(lines)}<line class="cursor" x1="0" x2="0" y1="0" y2="{HEIGHT}"/></svg>'
    )


def data_of(drawn: Drawn) -> dict[str, Any]:
    """JSON values for the script, which shows the value under the cursor."""
    known = np.flatnonzero(np.isfinite(drawn.values))
    return {
        "t": [round(float(drawn.time_s[i]), 3) for i in known],
        "v": [float(f"{drawn.values[i]:.4g}") for i in known],
        "reach": round(_reach_s(drawn.time_s, known), 3),
    }


def _reach_s(time_s: NDArray[np.float64], known: NDArray[np.int64]) -> float:
    """How far from a point its value still counts: as far as the points are usually apart."""
    gaps_s = np.diff(time_s[known])
    return 1.01 * float(np.median(gaps_s)) if len(gaps_s) else 0.05


def number(value: float | None) -> str:
    """A figure for people, as HTML: four digits, a dash for what could not be measured."""
    return "&ndash;" if value is None or not math.isfinite(value) else f"{value:.4g}"


def clock(time_s: float) -> str:
    """Minutes and seconds, as in 1:04.25."""
    hundredths = round(100 * max(time_s, 0.0))
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _rank(course: Course) -> int:
    known = HEADLINE_REGIONS.index(course.region) if course.region in HEADLINE_REGIONS else len(HEADLINE_REGIONS)
    return known + (0 if math.isfinite(course.value) else 100)


def _runs(values: Curve) -> list[tuple[int, int]]:
    """Stretches without a hole; what is measured of each n-th frame only has no holes at n."""
    known = np.flatnonzero(np.isfinite(values))
    steps = np.diff(known)
    hole = 2 * float(np.median(steps)) if len(steps) else 1.0
    breaks = np.flatnonzero(steps > hole)
    starts = known[np.r_[0, breaks + 1]]
    stops = known[np.r_[breaks, len(known) - 1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _dot(point: str) -> str:
    """A zero-length line with round caps is a dot that does not stretch with the drawing."""
    x, y = point.split(",")
    return f'<line class="dot" x1="{x}" x2="{x}" y1="{y}" y2="{y}"/>'
