"""Frames per second of every stage and end to end, ours beside the paper's networks as published, in the same run.

Repetitions alternate, so that a machine that heats up or is busy slows all systems; results are medians over repetitions.
Ratios are more informative than the absolute numbers, which belong to one machine.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import cv2
import numpy as np
import torch

from dancenow.execution import Execution
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import load_renderer
from dancenow.generators.train_model import train_model
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource, probe, read_frames
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.registry import fit_retargeter
from dancenow.pose.tracking.reidentification import PeopleSurvey, select_person
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.progress import Progress, ProgressCallback
from dancenow.provenance.consent import consent
from dancenow.rendering.compositor import composite
from dancenow.rendering.renderer import Renderer, render_layers
from dancenow.rendering.scene import Scene
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.length import empty_cache, loop_video, timed_transfer
from dancenow.research.bench.methods import our_config, paper_config
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import SPEED, OurNetwork, SpeedSize
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path
from dancenow.types import Frame, PoseTrack

T = TypeVar("T")
PAPER: Final[Literal["paper"]] = "paper"
STAGES: Final = (
    "decode", "detect", "normalize", "generate", "composite", "encode", "whole way", "poses known", "training",
)  # fmt: skip
"""In processing order. Training in steps per second, all others in frames per second; generate includes drawing the pose; poses
known: end to end once more with the dance's poses cached."""
ENLARGED_FRAMES: Final = 144
"""Frames of upsampled footage; its length does not change any rate."""
MEMORY: Final = ("training, GPU MB", "whole way, GPU MB")
"""Peak memory of torch's allocator; only on a GPU."""


def bench_speed(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run every stage of all systems several times; only: as in `jobs.run_jobs`.

    Raises:
        UserError: as `bench_ablation`.
    """
    sized = SPEED[size]
    sized.test_set.build(on_progress)
    systems = [*sized.networks, (PAPER, None)]
    each_s = sized.expected_s / sized.repetitions / len(systems)
    jobs = [
        Job("speed", {"repetition": number, "system": system, "size": size}, partial(_measure, sized, system, frame_px), each_s)
        for number in range(sized.repetitions)
        for system, frame_px in systems
    ]
    records = run_jobs("speed", jobs, on_progress, only)
    return Result.from_records("speed", size, (0,), asdict(sized), records, summarize(records))


def summarize(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Per stage and system, the median and the standard deviation over repetitions; `ratio`: ours relative to the paper's
    median."""
    summary: dict[str, dict[str, Any]] = {}
    systems = list(dict.fromkeys(record["system"] for record in records))
    for stage in (*STAGES, *MEMORY):
        row: dict[str, Any] = {}
        for system in systems:
            own = [record["rates"] for record in records if record["system"] == system]
            values = [rates[stage] for rates in own if stage in rates]
            if values:
                row[system] = {"median": float(np.median(values)), "spread": float(np.std(values))}
        if PAPER in row:
            row["ratio"] = {
                name: row[name]["median"] / row[PAPER]["median"] for name in systems if name in row and name != PAPER
            }
        if row:
            summary[stage] = row
    return summary


def _measure(
    sized: SpeedSize,
    system: OurNetwork | Literal["paper"],
    frame_px: tuple[int, int] | None,
    folder: Path,
    on_progress: ProgressCallback,
) -> Record:
    """Measure one system once: the shared stages at its video size, and its own."""
    subject, source = _footage_and_dance(sized, frame_px, folder, on_progress)
    dance, rates = _shared_stages(source, subject, sized.frames, folder, on_progress)
    if system == "paper":
        config: FamilyConfig = paper_config(sized.paper_px, sized.paper_width)
        count, steps = sized.paper_frames, sized.paper_steps
    else:
        config, count, steps = our_config(system), sized.frames, sized.steps
    model = folder / f"{system}.safetensors"
    on_progress(Progress(f"{system}, training", 0))
    _reset_gpu_memory()
    rates |= {"training": _training_hz(subject, model, config, steps)} | _memory_mb("training")
    on_progress(Progress(f"{system}, generating", 0))
    renderer = load_renderer(model, Execution.auto())
    rates |= _rendering_hz(renderer, dance, count)
    del renderer
    _reset_gpu_memory()
    on_progress(Progress(f"{system}, the whole way", 0))
    rates |= _end_to_end_hz(source, sized.whole_frames, model, folder, on_progress)
    return {"frame_px": frame_px, "rates": {stage: round(rates[stage], 4) for stage in (*STAGES, *MEMORY) if stage in rates}}


def _footage_and_dance(
    sized: SpeedSize, frame_px: tuple[int, int] | None, folder: Path, on_progress: ProgressCallback
) -> tuple[Subject, Path]:
    """The footage and the dance of a system; upsampled ones are prepared again, with less footage."""
    case = sized.test_set.cases[0]
    subject, source = sized.test_set.subject(case, on_progress), sized.test_set.clip(case.dances[0], on_progress).video
    if frame_px is None:
        return subject, source
    footage, dance = (
        _enlarge_video(video, frame_px, count, folder / f"{name}.mp4")
        for name, video, count in (("footage", subject.video, ENLARGED_FRAMES), ("dance", source, sized.frames))
    )
    return prepare(footage, folder / "subject", consent=consent("rendered"), on_progress=on_progress), dance


def _enlarge_video(video: Path, frame_px: tuple[int, int], count: int, out: Path) -> Path:
    """Upsample the first frames of a video to the frame's height; edges are repeated to the left and right."""
    width_px, height_px = frame_px
    info = probe(video)
    with VideoWriter(out, width_px, height_px, fps=info.fps) as writer:
        for frame in read_frames(video, 0, count):
            inner_px = min(width_px, round(info.width_px * height_px / info.height_px))
            image = cv2.resize(frame.image_rgb, (inner_px, height_px), interpolation=cv2.INTER_CUBIC)
            left_px = (width_px - inner_px) // 2
            sides = left_px, width_px - inner_px - left_px
            writer.write(np.asarray(cv2.copyMakeBorder(image, 0, 0, *sides, cv2.BORDER_REPLICATE), np.uint8), frame.time_s)
    return out


def _reset_gpu_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _memory_mb(what: str) -> dict[str, float]:
    return {f"{what}, GPU MB": torch.cuda.max_memory_allocated() / 2**20} if torch.cuda.is_available() else {}


def _shared_stages(
    source: Path, subject: Subject, count: int, folder: Path, on_progress: ProgressCallback
) -> tuple[PoseTrack, dict[str, float]]:
    """The dance as renderers take it, and the rates of decode, detect, normalize and encode in frames per second."""
    frames, decode_hz = _rate(lambda: islice(read_frames(source), count))
    poses = PosePipeline.create(on_progress=on_progress)
    survey = PeopleSurvey(poses.detector, VideoSource.open(source), None, on_progress)
    tracker = PersonTracker(poses.detector, select_person(survey.detections, None, source))
    _, detect_hz = _rate(lambda: map(tracker.step, frames))
    source_track = poses.track(source, on_progress=on_progress)
    start_s = time.perf_counter()
    moved = fit_retargeter("paper", source_track, subject.track)(source_track.pose)
    normalize_hz = len(source_track) / (time.perf_counter() - start_s)
    start_s = time.perf_counter()
    _encode(frames, source, folder / "encoded.mp4")
    encode_hz = len(frames) / (time.perf_counter() - start_s)
    dance = replace(source_track, pose=moved, width_px=subject.track.width_px, height_px=subject.track.height_px)
    return poses.for_rendering(dance), {
        "decode": decode_hz,
        "detect": detect_hz,
        "normalize": normalize_hz,
        "encode": encode_hz,
    }


def _encode(frames: Sequence[Frame], source: Path, out: Path) -> None:
    height, width = frames[0].image_rgb.shape[:2]
    with VideoWriter(out, width, height, fps=probe(source).fps) as writer:
        for frame in frames:
            writer.write(frame.image_rgb, frame.time_s)


def _training_hz(subject: Subject, model: Path, config: FamilyConfig, steps: int) -> float:
    """Training steps per second over a short training, without the first step and the start-up."""
    state_path(model).unlink(missing_ok=True)  # left by an interrupted benchmark
    images = steps * config.images_per_step
    done_s: dict[float, float] = {}

    def watch(event: Progress) -> None:
        if event.stage == "training":
            done_s.setdefault(event.done, time.perf_counter())  # saving repeats the last event

    train_model(subject.folder, model, config, budget=Budget(images=images), resume=False, on_progress=watch)
    times_s = sorted(done_s.values())
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def _rendering_hz(renderer: Renderer, dance: PoseTrack, count: int) -> dict[str, float]:
    """Frames per second of generate and, if the layers are not opaque, of composite."""
    list(render_layers(renderer, dance, 0, 1))  # the first frame includes allocations
    rendered, generate_hz = _rate(lambda: render_layers(renderer, dance, 0, count))
    layers = [layer for layer in rendered if layer is not None]
    if layers[0].is_opaque:
        return {"generate": generate_hz}
    background = renderer.target.background
    _, compose_hz = _rate(lambda: (composite(Scene(background, (layer,)), 0.0) for layer in layers))
    return {"generate": generate_hz, "composite": compose_hz}


def _end_to_end_hz(source: Path, count: int, model: Path, folder: Path, on_progress: ProgressCallback) -> dict[str, float]:
    """Frames per second of transfers from file to file: with an empty cache, then with cached poses."""
    part = folder / "part.mp4"
    loop_video(source, count, part)
    with empty_cache(on_progress) as cache:
        done = {stage: timed_transfer(part, model, folder / "out.mp4", cache) for stage in ("whole way", "poses known")}
    rates = {stage: float(each["frames"] / each["seconds"]) for stage, each in done.items()}
    held_mb = done["whole way"]["gpu_mb"]
    return rates if held_mb is None else {**rates, "whole way, GPU MB": held_mb}


def _rate(make: Callable[[], Iterable[T]]) -> tuple[list[T], float]:
    """Run an iteration; its items, and how many per second."""
    start_s = time.perf_counter()
    results = list(make())
    return results, len(results) / (time.perf_counter() - start_s)
