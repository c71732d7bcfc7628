"""Benchmark of the metrics themselves: `dancenow.evaluation.metric_sanity` on a rendered clip, one job per degradation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from dancenow.evaluation.metric_sanity import LEVELS, UNITS, check_monotonicity
from dancenow.progress import ProgressCallback
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import MONOTONICITY, MonotonicitySize


def bench_monotonicity(size: Size, on_progress: ProgressCallback) -> Result:
    """Measure every metric under every degradation; metrics must respond to some and may ignore others.

    Raises:
        UserError: as `bench_ablation`.
    """
    sized = MONOTONICITY[size]
    jobs = [
        Job(
            "monotonicity",
            {"damage": kind, "size": size},
            partial(_measure, sized, kind),
            (len(LEVELS[kind]) + 1) * sized.evaluate_s,
        )
        for kind in sized.damage
    ]
    records = run_jobs("monotonicity", jobs, on_progress)
    units = {kind: UNITS[kind] for kind in sized.damage}
    settings = {**asdict(sized), "units": units}
    return Result.from_records("monotonicity", size, (), settings, records, summarize(records))


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count the rows that must respond and those that do, and name the failures."""
    rows = [row for record in records for row in record["rows"]]
    must = [row for row in rows if row["must"]]
    failures = [f"{row['name']} of {row['region']} under {row['damage']}" for row in must if not row["follows"]]
    return {"must": len(must), "follow": len(must) - len(failures), "failures": failures}


def _measure(sized: MonotonicitySize, kind: str, _folder: Path, on_progress: ProgressCallback) -> Record:
    case = sized.test_set.cases[0]
    true = case.truth(case.dances[0])
    other = replace(true, identity=case.dances[0].identity)  # same camera: only the person differs
    clip, swapped = (sized.test_set.clip(take, on_progress).video for take in (true, other))
    levels = {kind: LEVELS[kind]}
    return check_monotonicity(
        clip, levels, other=swapped, num_frames=sized.num_frames, every=sized.every, on_progress=on_progress
    )
