"""What the package costs to install and to start: `python -m dancenow.research.recipes.package_size WHEEL -o FIGURES.json`.

Everything is installed with pip into empty environments, once plain and then one extra after another, each in the same
environment, so that an extra is charged for what the earlier ones did not bring. Another environment holds what a program needs
that runs an exported model: ONNX Runtime alone. torch is taken from where pip finds it: without CUDA that needs an index or a
folder of wheels for CPUs.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.unfinished import scratch_folder

EXTRAS: Final = ("export", "web", "studio", "cluster")
_BARE: Final = ("onnxruntime", "numpy")
_STARTS: Final = {
    "nothing": "pass",
    "dancenow": "import dancenow",
    "dancenow.cli.main": "import dancenow.cli.main",
    "dancenow --version": "import dancenow.cli.main as c; c.main(['--version'])",
    "dancenow.pose.track_io": "import dancenow.pose.track_io",
    "dancenow.media.source": "import dancenow.media.source",
    "dancenow.pipeline": "import dancenow.pipeline",
    "torch": "import torch",
    "numpy, cv2, av": "import numpy, cv2, av",
}
"""What is imported in a new process, and timed."""


@dataclass(frozen=True)
class Options:
    """wheel: of dancenow. out: the JSON to write. python: for the environments. extras: to install, in this order. repeats: of
    each start, of which the median counts. constraints: file of versions."""

    wheel: tyro.conf.Positional[Path]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    python: str = sys.executable
    extras: tuple[str, ...] = EXTRAS
    repeats: int = 7
    constraints: Path | None = None


class _Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: Path, options: Options) -> None:
        subprocess.run([options.python, "-m", "venv", str(folder)], check=True)
        self._folder, self._options = folder, options
        self.program = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")

    def install(self, *requirements: str) -> float:
        """Install; the seconds it took."""
        constraints = [] if self._options.constraints is None else ["--constraint", str(self._options.constraints)]
        start_s = time.monotonic()
        subprocess.run([self.program, "-m", "pip", "install", "--quiet", *constraints, *requirements], check=True)
        return time.monotonic() - start_s

    def size_mb(self) -> float:
        """Of all files, without compiled bytecode and without what an empty environment has: pip."""
        files = (path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink())
        kept = (path for path in files if path.suffix != ".pyc" and not {"pip"} & set(path.parts))
        return sum(path.stat().st_size for path in kept) / 1e6

    def largest(self, count: int = 8) -> dict[str, float]:
        """The largest installed folders, in MB."""
        (packages,) = self._folder.glob("[Ll]ib/**/site-packages")
        sizes = {
            each.name: sum(path.stat().st_size for path in each.rglob("*") if path.is_file()) / 1e6
            for each in packages.iterdir()
            if each.is_dir()
        }
        return {name: round(size, 1) for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:count]}


def start_times_ms(program: str, repeats: int) -> dict[str, float]:
    """Median time of a new process that imports something, by what it imports."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    times: dict[str, list[float]] = {name: [] for name in _STARTS}
    for _ in range(repeats + 1):
        for name, code in _STARTS.items():
            start_s = time.perf_counter()
            subprocess.run([program, "-c", code], check=True, env=clean, stdout=subprocess.DEVNULL)
            times[name].append(1000 * (time.perf_counter() - start_s))
    return {name: round(statistics.median(each[1:])) for name, each in times.items()}  # the first one compiles


def measure(options: Options) -> dict[str, Any]:
    """Install everything and measure it."""
    wheel = str(options.wheel.absolute())
    rows: dict[str, Any] = {}
    with scratch_folder() as scratch:
        bare = _Environment(scratch / "bare", options)
        seconds = bare.install(*_BARE)
        rows["ONNX Runtime alone"] = {"mb": round(bare.size_mb(), 1), "install_s": round(seconds, 1)}
        full = _Environment(scratch / "full", options)
        seconds = full.install(wheel)
        before = full.size_mb()
        rows["dancenow"] = {"mb": round(before, 1), "install_s": round(seconds, 1), "largest_mb": full.largest()}
        starts = start_times_ms(full.program, options.repeats)
        for extra in options.extras:
            seconds = full.install(f"{wheel}[{extra}]")
            after = full.size_mb()
            rows[f"extra {extra}"] = {"more_mb": round(after - before, 1), "install_s": round(seconds, 1)}
            before = after
        version = subprocess.run([full.program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    return {
        "what": "MB of 1,000,000 bytes on disk, without pip and without bytecode; starts in milliseconds, median",
        "python": version,
        "platform": sys.platform,
        "wheel_mb": round(options.wheel.stat().st_size / 1e6, 1),
        "installed": rows,
        "starts_ms": starts,
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def main(options: Options) -> None:
    figures = measure(options)
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
