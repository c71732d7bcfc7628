"""Compare methods on the same footage with the same training time, through the whole real pipeline.

Two protocols: self-reconstruction of held-out footage (as in Everybody Dance Now, Chan et al., 2019), and transfer of other
people's dances, compared with a ground truth rendered on the subject's body, which no filmed dataset has.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow import pipeline
from dancenow.evaluation.evaluator import Evaluation, PreparedReference
from dancenow.evaluation.frame_metrics import Region
from dancenow.generators.base import FamilyConfig
from dancenow.generators.train_model import train_model
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import ProgressCallback
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import METHODS, PROTOCOLS, Method, TransferTask, describe
from dancenow.research.bench.rendered_test_set import RenderedTestSet, SubjectCase
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import ABLATION, AblationSize, BudgetSize
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path, trained_seconds

METRICS: Final = (
    ("SSIM", "person"), ("SSIM", "face"), ("SSIM", "frame"), ("PSNR", "person"), ("perceptual", "person"),
    ("perceptual", "face"), ("flicker", "person"), ("stalling", "person"), ("Fréchet", "person"),
    ("pose distance, relative", "all"), ("pose distance, relative", "hands"), ("missed keypoints", "all"),
    ("foot sliding", "feet"), ("ground error", "feet"),
)  # fmt: skip
"""Reported metrics: (name, region); those that `_is_reported` accepts are added where they exist."""
RESULT_VIDEOS: Final = "bench/videos"
"""Cache folder with the result videos, for visual inspection."""


def bench_ablation(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run every method on every subject with every seed; only: as in `jobs.run_jobs`.

    Raises:
        UserError: the studio's packages are missing, a cached record is damaged, or the cache cannot be written to.
    """
    sized = ABLATION[size]
    if not only:
        sized.test_set.build(on_progress)
    methods = [method for name, method in METHODS.items() if name not in sized.without]
    plan = [
        (method, case, seed)
        for seed in sized.seeds  # seed by seed, so that partial results are comparable
        for case in sized.test_set.cases
        for method in methods
        if seed == sized.seeds[0] or _is_reseeded(sized, method)
    ]
    jobs = [
        Job(
            "ablation",
            {"method": method.name, "subject": case.name, "seed": seed, "budget": sized.budget, "size": size},
            partial(_measure, sized, method, case, seed),
            sized.evaluate_s + (sized.train_s if method.config else 0),
        )
        for method, case, seed in plan
    ]
    records = run_jobs("ablation", jobs, on_progress, only)
    summary: dict[str, Any] = {protocol: summarize(records, protocol) for protocol in PROTOCOLS}
    settings = {**asdict(sized), **describe(methods)}
    return Result.from_records("ablation", size, sized.seeds, settings, records, summary)


def _is_reseeded(sized: AblationSize, method: Method) -> bool:
    """Whether a method is trained with every seed, not only with the first."""
    return method.config is not None and (sized.reseeded is None or method.name in sized.reseeded)


def transfer_tests(
    test_set: RenderedTestSet, case: SubjectCase, subject: Subject, normalize: RetargetingKind
) -> Iterator[TransferTask]:
    """The test clips of a subject's models; normalize: retargeting of source people's poses to the subject."""
    held_out = test_set.held_out(subject)
    yield TransferTask("held-out time", "own", held_out, held_out, "none")
    for dance in case.dances:
        source, truth = test_set.clip(dance).video, test_set.clip(case.truth(dance)).video
        yield TransferTask("transfer", dance.dance, source, truth, normalize)


def summarize(records: Sequence[Mapping[str, Any]], protocol: str) -> dict[str, dict[str, Any]]:
    """Per method and metric: mean over subjects, standard deviation over subjects, standard deviation over seeds.

    A subject's value is its mean over clips and seeds. The deviation over seeds is the root of the mean variance within
    subjects; None for a single seed or subject. Missing measurements are skipped.
    """
    methods = list(dict.fromkeys(record["method"] for record in records))
    summary: dict[str, dict[str, Any]] = {}
    for method in methods:
        own = [record for record in records if record["method"] == method]
        rows: dict[str, Any] = {}
        for metric, entry in _entries(own, protocol).items():
            if values := _by_subject(own, protocol, metric):
                rows[metric] = {**_spread(values), "unit": entry["unit"], "better": entry["better"]}
        seen = [record["images_seen"] for record in own if "images_seen" in record]
        summary[method] = {"figures": rows, "images_seen": float(np.mean(seen)) if seen else None}
    return summary


def _entries(records: Sequence[Mapping[str, Any]], protocol: str) -> dict[str, Mapping[str, Any]]:
    clips = [clip for record in records for clip in record["clips"] if clip["protocol"] == protocol]
    return {name: entry for clip in clips for name, entry in clip["scores"].items()}


def _by_subject(records: Sequence[Mapping[str, Any]], protocol: str, metric: str) -> list[list[float]]:
    """Per subject, the metric of each seed, averaged over clips."""
    subjects: dict[str, list[float]] = {}
    for record in records:
        clips = [clip["scores"].get(metric, {}) for clip in record["clips"] if clip["protocol"] == protocol]
        known = [float(score["value"]) for score in clips if score.get("value") is not None]
        if known:
            subjects.setdefault(record["subject"], []).append(float(np.mean(known)))
    return list(subjects.values())


def _spread(values: Sequence[Sequence[float]]) -> dict[str, float | None]:
    means = [float(np.mean(seeds)) for seeds in values]
    variances = [float(np.var(seeds, ddof=1)) for seeds in values if len(seeds) > 1]
    return {
        "mean": float(np.mean(means)),
        "spread": float(np.std(means, ddof=1)) if len(means) > 1 else None,
        "seed_spread": float(np.sqrt(np.mean(variances))) if variances else None,
    }


def _measure(
    sized: AblationSize, method: Method, case: SubjectCase, seed: int, folder: Path, on_progress: ProgressCallback
) -> Record:
    subject = sized.test_set.subject(case, on_progress)
    model = folder / "model.safetensors"
    record: Record = train(method.config(sized), subject, model, sized.budget, seed, on_progress) if method.config else {}
    return {**record, "clips": evaluate_method(sized, method, case, subject, model, f"{sized.budget}-{seed}", on_progress)}


def evaluate_method(
    sized: AblationSize | BudgetSize,
    method: Method,
    case: SubjectCase,
    subject: Subject,
    model: Path,
    how: str,
    on_progress: ProgressCallback,
) -> list[Record]:
    """Generate and evaluate every test of a subject; how: part of the names of the saved result videos."""
    clips = []
    for test in transfer_tests(sized.test_set, case, subject, method.normalize):
        out = model.parent / f"{test.dance}.mp4"
        if method.show is not None:
            method.show(test, subject, out, on_progress)
        else:
            pipeline.transfer(test.source, model, out, normalize=test.normalize, on_progress=on_progress)
        evaluation = load_truth(test.truth, sized.every, sized.pose_every).evaluate(out, ideal=False, on_progress=on_progress)
        clips.append(
            {
                "protocol": test.protocol,
                "dance": test.dance,
                "frames": evaluation.num_frames,
                "scores": metric_scores(evaluation),
            }
        )
        save_result_video(out, f"{case.name}-{test.dance}-{sized.ours}-{how}-{method.name}")
    return clips


def train(config: FamilyConfig, subject: Subject, model: Path, budget: str, seed: int, on_progress: ProgressCallback) -> Record:
    """Train a method or resume its training; returns what it saw, for the record."""
    resume = state_path(model).is_file()
    train_model(subject.folder, model, config, budget=Budget.parse(budget), resume=resume, seed=seed, on_progress=on_progress)
    info = read_info(model)
    return {"images_seen": info.images_seen, "train_seconds": round(trained_seconds(model), 1)}


@lru_cache(maxsize=3)
def load_truth(video: Path, every: int, pose_every: int) -> PreparedReference:
    """Load a clip's ground truth and keep it in memory while the methods of one subject are evaluated.

    Deep features are computed for person and face only, the regions that are reported.
    """
    regions: tuple[Region, ...] = ("person", "face")
    return PreparedReference.of(video, every=every, pose_every=pose_every, deep_regions=regions, use_cache=True)


def metric_scores(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """The reported metrics of an evaluation, by name and region."""
    return {
        f"{score.name}, {score.region}": {
            "value": round(score.value, 6) if np.isfinite(score.value) else None,
            "unit": score.unit,
            "better": score.better,
        }
        for score in evaluation.scores
        if (score.name, score.region) in METRICS or _is_reported(score.name)
    }


def _is_reported(name: str) -> bool:
    return "identity" in name.lower() or name.startswith("LPIPS")


def save_result_video(out: Path, name: str) -> None:
    """Save a copy of a result video in the cache, replacing an older one: metrics alone can mislead."""
    name = name.replace(", ", "-").replace(" ", "-")
    with complete_or_absent(cache_dir(RESULT_VIDEOS) / f"{name}.mp4") as temporary:
        shutil.copyfile(out, temporary)
