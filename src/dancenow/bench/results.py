"""What a bench leaves behind: one JSON file with every cell, the machine, the versions and the seeds, named by its date."""

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
from dancenow.errors import UserError
from dancenow.files import complete_or_absent

Size = Literal["smoke", "laptop", "gpu"]
SCHEMA: Final = 1
_FILE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-([a-z]+)-(smoke|laptop|gpu)\.json")


@dataclass(frozen=True)
class Result:
    """One bench that was run. cells: a record each; summary: what the page shows; settings and seeds as JSON values."""

    bench: str
    size: Size
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, Any]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    cells: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    schema: int = SCHEMA

    def write(self, folder: Path) -> Path:
        """Write DATE-BENCH-SIZE.json, which replaces an older one of the same day."""
        path = folder / f"{self.date}-{self.bench}-{self.size}.json"
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `write`.

        Raises:
            UserError: the file is damaged or of another version.
        """
        try:
            fields = json.loads(path.read_text("utf-8"))
            if fields["schema"] != SCHEMA:
                raise ValueError(f"schema {fields['schema']}")
            return cls(**fields)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"the result {path} is damaged or of another version; measure it again or remove it.") from error


def latest(folder: Path, benches: Sequence[str]) -> dict[tuple[str, str], Path]:
    """The newest file of every (bench, size) in a folder; what is named otherwise is somebody else's."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _FILE.fullmatch(path.name)
        if match and match[2] in benches:
            found[match[2], match[3]] = path
    return found


def today() -> str:
    """The date in UTC, 2026-11-22."""
    return datetime.now(UTC).date().isoformat()


def machine() -> dict[str, Any]:
    """What ran the bench."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "ram_gb": round(memory_bytes / 2**30, 1),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, Any]:
    """What was run. commit: of the checkout that the package lies in, with a + if it was changed; None without one."""
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
        git("ls-files", "--error-unmatch", "__init__.py")  # a checkout of something else may lie around an installed package
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
