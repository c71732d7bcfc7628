"""What the package costs to install and to start: `python -m dancenow.research.recipes.package_size WHEEL -o FIGURES.json`.

Everything is installed with pip into empty environments, once plain and then one extra after another, each in the same
environment, so that an extra is charged for what the earlier ones did not bring. Another environment holds what a program needs
that runs an exported model: ONNX Runtime alone. Extras are installed for the first Python only. torch is taken from where pip
finds it: without CUDA that needs an index or a folder of wheels for CPUs.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
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
_PICTURES: Final = """
import json, statistics, sys, time
import numpy as np, onnxruntime
network = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
inputs = {each.name: np.zeros(each.shape, np.float32) for each in network.get_inputs()}
times = []
for _ in range(int(sys.argv[2]) + 1):
    start_s = time.perf_counter()
    (picture,) = network.run(None, inputs)
    times.append(1000 * (time.perf_counter() - start_s))
print(json.dumps({"model_shape": list(picture.shape), "picture_ms": round(statistics.median(times[1:]), 1)}))
"""


@dataclass(frozen=True)
class Options:
    """wheel: of dancenow. out: the JSON to write. pythons: for the environments. extras: to install, in this order. repeats: of
    each start and picture, of which the median counts. constraints: file of versions. onnx: an exported model to run."""

    wheel: tyro.conf.Positional[Path]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    pythons: tuple[str, ...] = (sys.executable,)
    extras: tuple[str, ...] = EXTRAS
    repeats: int = 7
    constraints: Path | None = None
    onnx: Path | None = None


class _Environment:
    """A virtual environment in a folder."""

    def __init__(self, python: str, folder: Path, options: Options) -> None:
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
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
    times: dict[str, list[float]] = {name: [] for name in _STARTS}
    for _ in range(repeats + 1):
        for name, code in _STARTS.items():
            start_s = time.perf_counter()
            _say(program, code)
            times[name].append(1000 * (time.perf_counter() - start_s))
    return {name: round(statistics.median(each[1:])) for name, each in times.items()}  # the first one compiles


def measure_bare(python: str, folder: Path, options: Options) -> dict[str, Any]:
    """What an exported model needs: size, and if there is one, the time of its pictures."""
    bare = _Environment(python, folder, options)
    row = {"install_s": round(bare.install(*_BARE), 1), "mb": round(bare.size_mb(), 1)}
    if options.onnx is not None:
        row |= json.loads(_say(bare.program, _PICTURES, str(options.onnx.absolute()), str(options.repeats)))
    return row


def measure_package(python: str, folder: Path, options: Options, extras: Sequence[str]) -> dict[str, Any]:
    """What dancenow needs, and its extras one after another."""
    full, wheel = _Environment(python, folder, options), str(options.wheel.absolute())
    installed = {"dancenow": {"install_s": round(full.install(wheel), 1), "mb": round(before := full.size_mb(), 1)}}
    row = {"installed": installed, "largest_mb": full.largest(), "starts_ms": start_times_ms(full.program, options.repeats)}
    for extra in extras:
        seconds = full.install(f"{wheel}[{extra}]")
        after = full.size_mb()
        installed[f"extra {extra}"] = {"install_s": round(seconds, 1), "more_mb": round(after - before, 1)}
        before = after
    return row | {"torch": _say(full.program, "import torch; print(torch.__version__)").strip()}


def _say(program: str, code: str, *words: str) -> str:
    """What a new process prints that runs some code, without a checkout on its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([program, "-c", code, *words], check=True, env=clean, stdout=subprocess.PIPE, text=True).stdout


def measure(options: Options) -> dict[str, Any]:
    """Install everything and measure it."""
    with scratch_folder() as scratch:
        bare = measure_bare(options.pythons[0], scratch / "bare", options)
        packages = {}
        for number, python in enumerate(options.pythons):
            version = _say(python, "import platform; print(platform.python_version())").strip()
            folder, extras = scratch / str(number), options.extras if number == 0 else ()
            packages[f"Python {version}"] = measure_package(python, folder, options, extras)
            shutil.rmtree(folder)
    return {
        "what": "MB of 1,000,000 bytes on disk, without pip and without bytecode; starts and pictures in milliseconds, median",
        "platform": sys.platform,
        "wheel_mb": round(options.wheel.stat().st_size / 1e6, 1),
        "ONNX Runtime alone": bare,
        "dancenow": packages,
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def main(options: Options) -> None:
    figures = measure(options)
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
