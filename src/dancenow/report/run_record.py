"""Records of a run (inputs with their hashes, model, settings, timings, coverage) and of an evaluation, for their reports.

Files are named without their folders, because reports are shared.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from dancenow.media.alpha_source import AlphaVideo
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.report.content import CoverageGap, FootageCoverage, Metric, Pane, Report
from dancenow.report.page import write_report
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import read_info
from dancenow.subject.coverage import Coverage
from dancenow.subject.manifest import SubjectManifest
from dancenow.types import PoseTrack

_PACKAGES: Final = ("dancenow", "torch", "numpy", "opencv-python-headless", "av", "ai-edge-litert")


class Stopwatch:
    """A progress callback that forwards events and measures each stage; time counts toward the stage of the next event."""

    def __init__(self, on_progress: ProgressCallback = ignore_progress) -> None:
        self._on_progress, self._since = on_progress, time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, event: Progress) -> None:
        """Record the event and forward it."""
        now = time.perf_counter()
        self.seconds[event.stage] = self.seconds.get(event.stage, 0.0) + now - self._since
        self._since = now
        self._on_progress(event)


@dataclass(frozen=True, eq=False)
class DancerRecord:
    """One dancer of a run. person: their number in the source, None for the one who is followed by default. target: the file or
    folder that shows them. manifest: of the subject, None where a model was given. source_track: poses in the source video.
    target_track: the same, retargeted and smoothed, as the generator received them. coverage: None where it is not known.
    """

    person: int | None
    target: Path
    model: Path
    manifest: SubjectManifest | None
    source_track: PoseTrack
    target_track: PoseTrack
    coverage: Coverage | None


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Inputs and results of `pipeline.run`. settings: label -> value, as given by the user. seconds: stage -> duration."""

    source: VideoSource
    result: Path
    dancers: Sequence[DancerRecord]
    normalization: str
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    seconds: Mapping[str, float]


def report_path(video: Path) -> Path:
    """Path of a run's report: next to its video."""
    return video.with_suffix(".report.html")


def evaluation_path(video: Path) -> Path:
    """Path of an evaluation's report: next to the video and the run's report."""
    return video.with_suffix(".evaluation.html")


def describe_evaluation(
    out: VideoInput,
    reference: VideoInput,
    track: PoseTrack,
    metrics: Sequence[Metric],
    source: VideoInput | None,
    settings: Mapping[str, str],
) -> Report:
    """Build the report of an evaluation.

    track: the reference's poses. source: footage of the source person, which is shown if it is as long as the result, as the
    source video is. settings: label -> value.
    """
    out, reference = open_video(out), open_video(reference)
    source = None if source is None else open_video(source)
    panes = [Pane("Pose of the reference", track), Pane("Result", out), Pane("Reference", reference)]
    if source is not None and _same_length(source, out):
        panes.insert(0, Pane("Source", source))
    files = {"result": out, "reference": reference} | ({} if source is None else {"source": source})
    inputs = {label: file.path.name for label, file in files.items()}
    hashes = {f"{label} SHA-256": file.sha256 for label, file in files.items()}
    statement = f"{out.path.name} measured against {reference.path.name}, frame by frame."
    if any(metric.ideal is not None for metric in metrics):
        statement += " The ideal of a metric is the value of the re-encoded reference."
    facts = {
        "Inputs": inputs | hashes | {"pose detector": track.detector},
        "Settings": dict(settings),
        "Versions": package_versions(),
    }
    return Report(out, tuple(panes), statement, tuple(metrics), facts=facts)


def _same_length(video: VideoSource, other: VideoSource) -> bool:
    lengths_s = [each.info.duration_s or 0.0 for each in (video, other)]
    return abs(lengths_s[0] - lengths_s[1]) < 0.2


def write_run_report(page: Path, record: RunRecord, on_progress: ProgressCallback = ignore_progress) -> None:
    """Write the report of a run as one HTML page."""
    write_report(page, describe_run(record), on_progress=on_progress)


def describe_run(record: RunRecord) -> Report:
    """Build the report of a run."""
    dancers, several = record.dancers, len(record.dancers) > 1
    panes = [Pane("Source", record.source)]
    panes += [Pane(f"Pose of person {each.person}" if several else "Pose, retargeted", each.target_track) for each in dancers]
    result = record.source  # a folder of images is not shown, and has no times
    if record.result.is_file():
        result = (VideoSource if record.result.suffix == ".mp4" else AlphaVideo).open(record.result)
        panes.append(Pane("Result", result))
    names = " and ".join(dict.fromkeys(each.target.name for each in dancers))
    who = f"Networks trained on {names} rendered the people" if several else f"A network trained on {names} rendered the person"
    shown, danced = ("them", "people") if several else ("it", "person")
    statement = (
        f"This video is synthetic. {who} in {shown} in the poses of the {danced} in {record.source.path.name}; the scene was"
        " never filmed."
    )
    footage = [text for each in dancers if each.manifest is not None for text in each.manifest.warnings]
    notes = (f"Normalization: {record.normalization}.", *record.notes, *footage)
    facts = {
        "Inputs": _inputs(record),
        **{f"Model of person {each.person}" if several else "Model": _model(each.model) for each in dancers},
        "Settings": dict(record.settings),
        "Time taken": {stage: _duration(seconds) for stage, seconds in record.seconds.items() if seconds >= 0.05},
        "Versions": package_versions(),
    }
    return Report(result, tuple(panes), statement, coverage=_coverage_section(dancers), notes=notes, facts=facts)


def package_versions() -> dict[str, str]:
    """Package -> version, and the machine."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions | {"Python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


def _coverage_section(dancers: Sequence[DancerRecord]) -> FootageCoverage | None:
    """The distance to the footage; of several dancers, that of the one who is covered least."""
    known = [(each.person, each.coverage) for each in dancers if each.coverage is not None]
    if not known:
        return None
    several = len(dancers) > 1
    distance = np.fmax.reduce([coverage.distance for _, coverage in known])
    summary = " ".join(f"Person {n}: {coverage.summary}" if several else coverage.summary for n, coverage in known)
    gaps = (
        CoverageGap(each.start_s, each.stop_s, f"person {n}: {each.what}" if several else each.what, each.advice)
        for n, coverage in known
        for each in coverage.ranges
    )
    return FootageCoverage(distance, "body heights", summary, tuple(gaps))


def _inputs(record: RunRecord) -> dict[str, str]:
    first = record.dancers[0].source_track
    inputs = {"source": record.source.path.name, "source SHA-256": first.source_sha256}
    for each in record.dancers:
        of_whom = f"person {each.person}: " if len(record.dancers) > 1 else ""
        inputs |= {of_whom + label: value for label, value in _target_inputs(each).items()}
    return inputs | {"pose detector": first.detector}


def _target_inputs(dancer: DancerRecord) -> dict[str, str]:
    manifest, inputs = dancer.manifest, {"target": dancer.target.name}
    if manifest is None:
        return inputs | {"consent": f"recorded in the model, SHA-256 {read_info(dancer.model).subject['consent_sha256']}"}
    return inputs | {
        "target SHA-256": manifest.source_sha256,
        "consent": _consent(manifest),
        "licence of the target's footage": manifest.licence or "none recorded",
    }


def _consent(manifest: SubjectManifest) -> str:
    if manifest.consent is None:
        return "none recorded; publish only with the person's consent"
    c = manifest.consent
    return "; ".join(filter(None, (f"{c.kind}: {c.person}", c.scope, c.date, c.licence)))


def _model(model: Path) -> dict[str, str]:
    info = read_info(model)
    return {
        "kind": info.kind,
        "file": model.name,
        "SHA-256": sha256_of(model),
        "images seen": str(info.images_seen),
        **({"trained for": _duration(info.train_seconds)} if info.train_seconds else {}),
        "trained by": f"dancenow {info.version}",
    }


def _duration(seconds: float) -> str:
    rounded = round(seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{rounded // 60} min {rounded % 60} s"
