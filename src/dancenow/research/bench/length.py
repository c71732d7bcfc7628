"""Memory and time against the length of the dance: complete transfers in separate processes, and generation alone.

`memory` and `growth` share their jobs, so the second costs nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from itertools import chain, count, islice, repeat
from pathlib import Path
from typing import Any, Final

from dancenow.errors import UserError
from dancenow.generators.train_model import train_model
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.progress import Progress, ProgressCallback
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import our_config
from dancenow.research.bench.rendered_test_set import RenderedTestSet
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import LENGTH, LengthSize, OurNetwork
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir
from dancenow.storage.code_digest import code_digest
from dancenow.training.budget import Budget
from dancenow.training.loop import preview_path, state_path

# VmHWM starts with the program; ru_maxrss would include the peak of the parent process.
_TRANSFER: Final = """
import json, resource, sys, time
from pathlib import Path
from dancenow import transfer
start = time.perf_counter()
result = transfer(*map(Path, sys.argv[1:4]))
seconds = time.perf_counter() - start
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak_kb = [float(line.split()[1]) for line in lines if line.startswith("VmHWM")]
peak_kb += [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)]
torch = sys.modules.get("torch")
gpu_mb = round(torch.cuda.max_memory_allocated() / 2**20, 1) if torch is not None and torch.cuda.is_available() else None
found = {"frames": result.num_frames, "peak_mb": round(peak_kb[0] / 1024, 1), "seconds": round(seconds, 2)}
print(json.dumps({**found, "cpu_s": round(time.process_time(), 2), "gpu_mb": gpu_mb}))
"""


def bench_memory(size: Size, on_progress: ProgressCallback) -> Result:
    """Measure peak memory against the number of frames.

    Raises:
        UserError: as `bench_ablation`.
    """
    records = _records("memory", size, on_progress)
    ends = records[0], records[-1]
    longer = ends[1]["frames"] / ends[0]["frames"]
    ratios = {part: round(ends[1][part]["peak_mb"] / ends[0][part]["peak_mb"], 3) for part in ("whole", "generation")}
    summary = {"frames_ratio": round(longer, 2), "peak_ratio": ratios}
    return Result.from_records("memory", size, (0,), asdict(LENGTH[size]), records, summary)


def bench_growth(size: Size, on_progress: ProgressCallback) -> Result:
    """Measure seconds against the number of frames: a constant part and the cost per frame.

    Raises:
        UserError: as `bench_ablation`.
    """
    records = _records("growth", size, on_progress)
    summary = {part: _line(records, part) for part in ("whole", "generation")}
    return Result.from_records("growth", size, (0,), asdict(LENGTH[size]), records, summary)


def timed_transfer(source: Path, model: Path, out: Path, cache: Path) -> dict[str, Any]:
    """Run a transfer in its own process and cache: frames, peak_mb, seconds (without Python's start and imports), cpu_s (of all
    threads, with them) and gpu_mb (torch's allocator; None without a GPU).

    Raises:
        UserError: the transfer failed; the message has its last line.
    """
    environment = {**os.environ, "DANCENOW_CACHE": str(cache)}
    command = [sys.executable, "-c", _TRANSFER, str(source), str(model), str(out)]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it was ended by signal {-done.returncode}"])[-1]
        raise UserError(f"the measured transfer failed: {why}")
    return dict(json.loads(done.stdout))


@contextmanager
def empty_cache(on_progress: ProgressCallback) -> Iterator[Path]:
    """A cache folder without results, but with all pretrained files."""
    for name in ("pose_detection", "pose_landmark_full"):
        pretrained.path(name, on_progress)
    with tempfile.TemporaryDirectory(prefix="dancenow-bench-") as folder:
        (Path(folder) / "weights").symlink_to(cache_dir("weights").absolute(), target_is_directory=True)
        yield Path(folder)


def untrained_model(test_set: RenderedTestSet, ours: OurNetwork, on_progress: ProgressCallback) -> Path:
    """A barely trained model: cost does not depend on training, so quality does not matter here."""
    model = cache_dir("bench/models") / f"{ours}-{test_set.video_format.size_px}px-{code_digest(__name__)}.safetensors"
    if not model.is_file():
        subject = test_set.subject(test_set.cases[-1], on_progress)
        unfinished = model.with_stem(f"unfinished-{model.stem}")
        state_path(unfinished).unlink(missing_ok=True)  # left by an interrupted benchmark
        train_model(
            subject.folder, unfinished, our_config(ours), budget=Budget(images=4), resume=False, on_progress=on_progress
        )
        state_path(unfinished).unlink(missing_ok=True)
        preview_path(unfinished).unlink(missing_ok=True)
        unfinished.replace(model)
    return model


def _records(stage: str, size: Size, on_progress: ProgressCallback) -> list[Record]:
    sized = LENGTH[size]
    sized.test_set.build(on_progress)
    jobs = [
        Job("length", {"frames": frames, "size": size}, partial(_measure, sized, frames), 10 + frames * sized.seconds_per_frame)
        for frames in sized.frames
    ]
    return run_jobs(stage, jobs, on_progress)


def _measure(sized: LengthSize, frames: int, folder: Path, on_progress: ProgressCallback) -> Record:
    footage = sized.test_set.clip(sized.test_set.cases[0].footage, on_progress).video
    model, dance = untrained_model(sized.test_set, sized.ours, on_progress), folder / "dance.mp4"
    loop_video(footage, frames, dance)
    with empty_cache(on_progress) as cache:
        on_progress(Progress("whole transfer", 0))
        whole = timed_transfer(dance, model, folder / "out.mp4", cache)
        on_progress(Progress("generation alone", 0))
        alone = timed_transfer(dance, model, folder / "out.mp4", cache)  # its cache has the poses now
    return {"whole": whole, "generation": alone}


def loop_video(video: Path, frames: int, out: Path, fps: Fraction | None = None) -> None:
    """Repeat the video until it has this many frames; fps: None for its own."""
    info = probe(video)
    fps = fps or info.fps
    endless = chain.from_iterable(read_frames(each) for each in repeat(video))
    with VideoWriter(out, info.width_px, info.height_px, fps=fps) as writer:
        for frame, index in zip(islice(endless, frames), count(), strict=False):
            writer.write(frame.image_rgb, Fraction(index) / fps)


def _line(records: Sequence[Record], part: str) -> dict[str, float]:
    """Line through the last two lengths: milliseconds per frame, and the constant seconds."""
    (few, few_s), (many, many_s) = ((record["frames"], record[part]["seconds"]) for record in records[-2:])
    slope_s = (many_s - few_s) / (many - few)
    return {"ms_a_frame": round(1000 * slope_s, 2), "start_s": round(few_s - slope_s * few, 2)}
