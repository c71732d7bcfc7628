"""A bench as a list of independent cells, each measured once and kept: an interrupted bench goes on where it stopped.

A cell is a function of its settings alone. Its record is kept under a digest of the settings and of the code that measures it
(see `code`), so that no figure outlives the code that gave it. A cell can be measured on another machine: its kept file, copied
into the cache here, counts here, and says where it was measured. So do the cells of a result (`import_records`).
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
"""Key of a record under which it says which cell it is of: its kind and digest."""
_JOB_LABEL: Final = re.compile(r"[a-z_-]+-[0-9a-f]{20}")


@dataclass(frozen=True)
class Job:
    """One measurement. kind: which function; settings: its arguments as JSON values; expected_s: for the time left.

    measure: gets a folder of its own for files that help going on (a half-trained model), which is removed afterwards.
    """

    kind: str
    settings: Mapping[str, Any]
    measure: Callable[[Path, ProgressCallback], Record]
    expected_s: float

    @property
    def digest(self) -> str:
        """Of everything that decides the record."""
        words = json.dumps([self.kind, dict(self.settings), code_digest(self._module)], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:20]

    @property
    def _module(self) -> str:
        """Where the measurement is written."""
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
        """For the progress line."""
        return ", ".join(str(value) for value in self.settings.values() if isinstance(value, str | int | float))


def run_jobs(stage: str, cells: Sequence[Job], on_progress: ProgressCallback, only: Sequence[str] = ()) -> list[Record]:
    """The records of all cells in their order: kept ones are read, the others measured and kept at once.

    Each says under `MEASURED` when, where and with what it was measured.

    only: values of settings: measure nothing but the cells that have them, of those that differ in one setting any (see
    `select_jobs`). What other cells left behind earlier is returned, too; what was never measured is left out.

    Raises:
        UserError: a kept record is damaged, the cache cannot be written to, or no cell has a value of `only`; whatever a
            cell raises.
    """
    wanted = select_jobs(cells, only)
    kept = {cell.digest: _read(_record_path(cell)) for cell in cells}
    missing = [cell for cell in wanted if kept[cell.digest] is None]
    total_s, done_s = sum(cell.expected_s for cell in missing), 0.0
    for number, cell in enumerate(missing, start=1):
        measurement_info = f"{number} of {len(missing)}: {cell.name}"
        kept[cell.digest] = _measure(cell, _job_progress(stage, cell, measurement_info, done_s, total_s, on_progress))
        done_s += cell.expected_s
        on_progress(Progress(stage, done_s, total_s, measurement_info))
    known = [cell for cell in cells if not only or kept[cell.digest] is not None]
    return [{**cell.settings, **(kept[cell.digest] or {}), JOB_KEY: cell.label} for cell in known]


def import_records(result: Result) -> None:
    """Keep the cells of a result as if they had been measured here: a bench that one machine began, another can end.

    Those of other code are never asked for.
    """
    whole = {"date": result.date, "machine": result.machine, "versions": result.versions}
    for record in result.records:
        label = str(record.get(JOB_KEY))
        if not _JOB_LABEL.fullmatch(label):
            continue
        path = cache_dir("bench/cells") / f"{label}.json"
        if not path.exists():
            with complete_or_absent(path) as temporary:
                temporary.write_text(json.dumps({"record": {MEASURED: whole, **record}}, indent=1))


def select_jobs(cells: Sequence[Job], only: Sequence[str]) -> list[Job]:
    """The cells whose settings have one of the named values, wherever any cell's setting has one; all without names.

    `dov eve 4m` chooses both subjects at one budget, by every method.

    Raises:
        UserError: no cell has one of the values.
    """
    values = {str(value) for cell in cells for value in cell.settings.values()}
    if strange := [word for word in only if word not in values]:
        raise OptionError(f"no part of this bench is called {strange[0]!r}; choose of {', '.join(sorted(values))}.")
    named = {name for cell in cells for name, value in cell.settings.items() if str(value) in only}
    return [cell for cell in cells if all(str(cell.settings.get(name)) in only for name in named)]


def _measure(cell: Job, on_progress: ProgressCallback) -> Record:
    folder = cache_dir("bench/cells") / cell.digest
    folder.mkdir(exist_ok=True)
    record = {**cell.measure(folder, on_progress), MEASURED: measurement_info()}
    with complete_or_absent(_record_path(cell)) as temporary:
        temporary.write_text(json.dumps({"kind": cell.kind, "settings": dict(cell.settings), "record": record}, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _job_progress(
    stage: str, cell: Job, measurement_info: str, done_s: float, total_s: float, on_progress: ProgressCallback
) -> ProgressCallback:
    """Every event inside a cell moves the one bar of the bench, by the time that has passed."""
    start_s = time.perf_counter()

    def tell(event: Progress) -> None:
        passed_s = min(time.perf_counter() - start_s, 0.98 * cell.expected_s)
        on_progress(Progress(stage, done_s + passed_s, total_s, f"{measurement_info}: {event.stage}"))

    return tell


def _record_path(cell: Job) -> Path:
    return cache_dir("bench/cells") / f"{cell.label}.json"


def _read(path: Path) -> Record | None:
    if not path.exists():
        return None
    try:
        record: Record = json.loads(path.read_text("utf-8"))["record"]
        if not isinstance(record[MEASURED], dict):
            raise TypeError("no record")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the kept measurement {path} is damaged; remove it to have it measured again.") from error
    return record
