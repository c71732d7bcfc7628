"""The HTML report: complete, synchronized, self-contained, small for any length, and working in a real browser."""

import base64
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource, probe, read_frames
from dancenow.progress import Progress
from dancenow.report import CoverageGap, FootageCoverage, Pane, Report, write_report
from dancenow.report.charts import MAX_POINTS, format_time, prepare_chart, worst_frames
from dancenow.report.content import MetricCurve
from dancenow.report.run_record import Stopwatch
from dancenow.report.video import MAX_TOTAL_PX, MAX_VIDEO_BYTES, PanesVideo, plan_video, write_panes_video
from dancenow.types import Pose, PoseTrack, VideoInfo
from helpers.browser import CHROMIUM, browser
from helpers.drawn_world import dancer_track, film

FRAMES, FPS, SIDE = 48, 24, 128
NASTY = """<b>"it's" & </script><img src=x onerror=alert(1)>"""
VOID = {"meta", "link", "img", "input", "br", "path", "rect", "line", "polyline"}


@dataclass(frozen=True, eq=False)
class Scored:
    """A metric as an evaluation returns it."""

    name: str
    region: str
    unit: str
    better: Literal["higher", "lower"]
    value: float
    ideal: float | None
    curve: NDArray[np.float64]


def example_metrics(frames: int = FRAMES, worst: int = 30) -> tuple[Scored, ...]:
    """Metrics with a curve, the first with one bad frame, and one without a curve."""
    similarity = 0.9 + 0.02 * np.sin(np.arange(frames) / 3)
    similarity[worst] = 0.3
    sparse = np.where(np.arange(frames) % 5 == 0, 0.2 + np.arange(frames) / 500, np.nan)
    return (
        Scored("SSIM", "person", "", "higher", float(similarity.mean()), 0.97, similarity),
        Scored("SSIM", "frame", "", "higher", 0.95, 0.99, similarity),
        Scored("perceptual", "person", "", "lower", float(np.nanmean(sparse)), 0.05, sparse),
        Scored("Fréchet", "person", "", "lower", float("nan"), None, np.array([])),
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    track = dancer_track(FRAMES)
    return {name: film(folder / f"{name}.mp4", track) for name in ("source", "result", "reference")}


def report(videos: dict[str, Path]) -> Report:
    dance = dancer_track(FRAMES)
    source, result, reference = (VideoSource.open(videos[name]) for name in ("source", "result", "reference"))
    panes = Pane("Source", source), Pane("Pose", dance), Pane("Result", result), Pane("Reference", reference)
    gaps = (
        CoverageGap(1.0, 1.5, "arms overhead", "Film both arms overhead."),
        CoverageGap(1.7, 1.8, "a turn", "Film a slow turn."),
    )
    distance = 0.1 + 0.05 * np.cos(np.arange(FRAMES) / 5)
    footage = FootageCoverage(distance, "body heights", "Nine tenths are covered.", gaps)
    facts = {"Settings": {"preset": "draft", "seed": "0"}, "Versions": {"dancenow": "1"}}
    return Report(result, panes, "This video is synthetic.", example_metrics(), footage, ("It needs room.",), facts)


@pytest.fixture(scope="module")
def page(videos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("page") / "result.report.html", report(videos))


class Read(HTMLParser):
    """Parses a page: its text, its references, and whether its elements close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def film_of(page: Path, to: Path) -> Path:
    found = re.search(r'src="data:video/mp4;base64,([A-Za-z0-9+/=]+)"', page.read_text("utf-8"))
    assert found is not None
    to.write_bytes(base64.b64decode(found[1], validate=True))
    return to


def test_the_page_is_complete_and_well_formed(page: Path) -> None:
    read = Read(page.read_text("utf-8"))
    assert read.open == []
    for words in ("result.mp4", "This video is synthetic.", "It needs room.", "Nine tenths are covered.", "arms overhead",
                  "Film a slow turn.", "preset draft", "SSIM, person", "ideal 0.97", "higher is better", "2.0 s · 48 frames",
                  "0:01.00\u20130:01.50", "All 4 metrics"):  # fmt: skip
        assert words in read.text, words
    canvases = [attributes for tag, attributes in read.elements if tag == "canvas"]
    assert [attributes["aria-label"] for attributes in canvases] == ["Source", "Pose", "Result", "Reference"]
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_is_self_contained(page: Path) -> None:
    text = page.read_text("utf-8")
    for _, attributes in Read(text).elements:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"https?:|url\(|@import|//[a-z]+\.[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert "default-src 'none'" in text


def test_the_video_shows_all_panes_synchronized(page: Path, videos: dict[str, Path], tmp_path: Path) -> None:
    video = film_of(page, tmp_path / "film.mp4")
    info = probe(video)
    assert (info.width_px, info.height_px) == (4 * SIDE, SIDE)
    frames, source = list(read_frames(video)), list(read_frames(videos["source"]))
    assert [frame.time_s for frame in frames] == [Fraction(i, FPS) for i in range(FRAMES)]
    for i in (0, 17, FRAMES - 1):
        wide = frames[i].image_rgb.astype(int)
        for pane in (0, 2, 3):
            assert np.abs(wide[:, pane * SIDE : (pane + 1) * SIDE] - source[i].image_rgb).mean() < 6
        drawn = wide[:, SIDE : 2 * SIDE]
        assert 0.005 < (drawn.max(axis=2) > 90).mean() < 0.3


def test_panes_of_other_rates_and_lengths_follow_the_results_time(tmp_path: Path) -> None:
    """The gray level encodes the time: every pane must show that of its own frame at that time."""

    def grey(path: Path, fps: int, count: int) -> VideoSource:
        with VideoWriter(path, 64, 64, fps=Fraction(fps)) as writer:
            for i in range(count):
                writer.write(np.full((64, 64, 3), 20 + round(200 * i / fps / 2), np.uint8), Fraction(i, fps))
        return VideoSource.open(path)

    result, slow = grey(tmp_path / "result.mp4", 24, 48), grey(tmp_path / "slow.mp4", 10, 10)
    film_path = tmp_path / "film.mp4"
    panes = [Pane("slow", slow), Pane("result", result)]
    write_panes_video(panes, result, film_path, thumbnails_of=(), metadata={}, on_progress=lambda _: None)
    for frame in read_frames(film_path):
        # The slow one shows its last frame when it has ended, after 0.9 s.
        expected_s = min(int((frame.index + 0.5) / 24 * 10), 9) / 10
        assert abs(frame.image_rgb[:, :60].mean() - (20 + 100 * expected_s)) < 3
        assert abs(frame.image_rgb[:, 68:].mean() - (20 + 100 * float(frame.time_s))) < 3


def test_external_text_is_escaped(videos: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / (NASTY.replace("/", "_") + ".mp4")
    path.write_bytes(videos["result"].read_bytes())
    result = VideoSource.open(path)
    nasty = Report(
        result, (Pane(NASTY, result),), NASTY, (Scored(NASTY, NASTY, NASTY, "lower", 1.0, 0.5, np.arange(48.0)),),
        FootageCoverage(np.arange(48.0), NASTY, NASTY, (CoverageGap(0, 1, NASTY, NASTY),)), (NASTY,), {NASTY: {NASTY: NASTY}},
    )  # fmt: skip
    text = write_report(tmp_path / "page.html", nasty).read_text("utf-8")
    read = Read(text)
    assert read.open == []
    assert NASTY in read.text
    assert [tag for tag, _ in read.elements].count("script") == 2
    assert all((attributes.get("src") or "data:").startswith("data:") for _, attributes in read.elements)
    assert all("onerror" not in attributes for _, attributes in read.elements)


def test_worst_frames_are_listed_first_with_thumbnails(page: Path) -> None:
    text = page.read_text("utf-8")
    lists = re.findall(r'<ol class="worst".*?</ol>', text, re.S)
    captions = re.findall(r"<b>([^<]*)</b> at (\S+), frame (\d+)", lists[0])
    assert captions[0] == ("0.3", format_time(30 / FPS), "30")
    assert 2 <= len(captions) <= 8
    jpeg = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", lists[0])[0]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (SIDE, 4 * SIDE, 3)
    assert len(lists) == 3  # SSIM, perceptual, and the distance to the footage


def test_worst_frames_are_spread_and_skip_unknown_values() -> None:
    curve = np.full(100, np.nan)
    curve[10:20], curve[60] = np.arange(10) / 10, 0.5
    course = MetricCurve("distance", "", "", "lower", 0.0, None, curve)
    assert worst_frames(course, fps=25, count=4) == [19, 60]
    assert worst_frames(MetricCurve("s", "", "", "higher", 0.0, None, curve), fps=25, count=1) == [10]


def test_a_long_curve_keeps_its_worst_value() -> None:
    curve = np.ones(50_000)
    curve[31_234] = 0.2
    drawn = prepare_chart(MetricCurve("SSIM", "", "", "higher", 1.0, None, curve), np.arange(50_000) / 25)
    assert drawn is not None
    assert len(drawn.values) <= MAX_POINTS
    assert drawn.values.min() == 0.2
    assert abs(drawn.time_s[drawn.values.argmin()] - 31_234 / 25) < 50_000 / 25 / MAX_POINTS
    assert prepare_chart(MetricCurve("none", "", "", "lower", 1.0, None, np.full(9, np.nan)), np.arange(9.0)) is None


@pytest.mark.parametrize("minutes", [0.02, 1, 10, 240])
@pytest.mark.parametrize("size", [(512, 512), (1920, 1080), (1080, 1920)])
def test_a_video_of_any_length_fits(minutes: float, size: tuple[int, int]) -> None:
    count = round(60 * minutes * 30)
    shape = PoseTrack(Pose(*(a[:1] for a in (dancer_track(1).pose.xy, dancer_track(1).pose.confidence))),
                      np.zeros(1), np.zeros(1, np.uint8), *size, "", "")  # fmt: skip
    plan = plan_video([Pane("a", shape)] * 4, VideoInfo(*size, Fraction(30), count, None, False, 0), count)
    shown = -(-count // plan.step)
    assert shown * plan.width_px * plan.height_px < 1.1 * MAX_TOTAL_PX
    assert plan.max_bits_per_s * max(count / 30, 1) <= 8 * MAX_VIDEO_BYTES
    assert plan.width_px % 2 == plan.height_px % 2 == 0
    assert plan.height_px >= 180
    if minutes <= 0.5:
        assert plan.step == 1


def test_the_size_limit_holds_for_incompressible_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.report.video.MAX_VIDEO_BYTES", 60_000)
    random, noise = np.random.default_rng(0), tmp_path / "noise.mp4"
    with VideoWriter(noise, 128, 128, fps=Fraction(24)) as writer:
        for i in range(96):
            writer.write(random.integers(0, 256, (128, 128, 3), np.uint8), Fraction(i, 24))
    source = VideoSource.open(noise)
    made: PanesVideo = write_panes_video(
        [Pane("a", source)], source, tmp_path / "film.mp4", thumbnails_of={5}, metadata={}, on_progress=lambda _: None
    )
    assert (tmp_path / "film.mp4").stat().st_size <= 60_000 < noise.stat().st_size
    assert len(made.time_s) == 96
    assert set(made.thumbnails) == {5}


def test_an_unwritable_path_is_an_error_before_the_work(videos: dict[str, Path], tmp_path: Path) -> None:
    told: list[Progress] = []
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path / "file" / "a.html", "cannot write"), (tmp_path / "a.txt", "ends in .html")):
        with pytest.raises(UserError, match=words):
            write_report(path, report(videos), on_progress=told.append)
    assert not told


def test_an_interrupted_report_leaves_nothing(videos: dict[str, Path], tmp_path: Path) -> None:
    def interrupt(event: Progress) -> None:
        if event.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path / "a.html", report(videos), on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    write_report(tmp_path / "a.html", report(videos))
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert stat.S_IMODE((tmp_path / "a.html").stat().st_mode) & 0o400


def test_a_stopwatch_measures_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 3.0, 3.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    heard: list[Progress] = []
    watch = Stopwatch(heard.append)
    for stage in ("detect", "training", "training"):
        watch(Progress(stage, 1, 2))
    assert watch.seconds == {"detect": 1.0, "training": 2.5}
    assert len(heard) == 3


LENGTHEN = """
import sys
from pathlib import Path
from dancenow.media.source import VideoSource
from dancenow.report import Pane, Report, write_report
from helpers.drawn_world import dancer_track, film, peak_kb
count = int(sys.argv[1])
track = dancer_track(count, body_px=200.0, size_px=256)
video = VideoSource.open(film(Path(sys.argv[2]) / f"{count}.mp4", track))
write_report(video.path.with_suffix(".html"), Report(video, (Pane("a", video), Pane("b", track)), "synthetic"))
print(peak_kb())
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    def peak_kb(count: int) -> int:
        words = [sys.executable, "-c", LENGTHEN, str(count), str(tmp_path)]
        return int(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout)

    # Were the frames held, 240 more of them would take 47 MB of about 400.
    assert peak_kb(300) < 1.05 * peak_kb(60)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_plays_and_seeks_in_chromium(page: Path, tmp_path: Path) -> None:
    now = "document.getElementById('now').textContent"
    with browser(tmp_path) as tab:
        tab.look(1280, 900)
        tab.open(page)
        tab.wait_for("document.getElementById('video').readyState >= 2")
        # Every pane shows a picture of its own.
        corner = "(c => [...c.getContext('2d').getImageData(64, 120, 1, 1).data].slice(0, 3))"
        colours = tab.run(f"[...document.querySelectorAll('canvas')].map({corner})")
        assert len(colours) == 4
        assert np.ptp(colours[1]) < 20 < np.ptp(colours[0])  # the floor is brown, the ground of poses grey
        tab.click("#play")
        tab.wait_for("document.getElementById('video').currentTime > 0.4")
        assert tab.run("document.getElementById('play').getAttribute('aria-label')") == "Pause"
        tab.press(" ") if tab.run("document.activeElement === document.body") else tab.click("#play")
        tab.wait_for("document.getElementById('video').paused && !document.getElementById('video').seeking")
        tab.click(".chart", 0.5)
        tab.wait_for(f"{now}.includes('frame 24')")
        assert abs(float(tab.run("document.querySelector('.cursor').getAttribute('x1')")) - 500) < 12
        tab.press("ArrowRight")
        tab.wait_for(f"{now}.includes('frame 25')")
        tab.press("ArrowLeft")
        tab.press("ArrowLeft")
        tab.wait_for(f"{now}.includes('frame 23')")
        tab.click("ol.worst button")
        tab.wait_for(f"{now}.includes('frame 30')")
        for width in (1280, 420):
            tab.look(width, 900)
            assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.errors == []
        assert tab.requests == [page.absolute().as_uri()]
