"""Images a second of one process with two threads, and of two processes with one thread each, which share every batch:
`python -m dancenow.research.recipes.parallel_training SUBJECT -o RESULT.json`.

Both train the same preset with the same total batch. Turns are taken several times, as other programs may run on the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import tyro

from dancenow.errors import UserError
from dancenow.research.bench.results import machine
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import read_info
from dancenow.training.loop import state_path

_TORCHRUN: Final = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")


@dataclass(frozen=True)
class Options:
    """subject: folder that `prepare` wrote. out: the JSON to write. images: of each training. rounds: turns of each kind."""

    subject: tyro.conf.Positional[Path]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    images: int = 40
    rounds: int = 3
    preset: str = "draft"


def images_per_s(options: Options, *, processes: int, folder: Path) -> float:
    """Train once, without a face; the images a second of the loop."""
    model = folder / f"{processes}.safetensors"
    for path in (model, state_path(model)):
        path.unlink(missing_ok=True)
    start = _TORCHRUN if processes == 2 else ()
    words = ["train", str(options.subject), "-o", str(model), "--budget", f"{options.images}images", "--face", "none"]
    environment = os.environ | {"OMP_NUM_THREADS": str(2 // processes)}
    done = subprocess.run(
        [sys.executable, *start, "-m", "dancenow", *words, "--preset", options.preset, "--device", "cpu"], check=False,
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"the measured training failed: {done.stderr[-1000:]}")
    state = read_info(state_path(model))
    return state.images_seen / state.train_seconds


def measure(options: Options) -> dict[str, Any]:
    """Measure both kinds in turns."""
    with tempfile.TemporaryDirectory() as folder:
        speeds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.rounds):
            for processes, found in speeds.items():
                found.append(round(images_per_s(options, processes=processes, folder=Path(folder)), 3))
    one, two = (median(found) for found in speeds.values())
    return {
        "what": "images a second of training, the same batch in each",
        "preset": options.preset,
        "images": options.images,
        "machine": machine(),
        "one_process_two_threads": {"images_per_s": speeds[1], "median": one},
        "two_processes_one_thread": {"images_per_s": speeds[2], "median": two},
        "ratio": round(two / one, 3),
    }


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(measure(options), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
