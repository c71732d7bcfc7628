"""Compare face modes at equal training time: no face network, the residual refinement, and the cyclegan.

Training a face network takes time from the body's training. Protocols as in the ablation: held-out footage, and transfer with a
rendered ground truth. A cyclegan is trained for one source person, so each dance has its own model, and held-out footage is
skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from dancenow import pipeline
from dancenow.face.refinement import FaceMode
from dancenow.generators.train_model import train_model
from dancenow.progress import ProgressCallback
from dancenow.research.bench.ablation import load_truth, metric_scores, save_result_video, summarize, transfer_tests
from dancenow.research.bench.face_metrics import face_metrics
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import PROTOCOLS, TransferTask, our_config
from dancenow.research.bench.rendered_test_set import SubjectCase
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import FACE, FaceSize
from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.training.loop import state_path, trained_seconds

METHODS: Final[Mapping[FaceMode, str]] = {
    "none": "the body generator alone, for the whole budget",
    "residual": "the last part of the budget trains a network that adds detail to the rendered face",
    "cyclegan": "the last part of the budget trains a network that maps the source face to the target's; one model per dance",
}


def bench_face(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run every face mode on every subject with every seed; only: as in `jobs.run_jobs`.

    Raises:
        UserError: as `bench_ablation`.
    """
    sized = FACE[size]
    if not only:
        sized.test_set.build(on_progress)
    jobs = [
        Job(
            "face",
            {"method": face, "subject": case.name, "seed": seed, "budget": sized.budget, "size": size},
            partial(_measure, sized, face, case, seed),
            sized.evaluate_s + sized.train_s,
        )
        for seed in sized.seeds
        for case in sized.test_set.cases
        for face in METHODS
    ]
    records = run_jobs("face", jobs, on_progress, only)
    summary: dict[str, Any] = {protocol: summarize(records, protocol) for protocol in PROTOCOLS}
    settings = {**asdict(sized), "methods": dict(METHODS)}
    return Result.from_records("face", size, sized.seeds, settings, records, summary)


def _measure(
    sized: FaceSize, face: FaceMode, case: SubjectCase, seed: int, folder: Path, on_progress: ProgressCallback
) -> Record:
    subject, clips, records = sized.test_set.subject(case, on_progress), [], []
    for number, tests in enumerate(_models(face, list(transfer_tests(sized.test_set, case, subject, "auto")))):
        model = folder / f"model-{number}.safetensors"
        records.append(_train(sized, face, subject, model, tests, seed, on_progress))
        clips += [_evaluate(sized, face, case, test, model, seed, on_progress) for test in tests]
    return {**records[0], "clips": clips}


def _models(face: FaceMode, tests: list[TransferTask]) -> Iterator[list[TransferTask]]:
    """Groups of tests that share a model: all tests, or one transfer each for a cyclegan."""
    if face != "cyclegan":
        yield tests
        return
    yield from ([test] for test in tests if test.protocol == "transfer")


def _train(
    sized: FaceSize,
    face: FaceMode,
    subject: Subject,
    model: Path,
    tests: list[TransferTask],
    seed: int,
    on_progress: ProgressCallback,
) -> Record:
    train_model(
        subject.folder, model, our_config(sized.ours), budget=sized.budget, face=face,
        face_source=tests[0].source if face == "cyclegan" else None, resume=state_path(model).is_file(), seed=seed,
        on_progress=on_progress,
    )  # fmt: skip
    info = read_info(model)
    said = info.config.get("face_network", {})
    return {
        "images_seen": info.images_seen,
        "train_seconds": round(trained_seconds(model), 1),
        "canvas_px": said.get("canvas_px"),
    }


def _evaluate(
    sized: FaceSize,
    face: FaceMode,
    case: SubjectCase,
    test: TransferTask,
    model: Path,
    seed: int,
    on_progress: ProgressCallback,
) -> Record:
    out = model.parent / f"{test.dance}.mp4"
    pipeline.transfer(test.source, model, out, normalize=test.normalize, on_progress=on_progress)
    evaluation = load_truth(test.truth, sized.every, sized.pose_every).evaluate(out, ideal=False, on_progress=on_progress)
    scores = metric_scores(evaluation) | face_metrics(out, test.truth, test.source, on_progress)
    save_result_video(out, f"{case.name}-{test.dance}-{sized.ours}-{sized.budget}-{seed}-face-{face}")
    return {"protocol": test.protocol, "dance": test.dance, "frames": evaluation.num_frames, "scores": scores}
