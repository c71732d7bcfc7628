"""Check that quality does not drift in a long video: one dance repeated many times, the last pass compared with the first.

In autoregressive generation, as in the paper's networks, an error could grow from frame to frame; frames generated
independently cannot drift. The poses are known and nothing is encoded. The dance is played forwards and backwards in turn, so
that it never jumps and its ground truth is a single clip.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow.evaluation.frame_metrics import FrameMetrics
from dancenow.execution import Execution
from dancenow.generators.registry import load_renderer
from dancenow.media.source import read_frames
from dancenow.metrics.images import sharpness
from dancenow.metrics.motion import flicker_ratio
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.progress import Progress, ProgressCallback
from dancenow.rendering.renderer import render_video
from dancenow.research.bench.ablation import train
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import METHODS, Method
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import DRIFT, DriftSize
from dancenow.types import ImageRGB, PoseTrack

METRICS: Final = {"SSIM": "higher", "perceptual": "lower", "sharpness": "", "flicker": "lower"}
"""In the person's box, compared with the truth. sharpness: ratio to the truth's sharpness."""
_METHODS: Final = (METHODS["ours"], replace(METHODS["+ temporal smoothing"], name="paper"))


def bench_drift(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run ours and the paper's system on one subject; only: as in `jobs.run_jobs`.

    Raises:
        UserError: as `bench_ablation`.
    """
    sized = DRIFT[size]
    jobs = [
        Job(
            "drift",
            {"method": method.name, "start": method.start, "size": size},
            partial(_measure, sized, method),
            sized.expected_s,
        )
        for method in _METHODS
    ]
    records = run_jobs("drift", jobs, on_progress, only)
    settings = {**asdict(sized), "methods": {method.name: method.what for method in _METHODS}}
    summary = {record["method"]: summarize(record) for record in records}
    return Result.from_records("drift", size, (0,), settings, records, summary)


def summarize(record: Mapping[str, Any]) -> dict[str, Any]:
    """First value, last value and relative change per metric: 0.03 is +3%."""
    first, last = record["first"], record["last"]
    known = [name for name in METRICS if first[name] is not None and last[name] is not None]
    change = {name: round(last[name] / first[name] - 1, 5) for name in known if first[name]}
    return {"seconds": record["seconds"], "first": first, "last": last, "change": change}


def ping_pong(track: PoseTrack, passes: int) -> PoseTrack:
    """Repeat the dance `passes` times, alternately forwards and backwards; frame times continue."""
    count = len(track)
    order = np.concatenate([np.arange(count)[:: -1 if number % 2 else 1] for number in range(passes)])
    time_s = np.arange(len(order)) / track.fps
    return replace(track, pose=track.pose[order], time_s=time_s, status=track.status[order])


def _measure(sized: DriftSize, method: Method, folder: Path, on_progress: ProgressCallback) -> Record:
    assert method.config is not None
    case = sized.test_set.cases[0]
    subject, model = sized.test_set.subject(case, on_progress), folder / "model.safetensors"
    record = train(method.config(sized), subject, model, sized.budget, 0, on_progress)
    passes = sized.paper_passes if method.name == "paper" else sized.passes
    truth = sized.test_set.clip(case.truth(case.dances[0]), on_progress).video
    track = detect_poses(truth, on_progress=on_progress)
    return {**record, **measure_drift(model, truth, track, passes, sized.every, on_progress)}


def measure_drift(model: Path, truth: Path, track: PoseTrack, passes: int, every: int, on_progress: ProgressCallback) -> Record:
    """Metrics of the first and the last pass, and the resident memory after each.

    Raises:
        ValueError: the number of passes is even, so that the last pass would run backwards, or less than 3.
    """
    if passes < 3 or passes % 2 == 0:
        raise ValueError(f"passes must be an odd number from 3 on, got {passes}")
    renderer = load_renderer(model, Execution.auto())
    count, start_s = len(track), time.perf_counter()
    poses = PosePipeline.create()
    dance = ping_pong(poses.for_rendering(track), passes)
    images = _with_progress(render_video(renderer, renderer.target.view("still"), dance), len(dance), on_progress)
    first = _metrics(islice(images, count), truth, track, every)
    memory_mb = [_resident_mb()]
    for _ in islice(images, count * (passes - 2)):
        pass
    last = _metrics(images, truth, track, every)
    memory_mb.append(_resident_mb())
    return {
        "frames": len(dance),
        "seconds": round(len(dance) / track.fps, 2),
        "pass_seconds": round(count / track.fps, 2),
        "wall_s": round(time.perf_counter() - start_s, 1),
        "memory_mb": memory_mb,
        "first": first,
        "last": last,
    }


def _with_progress(images: Iterator[ImageRGB], count: int, on_progress: ProgressCallback) -> Iterator[ImageRGB]:
    for number, image in enumerate(images, start=1):
        yield image
        on_progress(Progress("generating", number, count))


def _metrics(images: Iterator[ImageRGB], truth: Path, track: PoseTrack, every: int) -> dict[str, float | None]:
    """Means over one pass, in the person's box."""
    metrics = FrameMetrics(PerceptualDistance(), every, deep_regions=("person",))
    own, true, sharp = [], [], []
    for frame, image in zip(read_frames(truth), images, strict=True):
        pose = track.pose[frame.index]
        reference, seen = metrics.measure(frame.image_rgb, pose, [image])
        true.append(reference)
        own.append(seen)
        if (box := person_box(pose, track.width_px, track.height_px)) is not None:
            sharp.append((sharpness(box.crop(image)), sharpness(box.crop(frame.image_rgb))))
    errors, true_errors = (np.array([each.warping_error for each in seen]) for seen in (own, true))
    found = {
        "SSIM": _mean([each.ssim["person"] for each in own if "person" in each.ssim]),
        "perceptual": _mean([each.perceptual["person"] for each in own if "person" in each.perceptual]),
        "sharpness": _mean([each[0] for each in sharp]) / _mean([each[1] for each in sharp]),
        "flicker": flicker_ratio(errors, true_errors),
    }
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in found.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _resident_mb() -> float | None:
    """Resident memory of this process in MB; None where the system does not report it."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return round(int(statm.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
