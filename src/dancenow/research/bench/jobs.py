"""A benchmark as a list of independent jobs, each measured once and cached, so that an interrupted benchmark can resume.

A job depends on its settings alone. Its record is cached under a digest of the settings and of the code that measures it (see
`storage.code_digest`), so that no number outlives its code. A job can be measured on another machine: copy its file into this
cache; the record says where it was measured. `import_records` does the same with a result.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from dancenow.errors import InputError, OptionError
from dancenow.progress import Progress, ProgressCallback
from dancenow.research.bench.results import MEASURED, Result, measurement_info
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.storage.code_digest import code_digest

Record = dict[str, Any]
JOB_KEY: Final = "cell"
"""Key of a record's job label: its kind and digest."""
_JOB_LABEL: Final = re.compile(r"[a-z_-]+-[0-9a-f]{20}")


@dataclass(frozen=True)
class Job:
    """One measurement. kind: name of the function; settings: its arguments as JSON values; expected_s: for the remaining time.

    measure: gets its own folder for intermediate files (a half-trained model), which is removed afterwards.
    """

    kind: str
    settings: Mapping[str, Any]
    measure: Callable[[Path, ProgressCallback], Record]
    expected_s: float

    @property
    def digest(self) -> str:
        """Digest of everything that determines the record."""
        words = json.dumps([self.kind, dict(self.settings), code_digest(self._module)], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:20]

    @property
    def _module(self) -> str:
        """Module of the measuring function."""
        function: object = self.measure
        while isinstance(function, partial):
            function = function.func
        return str(getattr(function, "__module__", ""))

    @property
    def label(self) -> str:
        """Kind and digest."""
        return f"{self.kind}-{self.digest}"

    @property
    def name(self) -> str:
        """Short description for the progress bar."""
        return ", ".join(str(value) for value in self.settings.values() if isinstance(value, str | int | float))


def run_jobs(stage: str, jobs: Sequence[Job], on_progress: ProgressCallback, only: Sequence[str] = ()) -> list[Record]:
    """Return the records of all jobs in order: cached ones are read, the others are measured and cached at once.

    Each says under `MEASURED` when, where and with which versions it was measured.

    only: values of settings; measure only jobs that have them (see `select_jobs`). Cached records of other jobs are
        returned, too; the rest is left out.

    Raises:
        UserError: a cached record is damaged, the cache cannot be written to, no job has a value of `only`, or whatever a
            job raises.
    """
    wanted = select_jobs(jobs, only)
    cached = {job.digest: _read(_record_path(job)) for job in jobs}
    missing = [job for job in wanted if cached[job.digest] is None]
    total_s, done_s = sum(job.expected_s for job in missing), 0.0
    for number, job in enumerate(missing, start=1):
        position = f"{number} of {len(missing)}: {job.name}"
        cached[job.digest] = _measure(job, _job_progress(stage, job, position, done_s, total_s, on_progress))
        done_s += job.expected_s
        on_progress(Progress(stage, done_s, total_s, position))
    known = [job for job in jobs if not only or cached[job.digest] is not None]
    return [{**job.settings, **(cached[job.digest] or {}), JOB_KEY: job.label} for job in known]


def import_records(result: Result) -> None:
    """Cache the records of a result as if measured here, so that one machine can finish what another began.

    Records of other code versions are never used.
    """
    whole = {"date": result.date, "machine": result.machine, "versions": result.versions}
    for record in result.records:
        label = str(record.get(JOB_KEY))
        if not _JOB_LABEL.fullmatch(label):
            continue
        path = cache_dir("bench/jobs") / f"{label}.json"
        if not path.exists():
            with complete_or_absent(path) as temporary:
                temporary.write_text(json.dumps({"record": {MEASURED: whole, **record}}, indent=1))


def select_jobs(jobs: Sequence[Job], only: Sequence[str]) -> list[Job]:
    """Select the jobs that match the named values in every setting that has one of them; all jobs without names.

    `dov eve 4m` selects both subjects at one budget, with every method.

    Raises:
        UserError: no job has one of the values.
    """
    values = {str(value) for job in jobs for value in job.settings.values() if isinstance(value, str | int | float)}
    if unknown := [word for word in only if word not in values]:
        raise OptionError(f"no part of this bench is called {unknown[0]!r}; choose from {', '.join(sorted(values))}.")
    named = {name for job in jobs for name, value in job.settings.items() if str(value) in only}
    return [job for job in jobs if all(str(job.settings.get(name)) in only for name in named)]


def _measure(job: Job, on_progress: ProgressCallback) -> Record:
    folder = cache_dir("bench/jobs") / job.digest
    folder.mkdir(exist_ok=True)
    record = {**job.measure(folder, on_progress), MEASURED: measurement_info()}
    with complete_or_absent(_record_path(job)) as temporary:
        temporary.write_text(json.dumps({"kind": job.kind, "settings": dict(job.settings), "record": record}, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _job_progress(
    stage: str, job: Job, position: str, done_s: float, total_s: float, on_progress: ProgressCallback
) -> ProgressCallback:
    """Map events inside a job to the benchmark's progress bar, by elapsed time."""
    start_s = time.perf_counter()

    def report(event: Progress) -> None:
        elapsed_s = min(time.perf_counter() - start_s, 0.98 * job.expected_s)
        on_progress(Progress(stage, done_s + elapsed_s, total_s, f"{position}: {event.stage}"))

    return report


def _record_path(job: Job) -> Path:
    return cache_dir("bench/jobs") / f"{job.label}.json"


def _read(path: Path) -> Record | None:
    if not path.exists():
        return None
    try:
        record: Record = json.loads(path.read_text("utf-8"))["record"]
        if not isinstance(record[MEASURED], dict):
            raise TypeError("no record")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the cached record {path} is damaged; remove it to measure it again.") from error
    return record
