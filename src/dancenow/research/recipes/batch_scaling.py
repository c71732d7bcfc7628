"""How a batch grows with its workers: `python -m dancenow.research.recipes.batch_scaling measure|simulate -o RESULT.json`.

    measure    the same jobs with 1 and with 2 workers on this machine, and what each step costs
    simulate   10,000 videos on 1 to 512 workers, with the costs that `measure` found

The simulation runs the plan and the scheduler of the product on an engine whose time is invented: workers are busy for the
measured seconds, scaled to longer videos, the storage carries a limited number of bytes a second, and one process hands out all
steps.
"""

import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import cv2
import numpy as np
import tyro

from dancenow.assets import SOURCE, TARGET
from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import read_jobs
from dancenow.batch.opening import Footage, Job, JobDancer, open_jobs
from dancenow.batch.plan import Step, make_plan
from dancenow.batch.ray_engine import RayEngine
from dancenow.batch.run_batch import upload_inputs
from dancenow.batch.scheduler import StepEnd, run_steps
from dancenow.batch.storage import ResultStorage
from dancenow.batch.work import StepReport, WorkerSettings, do_step
from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import Consent, consent
from dancenow.research.bench.results import machine
from dancenow.storage.atomic_io import cache_dir, complete_or_absent

SOURCES: Final = 3
_FRAMES: Final = 60
_EVERY: Final = 3
_SIDE_PX: Final = 192
_SIMULATED_FRAMES: Final = 900
"""Of each video in the simulation: half a minute. Measured costs of a step grow with it, but for the training."""
_TRAINING_S: Final = 600.0
"""The default budget."""
_VIDEOS_PER_PERSON: Final = 10
_STORAGE_BYTES_PER_S: Final = 1.25e9
"""Ten gigabits a second for all workers together."""


@dataclass(frozen=True)
class Measure:
    """Time a small batch with 1 and 2 workers. out: the JSON to write. images: of each training."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    images: int = 60


@dataclass(frozen=True)
class Simulate:
    """measured: what `measure` wrote. speed: what `dancenow bench speed` wrote. out: the JSON to write."""

    measured: tyro.conf.Positional[Path]
    speed: tyro.conf.Positional[Path]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    videos: int = 10_000


def measure(options: Measure) -> dict[str, Any]:
    """Run the same jobs with one worker on one core and with two on two, each with an empty cache."""
    runs = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        jobs = _write_jobs(folder)
        costs = _costs_of_one_job(jobs, folder, options)
        for workers in (1, 2):
            out = folder / f"out{workers}"
            environment = {"DANCENOW_CACHE": str(folder / f"cache{workers}")}
            _share_weights(Path(environment["DANCENOW_CACHE"]), cache_dir("weights"))
            words = ["batch", str(jobs), "-o", str(out), "--workers", str(workers), "--budget", f"{options.images}images"]
            with _on_cores(workers):
                subprocess.run(
                    [sys.executable, "-m", "dancenow", *words, "--face", "none", "--consent", "rendered", "--device", "cpu"],
                    check=True, env=os.environ | environment,
                )  # fmt: skip
            summary = json.loads((out / "summary.json").read_text("utf-8"))
            runs[str(workers)] = {"seconds": summary["seconds"], "stages": summary["stages"], "counts": summary["counts"]}
    return {
        "what": f"{SOURCES} sources of {_FRAMES} frames at {_SIDE_PX} px for 2 people; {options.images} images of training;"
        " as many cores as workers",
        "machine": machine(),
        "workers": runs,
        "steps_of_one_job": costs,
        "speedup": round(runs["1"]["seconds"] / runs["2"]["seconds"], 3),
        "seconds_to_hand_out_a_step": round(_seconds_per_empty_step(), 5),
    }


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """Programs that are started here use so many cores, where the system can bind them: as many as there are workers."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _costs_of_one_job(jobs: Path, folder: Path, options: Measure) -> dict[str, dict[str, float]]:
    """Seconds and traffic of every step of the first job, done one after the other as on a machine of a cluster."""
    settings = Settings(budget=f"{options.images}images", face="none", consent="rendered")
    weights, cache = cache_dir("weights"), os.environ.get("DANCENOW_CACHE")
    os.environ["DANCENOW_CACHE"] = str(folder / "cache0")
    _share_weights(folder / "cache0", weights)
    plan = make_plan(open_jobs(read_jobs(jobs, settings)[:1], folder / "out0"), device="cpu", part_s=60)
    place = WorkerSettings(str(folder / "storage"), True, "cpu")
    upload_inputs(list(plan.steps.values()), ResultStorage(place.storage_url))
    found: dict[str, dict[str, float]] = {
        step.kind: asdict(do_step(step, place, ignore_progress)) for step in plan.steps.values()
    }
    if cache is None:
        del os.environ["DANCENOW_CACHE"]
    else:
        os.environ["DANCENOW_CACHE"] = cache
    return found


def _share_weights(cache: Path, weights: Path) -> None:
    cache.mkdir()
    (cache / "weights").symlink_to(weights)


def _write_jobs(folder: Path) -> Path:
    """Short sources, each another part of the example dance, and two targets."""
    lines = ["source,target,out"]
    for name, asset, start in (("ann", TARGET, 0), ("bob", TARGET, 30)):
        _cut(asset, folder / f"{name}.mp4", start, 2 * _FRAMES)
    for index in range(SOURCES):
        _cut(SOURCE, folder / f"dance{index}.mp4", 20 * index, _FRAMES)
        lines += [f"dance{index}.mp4,{name}.mp4,{name}{index}" for name in ("ann", "bob")]
    jobs = folder / "jobs.csv"
    jobs.write_text("\n".join(lines) + "\n", "utf-8")
    return jobs


def _cut(asset: Path, out: Path, start: int, count: int) -> None:
    """A small clip of `count` frames, 10 a second."""
    with VideoWriter(out, _SIDE_PX, _SIDE_PX, fps=Fraction(30, _EVERY), crf=12) as writer:
        for index, frame in enumerate(islice(read_frames(asset, start, None, _EVERY), count)):
            small = cv2.resize(frame.image_rgb, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
            writer.write(np.asarray(small, np.uint8), Fraction(_EVERY * index, 30))


def _do_nothing(_step: Step, _worker_settings: WorkerSettings, _on_progress: ProgressCallback) -> StepReport:
    return StepReport(0.0, 0, 0)


def _seconds_per_empty_step(count: int = 300) -> float:
    """What handing out a step and taking its end costs the process that does it."""
    agreed = consent("rendered")
    steps = [Step(f"{index}", "poses", _job(index, agreed)) for index in range(count)]
    with RayEngine(_do_nothing, WorkerSettings("memory://", False, "cpu"), workers=2, address=None) as engine:
        run_steps(steps[:20], engine, retries=0, listen=lambda *_: None)
        start_s = time.process_time()
        run_steps(steps[20:], engine, retries=0, listen=lambda *_: None)
        return (time.process_time() - start_s) / (count - 20)


def _job(index: int, agreed: Consent) -> Job:
    person = index // _VIDEOS_PER_PERSON
    source, target = (Footage(Path(name), name) for name in (f"dance{index}", f"person{person}"))
    dancers = (JobDancer(None, target, None, agreed),)
    return Job(f"{index}", source, dancers, PurePosixPath(f"{index}.mp4"), Settings(), 60, 30.0, None)


@dataclass
class InventedEngine:
    """A `scheduler.Engine` in which only the clock moves. costs: seconds and bytes of a step by kind; hand_out_s: what a step
    costs the process that hands it out.
    """

    slots: int
    costs: Mapping[str, StepReport]
    hand_out_s: float
    now_s: float = 0.0
    worker_s: float = 0.0
    storage_s: float = 0.0
    hand_out_total_s: float = 0.0
    _free_s: list[float] = field(default_factory=list)
    _ends: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free_s = [0.0] * self.slots

    def start(self, step: Step) -> None:
        """See `Engine.start`."""
        self.now_s += self.hand_out_s
        self.hand_out_total_s += self.hand_out_s
        cost = self.costs[step.kind]
        begin_s = max(self.now_s, heapq.heappop(self._free_s))
        transfer_s = (cost.bytes_read + cost.bytes_written) / _STORAGE_BYTES_PER_S
        end_s = begin_s + cost.seconds + transfer_s
        self.worker_s += cost.seconds
        self.storage_s += transfer_s
        heapq.heappush(self._free_s, end_s)
        heapq.heappush(self._ends, (end_s, step.key))

    def wait(self, timeout_s: float) -> list[StepEnd]:  # noqa: ARG002
        """See `Engine.wait`."""
        if not self._ends:
            return []
        self.now_s = max(self.now_s, self._ends[0][0])
        ended = []
        while self._ends and self._ends[0][0] <= self.now_s:
            ended.append(StepEnd(heapq.heappop(self._ends)[1]))
        return ended

    def activity(self) -> Mapping[str, tuple[str, float]]:
        """See `Engine.activity`."""
        return {}


def simulate(options: Simulate) -> dict[str, Any]:
    """Simulate all numbers of workers."""
    measured = json.loads(options.measured.read_text("utf-8"))
    speed = json.loads(options.speed.read_text("utf-8"))["summary"]
    small = {kind: StepReport(**each) for kind, each in measured["steps_of_one_job"].items()}
    costs = _scaled(small, {name: speed[name]["draft"]["median"] for name in ("detect", "poses known")})
    agreed = consent("rendered")
    jobs = [_job(index, agreed) for index in range(options.videos)]
    plan = make_plan(jobs, device="cpu", part_s=60)
    rows = []
    for workers in (1, 8, 64, 512):
        engine = InventedEngine(workers, costs, measured["seconds_to_hand_out_a_step"])
        run_steps(plan.steps.values(), engine, retries=0, listen=lambda *_: None)
        rows.append(_row(workers, engine, options.videos, plan.steps.values()))
    return {
        "what": f"{options.videos} short videos of {options.videos // _VIDEOS_PER_PERSON} people, simulated",
        "calibrated_with": [options.measured.name, options.speed.name],
        "assumed_storage_bytes_per_s": _STORAGE_BYTES_PER_S,
        "seconds_of_a_step": {kind: round(cost.seconds, 3) for kind, cost in costs.items()},
        "rows": rows,
    }


def _scaled(costs: Mapping[str, StepReport], frames_per_s: Mapping[str, float]) -> dict[str, StepReport]:
    """The costs of the steps of longer videos, at the rates that `bench speed` measured.

    Footage is twice as long as a source; preparing it takes as much longer than detecting poses as in the small batch. The
    model's file, which its archive holds beside the subject, stays as large as it is.
    """
    factor = _SIMULATED_FRAMES / _FRAMES
    model_file = costs["model"].bytes_written - costs["subject"].bytes_written
    fixed = {"model": (0, model_file), "video": (model_file, 0)}
    poses_s = _SIMULATED_FRAMES / frames_per_s["detect"]
    seconds = {
        "poses": poses_s,
        "subject": poses_s * costs["subject"].seconds / costs["poses"].seconds,
        "model": _TRAINING_S,
        "video": _SIMULATED_FRAMES / frames_per_s["poses known"],
    }
    scaled = {}
    for kind, cost in costs.items():
        read, written = fixed.get(kind, (0, 0))
        scaled[kind] = StepReport(
            seconds[kind],
            round(read + (cost.bytes_read - read) * factor),
            round(written + (cost.bytes_written - written) * factor),
        )
    return scaled


def _row(workers: int, engine: InventedEngine, videos: int, steps: Any) -> dict[str, Any]:
    total_s = max(engine.now_s, engine.storage_s)
    uses = {
        "workers": engine.worker_s / (workers * total_s),
        "storage": engine.storage_s / total_s,
        "handing out": engine.hand_out_total_s / total_s,
    }
    bytes_total = sum(engine.costs[step.kind].bytes_read + engine.costs[step.kind].bytes_written for step in steps)
    return {
        "workers": workers,
        "hours": round(total_s / 3600, 3),
        "videos_per_hour": round(videos * 3600 / total_s, 1),
        "storage_gb": round(bytes_total / 1e9, 3),
        "storage_mb_per_s": round(bytes_total / 1e6 / total_s, 3),
        "used": {name: round(use, 4) for name, use in uses.items()},
        "bottleneck": max(uses, key=lambda name: uses[name]),
        "first_full_at_workers": {name: round(workers / use) for name, use in uses.items() if name != "workers" and use > 0},
    }


def main() -> None:
    options: Any = tyro.cli(Measure | Simulate, description=__doc__)
    result = measure(options) if isinstance(options, Measure) else simulate(options)
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
