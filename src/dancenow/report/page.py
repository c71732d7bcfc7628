"""The report as a file: one HTML page that holds its pictures, its style and its script, and asks the network for nothing.

Everything that comes from outside is escaped, a policy in the page forbids every request, and the film is streamed into the
file, so that memory does not grow with the length of a video.
"""

import base64
import json
import tempfile
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
from dancenow.report.charts import Drawn, clock, number
from dancenow.report.content import Course, Footage, Report
from dancenow.report.video import Film, compose
from dancenow.storage.atomic_io import complete_or_absent, require_writable

SUFFIX: Final = ".html"
WORST_LISTS: Final = 6
"""At most so many figures have thumbnails of their worst frames."""
_FILM_MARK: Final = '$film"'
_BLOCK_BYTES: Final = 3 << 18  # a multiple of three: Base64 of the blocks is Base64 of the whole


def write_report(path: Path, report: Report, *, on_progress: ProgressCallback = ignore_progress) -> Path:
    """Write the page, which appears when it is complete, and return `path`.

    Raises:
        UserError: the name does not end in .html, the place cannot be written to, or a video cannot be read.
    """
    require_writable(path, SUFFIX)
    fps = float(report.result.info.fps)
    figures = [Course.of_figure(figure) for figure in report.figures]
    judged = [course for course in charts.headlines(figures) if charts.varies(course)][:WORST_LISTS]
    if report.footage is not None:
        judged += [course for course in [Course.of_footage(report.footage)] if charts.varies(course)]
    worst = [Worst(course, charts.worst_frames(course, fps)) for course in judged]
    with tempfile.TemporaryDirectory(prefix="dancenow-") as folder, complete_or_absent(path) as temporary:
        pictures = Path(folder) / "film.mp4"
        film = compose(
            report.panes,
            report.result,
            pictures,
            thumbnails_of={frame for each in worst for frame in each.frames},
            metadata={"comment": report.statement},
            on_progress=on_progress,
        )
        with temporary.open("w", encoding="utf-8", newline="\n") as page:
            _write_page(page, _Page(report, film, figures, worst, fps), pictures)
    return path


@dataclass(frozen=True, eq=False)
class Worst:
    """A curve and the numbers of its worst frames, worst first."""

    course: Course
    frames: list[int]


class _Page:
    """Builds the parts of the page; the charts are numbered in the order in which they stand on it."""

    def __init__(self, report: Report, film: Film, figures: Sequence[Course], worst: Sequence[Worst], fps: float) -> None:
        self._report, self._film, self._figures, self._worst = report, film, figures, worst
        self._fps = fps
        self._end_s = float(film.time_s[-1]) + 1 / fps
        self._charts: list[dict[str, Any]] = []

    def fields(self) -> dict[str, str]:
        """What the template's names stand for."""
        report, own = self._report, files("dancenow.report")
        sections = [self._tiles(), self._notes(), self._worst_frames(), self._footage(), self._courses(), self._facts()]
        return {
            "generator": f"dancenow {dancenow.__version__}",
            "title": escape(f"{report.result.path.name}: report"),
            "heading": escape(report.result.path.name),
            "subtitle": self._subtitle(),
            "statement": escape(report.statement),
            "style": (own / "page.css").read_text("utf-8"),
            "script": (own / "page.js").read_text("utf-8"),
            "panes": self._panes(),
            "film_label": escape(", ".join(pane.label for pane in report.panes) + ", side by side"),
            "film_note": self._film_note(),
            "sections": "\n".join(section for section in sections if section),
            "footer": f"Made by dancenow {dancenow.__version__}. The file holds all it shows and asks the network for nothing.",
            "data": self._data(),
        }

    def _subtitle(self) -> str:
        info = self._report.result.info
        count = len(self._film.time_s)
        length = f"{self._end_s:.1f} s" if self._end_s < 60 else f"{clock(self._end_s)[:-3]} min"
        return f"{length} · {count} frames · {info.width_px}&times;{info.height_px} px · {self._fps:.4g} frames a second"

    def _panes(self) -> str:
        x, parts = 0, []
        for pane, (width, height) in zip(self._report.panes, self._film.plan.sizes_px, strict=True):
            label = escape(pane.label)
            parts.append(
                f'<figure class="pane"><figcaption>{label}</figcaption>'
                f'<canvas data-x="{x}" width="{width}" height="{height}" role="img" aria-label="{label}"></canvas></figure>\n'
            )
            x += width
        plan = self._film.plan
        style = f"--panes:{len(parts)};--aspect:{plan.width_px / plan.height_px:.3f}"
        return f'<div class="panes" style="{style}">\n{"".join(parts)}</div>\n'

    def _film_note(self) -> str:
        plan = self._film.plan
        which = "all frames" if plan.step == 1 else f"every {_ordinal(plan.step)} frame"
        keys = "Space plays, ← and → step a frame, with Shift a second; a click on a curve goes there."
        return (
            f"{keys} Small pictures, {plan.height_px} px high, {which}, without sound: to look closely, open the result itself."
        )

    def _tiles(self) -> str:
        tiles = []
        for course in charts.headlines(self._figures):
            ideal = f"ideal {number(course.ideal)}<br>" if course.ideal is not None else ""
            tiles.append(
                f'<div class="tile"><dt>{escape(course.title)}</dt><dd class="value">{number(course.value)}'
                f' <span class="unit">{escape(course.unit)}</span></dd>'
                f'<dd class="quiet small">{ideal}{course.better} is better</dd></div>'
            )
        if not tiles:
            return ""
        return _section("Against the reference", f'<dl class="tiles">{"".join(tiles)}</dl>{self._table()}')

    def _table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(c.name)}</th><td>{escape(c.region)}</td><td class="number">{number(c.value)}</td>'
            f'<td class="number">{number(c.ideal)}</td><td>{escape(c.unit)}</td><td>{c.better}</td></tr>'
            for c in self._figures
        )
        words = ("figure", "of", "value", "ideal", "unit", "better")
        kinds = ("text", "text", "number", "number", "text", "text")
        head = "".join(f'<th scope="col" class="{kind}">{word}</th>' for word, kind in zip(words, kinds, strict=True))
        return (
            f'<details><summary>All {len(self._figures)} figures</summary><div class="scroll">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
        )

    def _notes(self) -> str:
        return _section("What to know", _list(self._report.notes)) if self._report.notes else ""

    def _worst_frames(self) -> str:
        worst = [each for each in self._worst if each.frames]
        if not worst:
            return ""
        lists, options = [], []
        for i, each in enumerate(worst):
            title = escape(each.course.title)
            options.append(f'<option value="worst-{i}">{title}</option>')
            items = "".join(self._worst_item(each.course, frame) for frame in each.frames)
            lists.append(f'<h3 class="list-title">{title}</h3><ol class="worst" id="worst-{i}">{items}</ol>')
        if len(worst) == 1:
            chooser = f'<span class="small quiet">by {escape(worst[0].course.title)}</span>'
        else:
            chooser = f'<label class="small quiet">by <select id="worst-by">{"".join(options)}</select></label>'
        return f'<section><div class="row"><h2>Worst frames first</h2>{chooser}</div>{"".join(lists)}</section>'

    def _worst_item(self, course: Course, frame: int) -> str:
        time_s = float(self._film.time_s[min(frame, len(self._film.time_s) - 1)])
        jpeg = self._film.thumbnails.get(frame)
        if jpeg is None:
            return ""  # the curve is longer than the video
        labels = escape(", ".join(pane.label for pane in self._report.panes))
        value = f"{number(float(course.curve[frame]))} {escape(course.unit)}".strip()
        return (
            f'<li><button type="button" data-time="{time_s:.4f}"><img loading="lazy" alt="{labels} at frame {frame}"'
            f' src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
            f"<span><b>{value}</b> at {clock(time_s)}, frame {frame}</span></button></li>"
        )

    def _footage(self) -> str:
        footage = self._report.footage
        if footage is None:
            return ""
        parts = [f"<p>{escape(footage.summary)}</p>"] if footage.summary else []
        parts.append(self._course(Course.of_footage(footage), "h3"))
        parts.append(_gaps(footage))
        return _section("What the target's footage covers", "".join(parts))

    def _courses(self) -> str:
        first = charts.headlines(self._figures)
        rest = [course for course in self._figures if course not in first]
        rows, others = ("".join(self._course(course, "h3") for course in group) for group in (first, rest))
        if not rows:
            return ""
        more = f"<details><summary>All other curves</summary>{others}</details>" if others else ""
        return _section("Over time", f"<div>{rows}</div>{more}")

    def _course(self, course: Course, tag: str) -> str:
        drawn = charts.prepare(course, self._film.time_s)
        if drawn is None:
            return ""
        self._charts.append(charts.data_of(drawn))
        return (
            f'<div class="course"><div><{tag}>{escape(course.title)}</{tag}><p class="reading">{_reading(course)}<br>'
            f'{self._worst_link(course)}, <span class="here"></span></p></div>{_chart(drawn, course, self._end_s)}</div>'
        )

    def _worst_link(self, course: Course) -> str:
        frame = charts.worst_frames(course, self._fps, count=1)[0]
        time_s = float(self._film.time_s[min(frame, len(self._film.time_s) - 1)])
        return f'<button type="button" class="link" data-time="{time_s:.4f}">worst at {clock(time_s)}</button>'

    def _facts(self) -> str:
        groups = [
            f"<div><h3>{escape(title)}</h3><dl>"
            + "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in facts.items())
            + "</dl></div>"
            for title, facts in self._report.facts.items()
        ]
        return _section("How it was made", f'<div class="facts">{"".join(groups)}</div>') if groups else ""

    def _data(self) -> str:
        """What the script needs, as JSON that cannot end its element."""
        shown = self._film.shown
        data = {
            "fps": round(float(self._film.plan.fps), 4),
            "end_s": round(self._end_s, 4),
            "time_s": [round(float(self._film.time_s[i]), 4) for i in shown],
            "frame": shown.tolist(),
            "courses": self._charts,
        }
        return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _write_page(page: TextIO, content: _Page, film: Path) -> None:
    """The template up to the film, the film block by block, and the rest."""
    before, mark, after = (files("dancenow.report") / "page.html").read_text("utf-8").partition(_FILM_MARK)
    fields: Mapping[str, str] = content.fields()
    page.write(Template(before).substitute(fields))
    with film.open("rb") as pictures:
        while block := pictures.read(_BLOCK_BYTES):
            page.write(base64.b64encode(block).decode())
    page.write(Template(mark[-1] + after).substitute(fields))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(sentences: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul>'


def _gaps(footage: Footage) -> str:
    """A button for each gap, and the advice, each sentence once."""
    chips = "".join(
        f'<li><button type="button" data-time="{gap.start_s:.4f}">{clock(gap.start_s)}&ndash;{clock(gap.stop_s)}'
        f"{' ' + escape(gap.what) if gap.what else ''}</button></li>"
        for gap in footage.gaps
    )
    advice = list(dict.fromkeys(gap.advice for gap in footage.gaps if gap.advice))
    return (f'<ul class="chips">{chips}</ul>' if chips else "") + _list(advice) if chips or advice else ""


def _reading(course: Course) -> str:
    unit = f" {escape(course.unit)}" if course.unit else ""
    ideal = f", ideal {number(course.ideal)}" if course.ideal is not None else ""
    return f"<b>{number(course.value)}</b>{unit}{ideal}; {course.better} is better"


def _chart(drawn: Drawn, course: Course, end_s: float) -> str:
    bounds = (
        f'<span class="bound top">{number(drawn.high)}</span><span class="bound bottom">{number(drawn.low)}</span>'
        if drawn.high > drawn.low
        else f'<span class="bound top">{number(drawn.high)}</span>'
    )
    return f'<div class="chart">{charts.svg(drawn, course, end_s)}{bounds}</div>'


def _ordinal(count: int) -> str:
    if count == 2:
        return "second"
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"
