"""Curves over time as inline SVG, the worst frames, and the choice of the headline metrics.

Drawn without a script, so that a report is readable where none runs; the page's script only moves the cursor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.report.content import Curve, MetricCurve

MAX_POINTS: Final = 1200
"""More than the pixel columns of a screen; each point of a longer curve shows the worst of its frames."""
WORST_COUNT: Final = 8
WORST_GAP_S: Final = 0.4
"""Neighbors of a bad frame are as bad; the next one listed is at least this far away."""
HEADLINE_REGIONS: Final = ("person", "all", "feet", "hands", "face", "frame", "")
WIDTH, HEIGHT = 1000, 100
"""Size of the drawing, which is stretched to its place."""


@dataclass(frozen=True, eq=False)
class ChartData:
    """A curve ready for the page: its points, float64 [N], NaN where unknown; number of frames per point."""

    time_s: NDArray[np.float64]
    values: Curve
    frames_per_point: int
    low: float
    high: float


def headline_curves(curves: Sequence[MetricCurve]) -> list[MetricCurve]:
    """One curve per metric name, of the most informative region, in the given order."""
    best: dict[str, MetricCurve] = {}
    for curve in curves:
        previous = best.get(curve.name)
        if previous is None or _rank(curve) < _rank(previous):
            best[curve.name] = curve
    return list(best.values())


def has_variation(curve: MetricCurve) -> bool:
    """Whether some frames are worse than others."""
    known = curve.curve[np.isfinite(curve.curve)]
    return len(known) > 1 and bool(known.max() > known.min())


def worst_frames(curve: MetricCurve, fps: float, count: int = WORST_COUNT) -> list[int]:
    """Frame numbers with the worst values of the curve, worst first, at least `WORST_GAP_S` from each other."""
    badness = np.where(np.isfinite(curve.curve), curve.curve if curve.better == "lower" else -curve.curve, -np.inf)
    min_gap = max(1, math.ceil(WORST_GAP_S * fps))
    chosen: list[int] = []
    while len(chosen) < count and badness.size and np.isfinite(badness.max()):
        worst = int(badness.argmax())
        chosen.append(worst)
        badness[max(0, worst - min_gap + 1) : worst + min_gap] = -np.inf
    return chosen


def prepare_chart(curve: MetricCurve, time_s: NDArray[np.float64]) -> ChartData | None:
    """Reduce a curve to the points to draw, at `time_s` [T] of the result's frames; None if it has no values."""
    count = min(len(curve.curve), len(time_s))
    values, times = np.asarray(curve.curve[:count], np.float64), time_s[:count]
    known = np.isfinite(values)
    if not known.any():
        return None
    per_point = math.ceil(count / MAX_POINTS)
    if per_point > 1:
        padded = np.full(math.ceil(count / per_point) * per_point, np.nan)
        padded[:count] = values
        columns = padded.reshape(-1, per_point)
        sign = 1.0 if curve.better == "lower" else -1.0
        filled = np.where(np.isfinite(columns), sign * columns, -np.inf).max(axis=1)
        values, times = np.where(np.isfinite(filled), sign * filled, np.nan), times[::per_point]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if curve.ideal is not None and math.isfinite(curve.ideal):
        low, high = min(low, curve.ideal), max(high, curve.ideal)
    return ChartData(times, values, per_point, low, high)


def chart_svg(chart: ChartData, curve: MetricCurve, end_s: float) -> str:
    """Draw the chart: the curve, the ideal as a dashed line, gaps as bands, and a cursor that the script moves."""
    span = chart.high - chart.low or max(abs(chart.high), 1.0)

    def x(time_s: float) -> str:
        return f"{WIDTH * time_s / max(end_s, 1e-9):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT * (0.94 - 0.88 * (value - chart.low) / span):.1f}"

    bands = "".join(
        f'<rect class="band" x="{x(gap.start_s)}" y="0" width="{x(gap.stop_s - gap.start_s)}" height="{HEIGHT}"/>'
        for gap in curve.gaps
    )
    ideal = ""
    if curve.ideal is not None and math.isfinite(curve.ideal):
        ideal = f'<line class="ideal" x1="0" x2="{WIDTH}" y1="{y(curve.ideal)}" y2="{y(curve.ideal)}"/>'
    lines = []
    for start, stop in _segments(chart.values):
        known = [i for i in range(start, stop) if math.isfinite(chart.values[i])]
        points = " ".join(f"{x(chart.time_s[i])},{y(chart.values[i])}" for i in known)
        lines.append(f'<polyline points="{points}"/>' if len(known) > 1 else _dot_svg(points))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{bands}{ideal}'
        f'{"".join(lines)}<line class="cursor" x1="0" x2="0" y1="0" y2="{HEIGHT}"/></svg>'
    )


def chart_json(chart: ChartData) -> dict[str, Any]:
    """JSON values for the script, which shows the value under the cursor."""
    known = np.flatnonzero(np.isfinite(chart.values))
    return {
        "t": [round(float(chart.time_s[i]), 3) for i in known],
        "v": [float(f"{chart.values[i]:.4g}") for i in known],
        "reach": round(_hold_s(chart.time_s, known), 3),
    }


def _hold_s(time_s: NDArray[np.float64], known: NDArray[np.int64]) -> float:
    """Time around a point for which its value is shown: the usual distance of the points."""
    gaps_s = np.diff(time_s[known])
    return 1.01 * float(np.median(gaps_s)) if len(gaps_s) else 0.05


def format_number(value: float | None) -> str:
    """Format a number as HTML: four digits, a dash for an unknown value."""
    return "&ndash;" if value is None or not math.isfinite(value) else f"{value:.4g}"


def format_time(time_s: float) -> str:
    """Minutes and seconds, as in 1:04.25."""
    hundredths = round(100 * max(time_s, 0.0))
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _rank(curve: MetricCurve) -> int:
    known = HEADLINE_REGIONS.index(curve.region) if curve.region in HEADLINE_REGIONS else len(HEADLINE_REGIONS)
    return known + (0 if math.isfinite(curve.value) else 100)


def _segments(values: Curve) -> list[tuple[int, int]]:
    """Segments of the curve without a hole; a metric measured on every n-th frame has no holes at n."""
    known = np.flatnonzero(np.isfinite(values))
    steps = np.diff(known)
    hole = 2 * float(np.median(steps)) if len(steps) else 1.0
    breaks = np.flatnonzero(steps > hole)
    starts = known[np.r_[0, breaks + 1]]
    stops = known[np.r_[breaks, len(known) - 1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _dot_svg(point: str) -> str:
    """A zero-length line with round caps: a dot that does not stretch with the drawing."""
    x, y = point.split(",")
    return f'<line class="dot" x1="{x}" x2="{x}" y1="{y}" y2="{y}"/>'
