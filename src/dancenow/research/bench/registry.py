"""The benchmarks by name; they run one after another, and each writes its JSON before the next one starts."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

from dancenow.errors import OptionError, UserError
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.research.bench.contact_sheet import copy_sheets
from dancenow.research.bench.jobs import import_records
from dancenow.research.bench.results import Result, Size, latest
from dancenow.storage.atomic_io import require_writable

Bench = Callable[..., Result]
"""Takes a size and a progress callback; those in `IN_PARTS` also `only`."""

BENCHES: Final[Mapping[str, tuple[str, str]]] = {
    "ablation": ("dancenow.research.bench.ablation", "bench_ablation"),
    "budget": ("dancenow.research.bench.budget", "bench_budget"),
    "face": ("dancenow.research.bench.face", "bench_face"),
    "drift": ("dancenow.research.bench.drift", "bench_drift"),
    "speed": ("dancenow.research.bench.speed", "bench_speed"),
    "engines": ("dancenow.research.bench.inference_backends", "bench_engines"),
    "normalize": ("dancenow.research.bench.normalization", "bench_normalize"),
    "blend": ("dancenow.research.bench.blending", "bench_blend"),
    "memory": ("dancenow.research.bench.length", "bench_memory"),
    "growth": ("dancenow.research.bench.length", "bench_growth"),
    "monotonicity": ("dancenow.research.bench.degradations", "bench_monotonicity"),
    "camera": ("dancenow.research.bench.camera", "bench_camera"),
    "real": ("dancenow.research.bench.real", "bench_real"),
}
"""Name -> module and function: torch is imported when a benchmark starts, not when its name is read."""


IN_PARTS: Final = ("ablation", "budget", "face", "drift", "speed", "engines", "normalize", "camera", "real")
"""Benchmarks that can run in parts, named by `only` (see `jobs.select_jobs`)."""


def run_benches(
    names: Sequence[str], size: Size, out: Path, on_progress: ProgressCallback = ignore_progress, only: Sequence[str] = ()
) -> Iterator[Path]:
    """Run the named benchmarks (none: all) and yield each result file as it is written into the folder `out`.

    only: measure these parts alone; the result also holds records of other parts that the same code measured before, here or,
        from the latest result in `out`, elsewhere.

    Raises:
        UserError: a name is unknown, a benchmark has no parts, `out` cannot be written to, or whatever a benchmark raises.
    """
    if only and not (names and set(names) <= set(IN_PARTS)):
        raise OptionError(f"only {', '.join(IN_PARTS)} can be measured in parts; name one of them.")
    for name in names:
        if name not in BENCHES:
            raise OptionError(f"there is no bench {name!r}; choose from {', '.join(BENCHES)}, or give `page` alone.")
    require_writable(out, folder=True)
    require_writable(out / "result.json", ".json")
    for name in names or _default_benches():
        with suppress(KeyError, UserError):  # no result, or a damaged one
            import_records(Result.read(latest(out, [name])[name, size]))
        module, function = BENCHES[name]
        bench: Bench = getattr(import_module(module), function)
        result = bench(size, on_progress, only=only) if only else bench(size, on_progress)
        path = result.write(out)
        copy_sheets(result.records, path)
        yield path


def _default_benches() -> list[str]:
    """All of them; real clips only where there are some."""
    return [name for name in BENCHES if name != "real" or os.environ.get("DANCENOW_DATA")]
