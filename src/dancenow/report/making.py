"""How a result was made, as a report tells it: inputs with their hashes, model, settings, timings, versions, coverage.

Files are named without their folders, because reports are passed on.
"""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from dancenow.checkpoint import read_info
from dancenow.coverage import coverage
from dancenow.data.subject import Subject, SubjectManifest
from dancenow.errors import UserError
from dancenow.files import sha256_of
from dancenow.pose.normalize import Kind
from dancenow.progress import Listener, Progress, silent
from dancenow.report.content import Footage, Gap, Pane, Report
from dancenow.types import PoseTrack

_PACKAGES: Final = ("dancenow", "torch", "numpy", "opencv-python-headless", "av", "ai-edge-litert")


class Stopwatch:
    """A listener that passes events on and keeps how long each stage took; a stage's time is what ends with its events."""

    def __init__(self, listen: Listener = silent) -> None:
        self._listen, self._since = listen, time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, event: Progress) -> None:
        """Note the event and pass it on."""
        now = time.perf_counter()
        self.seconds[event.stage] = self.seconds.get(event.stage, 0.0) + now - self._since
        self._since = now
        self._listen(event)


@dataclass(frozen=True, eq=False)
class Making:
    """What `pipeline.run` had and did.

    danced: the track in the source; painted: the same in the target's frame, as the generator saw it. settings: label ->
    value, as the user gave them. seconds: stage -> how long it took.
    """

    source: Path
    target: Path
    result: Path
    model: Path
    subject: Subject
    danced: PoseTrack
    painted: PoseTrack
    normalize: Kind
    normalization: str
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    seconds: Mapping[str, float]


def report_path(video: Path) -> Path:
    """Where the report of a run lies: beside its video."""
    return video.with_suffix(".report.html")


def describe(making: Making) -> Report:
    """The report of a run."""
    m = making
    panes = Pane("Source", m.source), Pane("Pose, fitted to the target", m.painted), Pane("Result", m.result)
    statement = (
        f"This video is synthetic. A network that learnt from {m.target.name} painted the person there in the poses of the"
        f" dancer in {m.source.name}; what it shows was never filmed."
    )
    notes = (f"The dance was fitted to the person: {m.normalization}.", *m.notes, *m.subject.manifest.warnings)
    facts = {
        "Inputs": _inputs(m),
        "Model": _model(m.model),
        "Settings": dict(m.settings),
        "Time taken": {stage: _duration(seconds) for stage, seconds in m.seconds.items() if seconds >= 0.05},
        "Versions": versions(),
    }
    return Report(m.result, panes, statement, footage=_footage(m), notes=notes, facts=facts)


def versions() -> dict[str, str]:
    """Package -> version, and the machine."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found | {"Python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


def _footage(making: Making) -> Footage | None:
    """What the footage lacks; None where too little of a body is seen to say."""
    subject = making.subject
    learnt = subject.manifest.in_split("train", subject.track.time_s)
    try:
        found = coverage(making.danced, subject.track, normalize=making.normalize, learnt=learnt)
    except UserError:
        return None
    gaps = tuple(Gap(each.start_s, each.stop_s, each.what, each.advice) for each in found.ranges)
    return Footage(found.distance, "body heights", found.summary, gaps)


def _inputs(making: Making) -> dict[str, str]:
    manifest = making.subject.manifest
    return {
        "source": making.source.name,
        "source SHA-256": making.danced.source_sha256,
        "target": making.target.name,
        "target SHA-256": manifest.source_sha256,
        "consent": _consent(manifest),
        "licence of the target's footage": manifest.licence or "none recorded",
        "poses by": making.danced.detector,
    }


def _consent(manifest: SubjectManifest) -> str:
    if manifest.consent is None:
        return "none recorded; publish only what the person agreed to"
    return "; ".join(f"{label}: {value}" for label, value in manifest.consent.items())


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
