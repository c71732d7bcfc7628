"""Write a report as one HTML page that contains its images, style and script, and makes no network requests.

All external text is escaped, a content security policy forbids every request, and the video is streamed into the file, so that
memory does not grow with its length.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final, TextIO

import dancenow
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.report import charts
from dancenow.report.charts import ChartData, format_number, format_time
from dancenow.report.content import FootageCoverage, MetricCurve, Report
from dancenow.report.video import PanesVideo, write_panes_video
from dancenow.storage.atomic_io import complete_or_absent, require_writable

SUFFIX: Final = ".html"
WORST_LISTS: Final = 6
"""Maximum number of metrics with thumbnails of their worst frames."""
_VIDEO_PLACEHOLDER: Final = '$video"'
_BLOCK_BYTES: Final = 3 << 18  # a multiple of three: Base64 of the blocks is Base64 of the whole


def write_report(path: Path, report: Report, *, on_progress: ProgressCallback = ignore_progress) -> Path:
    """Write the page, which appears only when complete, and return `path`.

    Raises:
        UserError: the name does not end in .html, the folder is not writable, or a video cannot be read.
    """
    require_writable(path, SUFFIX)
    fps = float(report.result.info.fps)
    metrics = [MetricCurve.from_metric(metric) for metric in report.metrics]
    ranked = [curve for curve in charts.headline_curves(metrics) if charts.has_variation(curve)][:WORST_LISTS]
    if report.coverage is not None:
        ranked += [curve for curve in [MetricCurve.from_coverage(report.coverage)] if charts.has_variation(curve)]
    worst = [WorstFrames(curve, charts.worst_frames(curve, fps)) for curve in ranked]
    with complete_or_absent(path) as temporary:
        video_file = temporary.with_name("panes.mp4")
        video = write_panes_video(
            report.panes,
            report.result,
            video_file,
            thumbnails_of={frame for each in worst for frame in each.frames},
            metadata={"comment": report.statement},
            on_progress=on_progress,
        )
        with temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as page:
            _write_page(page, _Page(report, video, metrics, worst, fps), video_file)
    return path


@dataclass(frozen=True, eq=False)
class WorstFrames:
    """A curve and the numbers of its worst frames, worst first."""

    curve: MetricCurve
    frames: list[int]


class _Page:
    """Builds the parts of the page; the charts are numbered in their order on it."""

    def __init__(
        self, report: Report, video: PanesVideo, metrics: Sequence[MetricCurve], worst: Sequence[WorstFrames], fps: float
    ) -> None:
        self._report, self._video, self._metrics, self._worst = report, video, metrics, worst
        self._fps = fps
        self._end_s = float(video.time_s[-1]) + 1 / fps
        self._charts: list[dict[str, Any]] = []

    def fields(self) -> dict[str, str]:
        """Values of the template's placeholders."""
        report, resources = self._report, files("dancenow.report")
        sections = [self._tiles(), self._notes(), self._worst_frames(), self._coverage(), self._curves(), self._facts()]
        return {
            "generator": f"dancenow {dancenow.__version__}",
            "title": escape(f"{report.result.path.name}: report"),
            "heading": escape(report.result.path.name),
            "subtitle": self._subtitle(),
            "statement": escape(report.statement),
            "style": (resources / "page.css").read_text("utf-8"),
            "script": (resources / "page.js").read_text("utf-8"),
            "panes": self._panes(),
            "video_label": escape(", ".join(pane.label for pane in report.panes) + ", side by side"),
            "video_note": self._video_note(),
            "sections": "\n".join(section for section in sections if section),
            "footer": f"Made by dancenow {dancenow.__version__}. The file is self-contained and makes no network requests.",
            "data": self._data(),
        }

    def _subtitle(self) -> str:
        info = self._report.result.info
        count = len(self._video.time_s)
        length = f"{self._end_s:.1f} s" if self._end_s < 60 else f"{format_time(self._end_s)[:-3]} min"
        return f"{length} · {count} frames · {info.width_px}&times;{info.height_px} px · {self._fps:.4g} frames a second"

    def _panes(self) -> str:
        x, parts = 0, []
        for pane, (width, height) in zip(self._report.panes, self._video.plan.sizes_px, strict=True):
            label = escape(pane.label)
            parts.append(
                f'<figure class="pane"><figcaption>{label}</figcaption>'
                f'<canvas data-x="{x}" width="{width}" height="{height}" role="img" aria-label="{label}"></canvas></figure>\n'
            )
            x += width
        plan = self._video.plan
        style = f"--panes:{len(parts)};--aspect:{plan.width_px / plan.height_px:.3f}"
        return f'<div class="panes" style="{style}">\n{"".join(parts)}</div>\n'

    def _video_note(self) -> str:
        plan = self._video.plan
        which = "all frames" if plan.step == 1 else f"every {_ordinal(plan.step)} frame"
        keys = "Space plays, ← and → step a frame, with Shift a second; click a curve to jump there."
        return f"{keys} This is a preview, {plan.height_px} px high, {which}, without sound; open the result for full quality."

    def _tiles(self) -> str:
        tiles = []
        for curve in charts.headline_curves(self._metrics):
            ideal = f"ideal {format_number(curve.ideal)}<br>" if curve.ideal is not None else ""
            tiles.append(
                f'<div class="tile"><dt>{escape(curve.title)}</dt><dd class="value">{format_number(curve.value)}'
                f' <span class="unit">{escape(curve.unit)}</span></dd>'
                f'<dd class="quiet small">{ideal}{curve.better} is better</dd></div>'
            )
        if not tiles:
            return ""
        return _section_html("Against the reference", f'<dl class="tiles">{"".join(tiles)}</dl>{self._table()}')

    def _table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(c.name)}</th><td>{escape(c.region)}</td>'
            f'<td class="number">{format_number(c.value)}</td><td class="number">{format_number(c.ideal)}</td>'
            f"<td>{escape(c.unit)}</td><td>{c.better}</td></tr>"
            for c in self._metrics
        )
        words = ("metric", "region", "value", "ideal", "unit", "better")
        kinds = ("text", "text", "number", "number", "text", "text")
        head = "".join(f'<th scope="col" class="{kind}">{word}</th>' for word, kind in zip(words, kinds, strict=True))
        return (
            f'<details><summary>All {len(self._metrics)} metrics</summary><div class="scroll">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
        )

    def _notes(self) -> str:
        return _section_html("What to know", _list_html(self._report.notes)) if self._report.notes else ""

    def _worst_frames(self) -> str:
        worst = [each for each in self._worst if each.frames]
        if not worst:
            return ""
        lists, options = [], []
        for i, each in enumerate(worst):
            title = escape(each.curve.title)
            options.append(f'<option value="worst-{i}">{title}</option>')
            items = "".join(self._worst_item(each.curve, frame) for frame in each.frames)
            lists.append(f'<h3 class="list-title">{title}</h3><ol class="worst" id="worst-{i}">{items}</ol>')
        if len(worst) == 1:
            chooser = f'<span class="small quiet">by {escape(worst[0].curve.title)}</span>'
        else:
            chooser = f'<label class="small quiet">by <select id="worst-by">{"".join(options)}</select></label>'
        return f'<section><div class="row"><h2>Worst frames first</h2>{chooser}</div>{"".join(lists)}</section>'

    def _worst_item(self, curve: MetricCurve, frame: int) -> str:
        time_s = float(self._video.time_s[min(frame, len(self._video.time_s) - 1)])
        jpeg = self._video.thumbnails.get(frame)
        if jpeg is None:
            return ""  # the curve is longer than the video
        labels = escape(", ".join(pane.label for pane in self._report.panes))
        value = f"{format_number(float(curve.curve[frame]))} {escape(curve.unit)}".strip()
        return (
            f'<li><button type="button" data-time="{time_s:.4f}"><img loading="lazy" alt="{labels} at frame {frame}"'
            f' src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
            f"<span><b>{value}</b> at {format_time(time_s)}, frame {frame}</span></button></li>"
        )

    def _coverage(self) -> str:
        coverage = self._report.coverage
        if coverage is None:
            return ""
        parts = [f"<p>{escape(coverage.summary)}</p>"] if coverage.summary else []
        parts.append(self._curve(MetricCurve.from_coverage(coverage), "h3"))
        parts.append(_gaps_html(coverage))
        return _section_html("What the target's footage covers", "".join(parts))

    def _curves(self) -> str:
        first = charts.headline_curves(self._metrics)
        rest = [curve for curve in self._metrics if curve not in first]
        rows, others = ("".join(self._curve(curve, "h3") for curve in group) for group in (first, rest))
        if not rows:
            return ""
        more = f"<details><summary>All other curves</summary>{others}</details>" if others else ""
        return _section_html("Over time", f"<div>{rows}</div>{more}")

    def _curve(self, curve: MetricCurve, tag: str) -> str:
        chart = charts.prepare_chart(curve, self._video.time_s)
        if chart is None:
            return ""
        self._charts.append(charts.chart_json(chart))
        return (
            f'<div class="metric-row"><div><{tag}>{escape(curve.title)}</{tag}><p class="reading">{_reading_html(curve)}<br>'
            f'{self._worst_link(curve)}, <span class="here"></span></p></div>{_chart_html(chart, curve, self._end_s)}</div>'
        )

    def _worst_link(self, curve: MetricCurve) -> str:
        frame = charts.worst_frames(curve, self._fps, count=1)[0]
        time_s = float(self._video.time_s[min(frame, len(self._video.time_s) - 1)])
        return f'<button type="button" class="link" data-time="{time_s:.4f}">worst at {format_time(time_s)}</button>'

    def _facts(self) -> str:
        groups = [
            f"<div><h3>{escape(title)}</h3><dl>"
            + "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in facts.items())
            + "</dl></div>"
            for title, facts in self._report.facts.items()
        ]
        return _section_html("Run details", f'<div class="facts">{"".join(groups)}</div>') if groups else ""

    def _data(self) -> str:
        """Data of the script, as JSON that cannot close its element."""
        shown = self._video.shown
        data = {
            "fps": round(float(self._video.plan.fps), 4),
            "end_s": round(self._end_s, 4),
            "time_s": [round(float(self._video.time_s[i]), 4) for i in shown],
            "frame": shown.tolist(),
            "charts": self._charts,
        }
        return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _write_page(page: TextIO, content: _Page, video: Path) -> None:
    """Write the template up to the video, the video block by block, and the rest."""
    before, mark, after = (files("dancenow.report") / "page.html").read_text("utf-8").partition(_VIDEO_PLACEHOLDER)
    fields: Mapping[str, str] = content.fields()
    page.write(Template(before).substitute(fields))
    with video.open("rb") as video_file:
        while block := video_file.read(_BLOCK_BYTES):
            page.write(base64.b64encode(block).decode())
    page.write(Template(mark[-1] + after).substitute(fields))


def _section_html(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list_html(sentences: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul>'


def _gaps_html(coverage: FootageCoverage) -> str:
    """A button for each gap, and the advice without repetition."""
    chips = "".join(
        f'<li><button type="button" data-time="{gap.start_s:.4f}">{format_time(gap.start_s)}&ndash;{format_time(gap.stop_s)}'
        f"{' ' + escape(gap.what) if gap.what else ''}</button></li>"
        for gap in coverage.gaps
    )
    advice = list(dict.fromkeys(gap.advice for gap in coverage.gaps if gap.advice))
    return (f'<ul class="chips">{chips}</ul>' if chips else "") + _list_html(advice) if chips or advice else ""


def _reading_html(curve: MetricCurve) -> str:
    unit = f" {escape(curve.unit)}" if curve.unit else ""
    ideal = f", ideal {format_number(curve.ideal)}" if curve.ideal is not None else ""
    return f"<b>{format_number(curve.value)}</b>{unit}{ideal}; {curve.better} is better"


def _chart_html(chart: ChartData, curve: MetricCurve, end_s: float) -> str:
    bounds = f'<span class="bound top">{format_number(chart.high)}</span>'
    if chart.high > chart.low:
        bounds += f'<span class="bound bottom">{format_number(chart.low)}</span>'
    return f'<div class="chart">{charts.chart_svg(chart, curve, end_s)}{bounds}</div>'


def _ordinal(count: int) -> str:
    if count == 2:
        return "second"
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"
