"""Quality against training time: ours from two initializations, and the paper's system, after equal seconds of training.

Measured on the rendered subjects of the ablation, and, if the folder DANCENOW_DATA holds a pair of clips with exact keypoints,
on that pair with exact and with detected keypoints.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from dancenow import pipeline
from dancenow.errors import InputError, UserError
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import consent
from dancenow.research.bench.ablation import evaluate_method, save_result_video, summarize, train
from dancenow.research.bench.ground_truth_clips import ExactScore, prepare_exact_subject, score_model, score_result_video
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import PROTOCOLS, Method, budget_methods, describe, our_config
from dancenow.research.bench.rendered_test_set import SubjectCase
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import BUDGET, BudgetSize
from dancenow.storage.atomic_io import cache_dir, sha256_of
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import subject_key
from dancenow.training.budget import Budget

Poses = Literal["exact keypoints", "detected keypoints"]
POSES: Final[tuple[Poses, ...]] = ("exact keypoints", "detected keypoints")
_CLOCK_PER_BUDGET: Final = 1.15
"""Wall-clock seconds per second of training budget, including loading, previews and saving."""


def bench_budget(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run every method on every subject with every budget; only: as in `jobs.run_jobs`.

    Raises:
        UserError: as `bench_ablation`, or the folder that DANCENOW_DATA names lacks a file of the pair.
    """
    sized = BUDGET[size]
    if not only:
        sized.test_set.build(on_progress)
    subjects: list[tuple[str, SubjectCase | Path]] = [
        *_filmed_pairs(sized),
        *(("rendered", each) for each in sized.test_set.cases),
    ]
    jobs = [
        _job(sized, size, data, subject, method, budget, seed)
        for budget in sized.budgets
        for seed in sized.seeds
        for data, subject in subjects
        for method in _methods(sized)
    ]
    records = run_jobs("budget", jobs, on_progress, only)
    settings = {**asdict(sized), **describe(_methods(sized))}
    return Result.from_records("budget", size, sized.seeds, settings, records, summarize_budgets(records))


def _methods(sized: BudgetSize) -> tuple[Method, ...]:
    """The compared methods; ours appears once if no pretrained weights are shipped for its network."""
    ours, from_nothing, paper = budget_methods()
    if our_config(sized.ours).start == "base":
        return ours, from_nothing, paper
    return replace(ours, start=from_nothing.start), paper


def summarize_budgets(records: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Per protocol, a row per budget and method: metrics as in the ablation's `summarize`, images seen, initialization."""
    summary: dict[str, list[dict[str, Any]]] = {}
    for protocol in (*POSES, *PROTOCOLS):
        own = [record for record in records if any(clip["protocol"] == protocol for clip in record["clips"])]
        for budget in dict.fromkeys(record["budget"] for record in own):
            at_budget = [record for record in own if record["budget"] == budget]
            starts = {record["method"]: record["start"] for record in at_budget}
            for method, found in summarize(at_budget, protocol).items():
                row = {"budget": budget, "method": method, "start": starts[method], **found}
                summary.setdefault(protocol, []).append(row)
    return summary


def _job(sized: BudgetSize, size: Size, data: str, subject: SubjectCase | Path, method: Method, budget: str, seed: int) -> Job:
    if isinstance(subject, SubjectCase):
        name, measure = subject.name, partial(_measure_rendered, sized, subject, method, budget, seed)
    else:
        name, measure = (
            str(sized.filmed and sized.filmed[0]),
            partial(_measure_filmed, sized, subject, data, method, budget, seed),
        )
    words = {"data": data, "subject": name, "method": method.name, "start": method.start, "budget": budget, "seed": seed}
    expected_s = _CLOCK_PER_BUDGET * (Budget.parse(budget).seconds or 2.0) + sized.evaluate_s
    return Job("budget", {**words, "size": size}, measure, expected_s)


def _measure_rendered(
    sized: BudgetSize, case: SubjectCase, method: Method, budget: str, seed: int, folder: Path, on_progress: ProgressCallback
) -> Record:
    subject, model = sized.test_set.subject(case, on_progress), folder / "model.safetensors"
    assert method.config is not None
    record = train(method.config(sized), subject, model, budget, seed, on_progress)
    return {
        "start": method.start,
        **record,
        "clips": evaluate_method(sized, method, case, subject, model, f"{budget}-{seed}", on_progress),
    }


def _filmed_pairs(sized: BudgetSize) -> list[tuple[str, Path]]:
    """The pair of clips in DANCENOW_DATA, once with exact and once with detected keypoints.

    Raises:
        UserError: the folder lacks a file of the pair.
    """
    folder = os.environ.get("DANCENOW_DATA")
    if not folder or sized.filmed is None:
        return []
    own, dance = sized.filmed
    for name in (f"{own}_id1.mp4", f"{own}_id1.npz", f"{dance}_id1.mp4", f"{dance}_id1.npz", f"{dance}_id0.mp4"):
        _find_file(Path(folder), name)
    return [(poses, Path(folder)) for poses in POSES]


def _find_file(folder: Path, name: str) -> Path:
    path = next(folder.rglob(name), None)
    if path is None:
        raise InputError(f"the folder that DANCENOW_DATA names has no {name}; unset it to measure rendered subjects alone.")
    return path


def _measure_filmed(
    sized: BudgetSize,
    data: Path,
    poses: str,
    method: Method,
    budget: str,
    seed: int,
    folder: Path,
    on_progress: ProgressCallback,
) -> Record:
    assert method.config is not None
    assert sized.filmed is not None
    own, dance = sized.filmed
    footage, truth, npz = (_find_file(data, name) for name in (f"{own}_id1.mp4", f"{dance}_id1.mp4", f"{dance}_id1.npz"))
    subject = _load_or_prepare(footage, poses, on_progress)
    model, out = folder / "model.safetensors", folder / "out.mp4"
    record = train(method.config(sized), subject, model, budget, seed, on_progress)
    if poses == "exact keypoints":
        found = score_model(model, npz, truth, every=sized.every, on_progress=on_progress)
    else:
        pipeline.transfer(_find_file(data, f"{dance}_id0.mp4"), model, out, on_progress=on_progress)
        found = score_result_video(out, npz, truth, every=sized.every, on_progress=on_progress)
        save_result_video(out, f"{own}-{dance}-{sized.ours}-{budget}-{seed}-{method.name}")
    clip = {"protocol": poses, "dance": dance, "frames": found.frames, "scores": _scores(found)}
    return {"start": method.start, **record, "clips": [clip]}


def _load_or_prepare(video: Path, poses: str, on_progress: ProgressCallback) -> Subject:
    """The subject of a clip with exact or detected keypoints, from the cache if it is valid."""
    npz = video.with_suffix(".npz")
    known = subject_key([sha256_of(video), sha256_of(npz)], poses=poses)
    folder = cache_dir("bench/subjects") / f"{video.stem}-{known}"
    try:
        return Subject.open(folder)
    except UserError:
        if poses == "exact keypoints":
            return prepare_exact_subject(video, npz, folder, on_progress=on_progress)
        return prepare(video, folder, consent=consent("rendered"), on_progress=on_progress)


def _scores(found: ExactScore) -> dict[str, dict[str, Any]]:
    def entry(value: float, unit: str, better: str) -> dict[str, Any]:
        return {"value": round(value, 6), "unit": unit, "better": better}

    return {
        "SSIM, person": entry(found.ssim, "", "higher"),
        "PSNR, person": entry(found.psnr_db, "dB", "higher"),
        "perceptual, person": entry(found.perceptual, "", "lower"),
    }
