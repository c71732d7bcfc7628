"""What a report tells of a run (inputs with their hashes, model, settings, timings, coverage) and of an evaluation.

Files are named without their folders, because reports are passed on.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.report.content import Footage, Gap, Metric, Pane, Report
from dancenow.report.page import write_report
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import read_info
from dancenow.subject.coverage import Coverage
from dancenow.subject.manifest import SubjectManifest
from dancenow.types import PoseTrack

_PACKAGES: Final = ("dancenow", "torch", "numpy", "opencv-python-headless", "av", "ai-edge-litert")


class Stopwatch:
    """A listener that passes events on and keeps how long each stage took; a stage's time is what ends with its events."""

    def __init__(self, on_progress: ProgressCallback = ignore_progress) -> None:
        self._on_progress, self._since = on_progress, time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, event: Progress) -> None:
        """Note the event and pass it on."""
        now = time.perf_counter()
        self.seconds[event.stage] = self.seconds.get(event.stage, 0.0) + now - self._since
        self._since = now
        self._on_progress(event)


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What `pipeline.run` had and did.

    source_track: the track in the source; painted: the same in the target's frame, as the generator saw it. coverage:
    None where too
    little of a body is seen to say. settings: label -> value, as the user gave them. seconds: stage -> how long it took.
    """

    source: VideoSource
    target: VideoSource
    result: Path
    model: Path
    manifest: SubjectManifest
    source_track: PoseTrack
    painted: PoseTrack
    coverage: Coverage | None
    normalization: str
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    seconds: Mapping[str, float]


def report_path(video: Path) -> Path:
    """Where the report of a run lies: beside its video."""
    return video.with_suffix(".report.html")


def evaluation_path(video: Path) -> Path:
    """Where the report of an evaluation lies: beside the video, and beside the report of its making."""
    return video.with_suffix(".evaluation.html")


def describe_comparison(
    out: VideoInput,
    reference: VideoInput,
    track: PoseTrack,
    figures: Sequence[Metric],
    source: VideoInput | None,
    settings: Mapping[str, str],
) -> Report:
    """The report of an evaluation.

    track: the reference's poses. source: footage of the dancer, which is shown too if it is as long as the result, as the
    video of the dance is. settings: label -> value.
    """
    out, reference = open_video(out), open_video(reference)
    source = None if source is None else open_video(source)
    panes = [Pane("Pose of the reference", track), Pane("Result", out), Pane("Reference", reference)]
    if source is not None and _as_long(source, out):
        panes.insert(0, Pane("Source", source))
    files = {"result": out, "reference": reference} | ({} if source is None else {"source": source})
    inputs = {label: file.path.name for label, file in files.items()}
    hashes = {f"{label} SHA-256": file.sha256 for label, file in files.items()}
    statement = f"{out.path.name} measured against {reference.path.name}, frame by frame."
    if any(figure.ideal is not None for figure in figures):
        statement += " The ideal beside a figure is what the reference itself reaches when it is encoded once more."
    facts = {"Inputs": inputs | hashes | {"poses by": track.detector}, "Settings": dict(settings), "Versions": versions()}
    return Report(out, tuple(panes), statement, tuple(figures), facts=facts)


def _as_long(video: VideoSource, other: VideoSource) -> bool:
    lengths_s = [each.info.duration_s or 0.0 for each in (video, other)]
    return abs(lengths_s[0] - lengths_s[1]) < 0.2


def write_run_report(page: Path, record: RunRecord, on_progress: ProgressCallback = ignore_progress) -> None:
    """Write the report of a run as one HTML page."""
    write_report(page, describe(record), on_progress=on_progress)


def describe(record: RunRecord) -> Report:
    """The report of a run."""
    m, result = record, VideoSource.open(record.result)
    panes = Pane("Source", m.source), Pane("Pose, fitted to the target", m.painted), Pane("Result", result)
    statement = (
        f"This video is synthetic. A network that learnt from {m.target.path.name} painted the person there in the poses of the"
        f" dancer in {m.source.path.name}; what it shows was never filmed."
    )
    notes = (f"Normalization: {m.normalization}.", *m.notes, *m.manifest.warnings)
    facts = {
        "Inputs": _inputs(m),
        "Model": _model(m.model),
        "Settings": dict(m.settings),
        "Time taken": {stage: _duration(seconds) for stage, seconds in m.seconds.items() if seconds >= 0.05},
        "Versions": versions(),
    }
    return Report(result, panes, statement, footage=_footage(m.coverage), notes=notes, facts=facts)


def versions() -> dict[str, str]:
    """Package -> version, and the machine."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found | {"Python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


def _footage(found: Coverage | None) -> Footage | None:
    if found is None:
        return None
    gaps = tuple(Gap(each.start_s, each.stop_s, each.what, each.advice) for each in found.ranges)
    return Footage(found.distance, "body heights", found.summary, gaps)


def _inputs(record: RunRecord) -> dict[str, str]:
    manifest = record.manifest
    return {
        "source": record.source.path.name,
        "source SHA-256": record.source_track.source_sha256,
        "target": record.target.path.name,
        "target SHA-256": manifest.source_sha256,
        "consent": _consent(manifest),
        "licence of the target's footage": manifest.licence or "none recorded",
        "poses by": record.source_track.detector,
    }


def _consent(manifest: SubjectManifest) -> str:
    if manifest.consent is None:
        return "none recorded; publish only what the person agreed to"
    c = manifest.consent
    return "; ".join(filter(None, (f"{c.kind}: {c.person}", c.scope, c.date, c.licence)))


def _model(model: Path) -> dict[str, str]:
    info = read_info(model)
    return {
        "kind": info.kind,
        "file": model.name,
        "SHA-256": sha256_of(model),
        "images seen": str(info.images_seen),
        "trained for": _duration(info.train_seconds),
        "trained by": f"dancenow {info.version}",
    }


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{whole // 60} min {whole % 60} s"
