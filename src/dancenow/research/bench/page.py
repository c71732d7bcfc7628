"""Write docs/benchmarks.md from the result files alone: every number on it is in a JSON file of the folder `benchmarks`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dancenow.errors import InputError
from dancenow.research.bench.registry import BENCHES
from dancenow.research.bench.results import MEASURED, Result, latest
from dancenow.research.bench.sections.cost import drift, engines, growth, memory, speed
from dancenow.research.bench.sections.filmed import camera, real
from dancenow.research.bench.sections.placement import blend, monotonicity, normalize
from dancenow.research.bench.sections.quality import ablation, budget, face
from dancenow.research.bench.sections.trust import dataset, forensics
from dancenow.research.bench.summary import summary_page
from dancenow.storage.atomic_io import complete_or_absent

SHOWN_SIZES: Final = ("laptop", "gpu")
"""Sizes on the page; a smoke test only shows that a benchmark runs."""
SUMMARY_SIZE: Final = "laptop"
SCRIPTS: Final = {
    "forensics": "python -m dancenow.research.recipes.train_forensic measure",
    "dataset": "python -m dancenow.research.recipes.dataset",
}
"""Results that other commands than `dancenow bench` measure."""

_INTRODUCTION: Final = """\
# Benchmarks

`dancenow bench page` writes this page from the JSON files in the folder `{folder}`, which the commands below wrote.
Nothing here is typed by hand. Every number can be measured again with the command above its table. Each result is of the code
that measured it, which is named below its table; the [log](log/2026-11.md) says what has changed since. Up to 2026-11-28 the
preset `draft` was what `draft-fast` is now.
"""


def write_page(folder: Path) -> Path:
    """Write docs/benchmarks.md and docs/benchmark-summary.md beside the folder of results.

    Raises:
        UserError: there are no results, one is damaged, or the page cannot be written.
    """
    every = [*BENCHES, *SCRIPTS]
    found = {key: path for key, path in latest(folder, every).items() if key[1] in SHOWN_SIZES}
    if not found:
        raise InputError(f"there are no results to show in {folder}; measure first: dancenow bench --size laptop -o {folder}.")
    parts = [_INTRODUCTION.format(folder=folder.resolve().name)]
    for size in SHOWN_SIZES:
        for bench in every:
            if (bench, size) in found:
                path = found[bench, size]
                parts.append(_section(Result.read(path), path))
    page = folder.resolve().parent / "docs" / "benchmarks.md"
    page.parent.mkdir(exist_ok=True)
    for path, text in ((page, "\n".join(parts)), (page.with_name("benchmark-summary.md"), _summary(found))):
        with complete_or_absent(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return page


def _summary(found: Mapping[tuple[str, str], Path]) -> str:
    try:
        results = {bench: Result.read(path) for (bench, size), path in found.items() if size == SUMMARY_SIZE}
        return summary_page(results, TITLES)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"a result lacks what the summary shows ({error}); measure it again or remove it.") from error


def _section(result: Result, path: Path) -> str:
    try:
        body = BODIES[result.bench](result)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"the result {path} lacks what its table shows ({error}); measure it again or remove it.") from error
    command = SCRIPTS.get(result.bench, f"dancenow bench {result.bench} --size {result.size}")
    head = f"## {TITLES[result.bench]} ({result.size})\n\n`{command}`\n"
    return f"{head}\n{body}\n{_provenance(result, path)}\n"


def _provenance(result: Result, path: Path) -> str:
    where = f"Measured {result.date} on {_place(result.machine, result.versions)}{_seeds(result)}"
    elsewhere: dict[str, int] = {}
    for measured in (record[MEASURED] for record in result.records if MEASURED in record):
        place = _place(measured["machine"], measured["versions"])
        elsewhere[place] = elsewhere.get(place, 0) + 1
    others = "".join(f"; {count} of {len(result.records)} records on {place}" for place, count in elsewhere.items())
    return f"{where}{others}. All records: [{path.name}](../{path.parent.name}/{path.name}).\n"


def _place(m: Mapping[str, Any], v: Mapping[str, Any]) -> str:
    usable = m.get("usable_cores", m["cores"])
    cores = f"{m['cores']} cores" if usable == m["cores"] else f"{usable} of {m['cores']} cores"
    gpu = f", {m['gpu']}" if m["gpu"] else ""
    conditions = f" ({m['conditions']})" if m.get("conditions") else ""
    what = f"dancenow {v['dancenow']}" + (f" at {v['commit']}" if v["commit"] else "")
    return f"{m['cpu']}, {cores}, {m['ram_gb']:g} GB{gpu}{conditions}; {what}, torch {v['torch']}, Python {v['python']}"


def _seeds(result: Result) -> str:
    if not result.seeds:
        return ""
    only = result.settings.get("reseeded")
    whose = f" (after the first only for {', '.join(only)})" if only else ""
    return f"; seeds {', '.join(map(str, result.seeds))}{whose}"


TITLES: Final = {
    "ablation": "Quality, method by method",
    "budget": "Quality for the budget",
    "face": "The face",
    "drift": "Quality drift in long videos",
    "speed": "Speed",
    "engines": "What runs the generator",
    "normalize": "Normalization",
    "blend": "Blending faces into frames",
    "memory": "Memory against length",
    "growth": "Time against length",
    "monotonicity": "Do the metrics measure?",
    "camera": "Moving cameras",
    "real": "Filmed people",
    "forensics": "Telling synthesized from real",
    "dataset": "The rendered dataset",
}
BODIES: Final[Mapping[str, Callable[[Result], str]]] = {
    "ablation": ablation,
    "budget": budget,
    "face": face,
    "drift": drift,
    "speed": speed,
    "engines": engines,
    "normalize": normalize,
    "blend": blend,
    "memory": memory,
    "growth": growth,
    "monotonicity": monotonicity,
    "camera": camera,
    "real": real,
    "forensics": forensics,
    "dataset": dataset,
}
