"""Batches without networks: jobs of invented videos, steps that write a line, an engine in this process."""

import os
import signal
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from dancenow.batch.job_settings import Settings
from dancenow.batch.opening import Footage, Job, JobDancer
from dancenow.batch.plan import Step
from dancenow.batch.ray_engine import DoStep
from dancenow.batch.scheduler import StepEnd
from dancenow.batch.storage import ResultStorage
from dancenow.batch.work import StepReport, WorkerSettings, facts_name, part_name, video_name
from dancenow.errors import InputError, UserError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.consent import consent
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.unfinished import scratch_folder, unfinished_folder

_CONSENT = consent("rendered")


def a_job(
    source: str, target: str | Mapping[int, str], *, num_frames: int = 100, scene_sha256: str | None = None, **options: Any
) -> Job:
    """A job of videos that need not exist, of 10 frames a second. target: of one dancer, or of several by number."""
    settings = Settings(**options)
    cast = {settings.source_person: target} if isinstance(target, str) else target
    dancers = tuple(JobDancer(n, _footage(name), settings.target_person, _CONSENT) for n, name in cast.items())
    out = PurePosixPath(f"{'-'.join(cast.values())}-{source}.mp4")
    return Job(f"{out}", _footage(source), dancers, out, settings, num_frames, 10.0, scene_sha256)


def _footage(name: str) -> Footage:
    return Footage(Path(name), f"digest of {name}")


class InlineEngine:
    """A `scheduler.Engine` that runs each step in this process, when it is waited for."""

    slots = 2

    def __init__(self, do_step: DoStep, worker_settings: WorkerSettings, **_: Any) -> None:
        self._do_step, self._worker_settings = do_step, worker_settings
        self._waiting: deque[Step] = deque()
        self.started: list[Step] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._waiting.clear()

    def start(self, step: Step) -> None:
        self._waiting.append(step)
        self.started.append(step)

    def wait(self, timeout_s: float) -> list[StepEnd]:  # noqa: ARG002
        if not self._waiting:
            return []
        step = self._waiting.popleft()
        try:
            return [StepEnd(step.key, self._do_step(step, self._worker_settings, ignore_progress))]
        except ConnectionError:
            return [StepEnd(step.key, error="its worker was lost", is_lost=True)]
        except UserError as error:
            return [StepEnd(step.key, error=str(error))]

    def activity(self) -> Mapping[str, tuple[str, float]]:
        return {step.key: ("waiting", 0.0) for step in self._waiting}


def write_a_line(step: Step, worker_settings: WorkerSettings, on_progress: ProgressCallback) -> StepReport:
    """A step that takes a moment and logs itself; a source called `bad...` has nobody in it. A file `kill-KIND` beside the log
    kills the first worker that does a step of this kind, in the middle of it."""
    del on_progress
    storage, place = ResultStorage(worker_settings.storage_url), Path(worker_settings.storage_url).parent
    with (place / "log.txt").open("a") as log:
        log.write(f"{step.kind} {step.label}\n")
    time.sleep(0.05)
    try:
        (place / f"kill-{step.kind}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    except FileNotFoundError:
        pass
    if step.kind == "poses" and step.job.source.path.name.startswith("bad"):
        raise InputError(f"nobody is in {step.job.source.path.name}.")
    with scratch_folder() as scratch:
        path = scratch / "result"
        path.write_text(step.label)
        if step.kind == "part":
            storage.put(path, part_name(step.key))
        elif step.kind == "video":
            storage.put(path, video_name(step))
            facts = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            storage.put_json(facts, facts_name(step.key), scratch)
    return StepReport(0.05, 0, storage.bytes_written)


def stay_forever(step: Step, worker_settings: WorkerSettings, on_progress: ProgressCallback) -> StepReport:
    """A step that begins to write beside the storage, and does not end by itself."""
    del step
    with unfinished_folder(Path(worker_settings.storage_url).parent) as folder:
        while folder.exists():
            on_progress(Progress("staying", 0))
            time.sleep(0.05)
    return StepReport(0.0, 0, 0)
