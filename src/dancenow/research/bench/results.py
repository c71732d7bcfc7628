"""Result file of a benchmark: JSON with all records, the machine, the versions and the seeds, named by its date."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

import dancenow
from dancenow.errors import InputError
from dancenow.storage.atomic_io import complete_or_absent

Size = Literal["smoke", "laptop", "gpu"]
SCHEMA: Final = 1
MEASURED: Final = "measured_on"
"""Key in a record for when, where and with which versions it was measured, see `measurement_info`."""
CONDITIONS: Final = "DANCENOW_BENCH_CONDITIONS"
"""Environment variable that describes other load on the machine; it is stored in the result."""
_RECORDS_KEY: Final = "cells"
"""Key of `Result.records` in the file, kept from older results."""
_FILE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-([a-z]+)-(smoke|laptop|gpu)\.json")


@dataclass(frozen=True)
class Result:
    """One completed benchmark. records: of all jobs; summary: what the page shows; settings and seeds as JSON values.

    date, machine, versions: of most records. A record that was measured elsewhere says so itself, under `MEASURED`.
    """

    bench: str
    size: Size
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, Any]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    schema: int = SCHEMA

    @classmethod
    def from_records(
        cls,
        bench: str,
        size: Size,
        seeds: Sequence[int],
        settings: Mapping[str, Any],
        records: Sequence[Mapping[str, Any]],
        summary: Mapping[str, Any],
    ) -> Self:
        """Build a result from the records of `jobs.run_jobs`.

        Raises:
            UserError: there are no records.
        """
        if not records:
            raise InputError(f"nothing of the bench {bench} was measured; run it without --only.")
        places = [_where(each[MEASURED]) for each in records]
        most = max(places, key=places.count)
        own = [each[MEASURED] for each, where in zip(records, places, strict=True) if where == most]
        # Without a clean checkout the commit is unknown; but cached records are found by a digest of the code, so they belong
        # to this code.
        known = (each["versions"]["commit"] for each in own)
        commit = next((name for name in known if name and not name.endswith("+")), None) or _commit()
        date, versions = max(each["date"] for each in own), {**own[0]["versions"], "commit": commit}
        kept = [
            {key: value for key, value in each.items() if key != MEASURED or where != most}
            for each, where in zip(records, places, strict=True)
        ]
        return cls(bench, size, date, own[0]["machine"], versions, seeds, settings, kept, summary)

    def write(self, folder: Path) -> Path:
        """Write DATE-BENCH-SIZE.json, replacing an older file of the same day."""
        content = {_RECORDS_KEY if name == "records" else name: value for name, value in asdict(self).items()}
        path = folder / f"{self.date}-{self.bench}-{self.size}.json"
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `write`.

        Raises:
            UserError: the file is damaged or from another version.
        """
        try:
            fields = json.loads(path.read_text("utf-8"))
            if fields["schema"] != SCHEMA:
                raise ValueError(f"schema {fields['schema']}")
            return cls(**{"records" if name == _RECORDS_KEY else name: value for name, value in fields.items()})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"the result {path} is damaged or from another version; measure it again or remove it.") from error


def latest(folder: Path, benches: Sequence[str]) -> dict[tuple[str, str], Path]:
    """The newest file of every (bench, size) in a folder; files with other names are ignored."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _FILE.fullmatch(path.name)
        if match and match[2] in benches:
            found[match[2], match[3]] = path
    return found


def today() -> str:
    """The date in UTC, 2026-11-22."""
    return datetime.now(UTC).date().isoformat()


def measurement_info() -> dict[str, Any]:
    """Date, machine and versions, as stored in a record."""
    return {"date": today(), "machine": machine(), "versions": versions()}


def _where(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What records of one machine have in common; memory may vary, and threads belong to a job."""
    told = {**measured["machine"], **measured["versions"]}
    return {key: value for key, value in told.items() if key not in ("ram_gb", "threads", "commit")}


def machine() -> dict[str, Any]:
    """The machine. usable_cores: available to this process; conditions: the value of `CONDITIONS`, if set."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "ram_gb": round(memory_bytes / 2**30, 1),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        **({"conditions": said} if (said := os.environ.get(CONDITIONS)) else {}),
    }


def versions() -> dict[str, Any]:
    """The software. commit: of the package's checkout, with a + if it is modified; None without one."""
    import torch

    return {
        "dancenow": dancenow.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return " ".join(names[0].split()) if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    folder = Path(dancenow.__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # an installed package may lie inside an unrelated checkout
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
