"""Frames a second of every stage and of the whole way, ours beside the paper's networks as published, in the same run.

Repetitions of the two are interleaved, so that a machine that grows hot or busy slows both; figures are medians over
repetitions. Ratios say more than the figures, which belong to one machine.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np

from dancenow import pipeline
from dancenow.assembly import load_painter
from dancenow.bench.cells import Cell, Record, run_cells
from dancenow.bench.length import empty_cache, timed_transfer
from dancenow.bench.methods import Config, our_config, paper_config
from dancenow.bench.results import Result, Size, machine, today, versions
from dancenow.bench.sizes import SPEED, SpeedSize
from dancenow.data.subject import Subject
from dancenow.generate import CropPainter, Painter, compose
from dancenow.models.engine import spare_threads, torch_threads
from dancenow.pose.blaze import BlazePose
from dancenow.pose.detect import detect_poses
from dancenow.pose.follow import Follower
from dancenow.pose.normalize import fit
from dancenow.pose.people import choose, first_look
from dancenow.progress import Listener, Progress
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path
from dancenow.training.presets import BodyConfig
from dancenow.types import Frame, PoseTrack
from dancenow.video import VideoWriter, probe, read_frames

T = TypeVar("T")
System = Literal["ours", "paper"]
SYSTEMS: Final[tuple[System, ...]] = ("ours", "paper")
STAGES: Final = ("decode", "detect", "normalize", "generate", "composite", "encode", "whole way", "training")
"""In the order of the data. Training is in steps a second, all else in frames a second; generate includes drawing the pose."""


def bench_speed(size: Size, listen: Listener) -> Result:
    """Every stage of both systems, several times.

    Raises:
        UserError: as `bench_ablation`.
    """
    sized = SPEED[size]
    sized.world.build(listen)
    each_s = sized.expected_s / sized.repetitions
    cells = [
        Cell("speed", {"repetition": number, "size": size}, partial(_measure, sized), each_s)
        for number in range(sized.repetitions)
    ]
    records = run_cells("speed", cells, listen)
    return Result("speed", size, today(), machine(), versions(), (0,), asdict(sized), records, summarize(records))


def summarize(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Per stage and system the median and the standard deviation over repetitions, and the ratio of the medians."""
    summary: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        row: dict[str, Any] = {}
        for system in SYSTEMS:
            values = [record[system][stage] for record in records if stage in record[system]]
            if values:
                row[system] = {"median": float(np.median(values)), "spread": float(np.std(values))}
        if len(row) == len(SYSTEMS):
            row["ratio"] = row["ours"]["median"] / row["paper"]["median"]
        summary[stage] = row
    return summary


def _measure(sized: SpeedSize, folder: Path, listen: Listener) -> Record:
    """One repetition: the stages that both share, then each system's own."""
    casting = sized.world.castings[0]
    subject, source = sized.world.subject(casting, listen), sized.world.clip(casting.dances[0]).video
    dance, shared = _shared_stages(source, subject, sized.frames, folder, listen)
    configs: dict[System, tuple[Config, int, int]] = {
        "ours": (our_config(sized.ours), sized.frames, sized.steps),
        "paper": (paper_config(sized.paper_px, sized.paper_width), sized.paper_frames, sized.paper_steps),
    }
    record: Record = {}
    for system, (config, count, steps) in configs.items():
        model = folder / f"{system}.safetensors"
        listen(Progress(f"{system}, training", 0))
        rates = {**shared, "training": _training_hz(subject, model, config, steps)}
        listen(Progress(f"{system}, generating", 0))
        painter = load_painter(model, pipeline.torch_device("auto"))
        rates |= _painting_hz(painter, dance, count)
        del painter
        listen(Progress(f"{system}, the whole way", 0))
        rates["whole way"] = _whole_way_hz(source, sized.whole_frames, model, folder, listen)
        record[system] = {stage: round(rates[stage], 4) for stage in STAGES if stage in rates}
    return record


def _shared_stages(
    source: Path, subject: Subject, count: int, folder: Path, listen: Listener
) -> tuple[PoseTrack, dict[str, float]]:
    """The dance as the painters want it, and the rates of decode, detect, normalize and encode in frames a second."""
    frames, decode_hz = _rate(lambda: islice(read_frames(source), count))
    blaze = BlazePose(listen=listen)
    follower = Follower(blaze, choose(first_look(blaze, source, listen=listen), None, source))
    _, detect_hz = _rate(lambda: map(follower.step, frames))
    danced = detect_poses(source, listen=listen)
    start_s = time.perf_counter()
    moved = fit("paper", danced, subject.track)(danced.pose)
    normalize_hz = len(danced) / (time.perf_counter() - start_s)
    start_s = time.perf_counter()
    _encode(frames, source, folder / "encoded.mp4")
    encode_hz = len(frames) / (time.perf_counter() - start_s)
    dance = replace(danced, pose=moved, width_px=subject.track.width_px, height_px=subject.track.height_px)
    return dance, {"decode": decode_hz, "detect": detect_hz, "normalize": normalize_hz, "encode": encode_hz}


def _encode(frames: Sequence[Frame], source: Path, out: Path) -> None:
    height, width = frames[0].image_rgb.shape[:2]
    with VideoWriter(out, width, height, fps=probe(source).fps) as writer:
        for frame in frames:
            writer.write(frame.image_rgb, frame.time_s)


def _training_hz(subject: Subject, model: Path, config: Config, steps: int) -> float:
    """Steps a second over a whole short training, its first step and what comes before it left out."""
    state_path(model).unlink(missing_ok=True)  # of a bench that was interrupted here
    images = steps * (config.clips_per_step if isinstance(config, BodyConfig) else 1)
    done_s: dict[float, float] = {}

    def watch(event: Progress) -> None:
        if event.stage == "training":
            done_s.setdefault(event.done, time.perf_counter())  # saving repeats the last event

    pipeline.train_with(subject.folder, model, config, budget=Budget(images=images), resume=False, listen=watch)
    times_s = sorted(done_s.values())
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def _painting_hz(painter: Painter, dance: PoseTrack, count: int) -> dict[str, float]:
    """Frames a second of generate and, where the person is put over a plate, of composite."""
    list(painter.paint(dance, 0, 1))  # the first picture pays for allocations
    if not isinstance(painter, CropPainter):
        return {"generate": _rate(lambda: painter.paint(dance, 0, count))[1]}
    with torch_threads(spare_threads()):  # as in a transfer, where the other core does what surrounds this
        canvases, generate_hz = _rate(lambda: painter.canvases(dance, 0, count))
    painted = [(crop, rgba) for crop, rgba in canvases if rgba is not None]
    _, compose_hz = _rate(lambda: (compose(rgba, crop, painter.target.plate) for crop, rgba in painted))
    return {"generate": generate_hz, "composite": compose_hz}


def _whole_way_hz(source: Path, count: int, model: Path, folder: Path, listen: Listener) -> float:
    """Frames a second of a transfer from file to file, nothing kept from before."""
    part = folder / "part.mp4"
    _encode(list(islice(read_frames(source), count)), source, part)
    with empty_cache(listen) as cache:
        done = timed_transfer(part, model, folder / "out.mp4", cache)
    return float(done["frames"] / done["seconds"])


def _rate(make: Callable[[], Iterable[T]]) -> tuple[list[T], float]:
    """What comes out, and how many a second."""
    start_s = time.perf_counter()
    made = list(make())
    return made, len(made) / (time.perf_counter() - start_s)
