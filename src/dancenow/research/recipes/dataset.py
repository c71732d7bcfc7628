"""Cost of a rendered dataset: time and size per 1,000 frames, and the speed of validation, packaging and streaming.

Writes `DATE-dataset-laptop.json`; one process with one thread, so a machine with n cores takes about 1/n of the time with
`--processes n`. If the machine runs other work, look at the processor seconds. Needs the `studio` extra.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch

from dancenow.research.bench.results import Result, machine, today, versions
from dancenow.research.dataset.make import make_dataset
from dancenow.research.dataset.package import package
from dancenow.research.dataset.plan import DatasetConfig
from dancenow.research.dataset.shards import ShardedClips, Shards
from dancenow.research.dataset.source import open_source
from dancenow.research.dataset.validate import validate
from dancenow.research.recipes.streaming_dataset import clip_store

SIZES_PX = (256, 512)
SECONDS = 4.0


def measure(size_px: int) -> dict[str, Any]:
    """Measure one size: two people in two dances; the one-time compilation by Warp is excluded."""
    config = DatasetConfig(identities=2, dances=2, seconds=SECONDS, size_px=size_px, seed=11)
    with tempfile.TemporaryDirectory() as scratch:
        folder, packed = Path(scratch) / "dataset", Path(scratch) / "shards"
        before_s = time.process_time()
        make_s, dataset = timed(lambda: make_dataset(folder, config))
        make_cpu_s = time.process_time() - before_s
        check_s, report = timed(lambda: validate(open_source(folder)))
        pack_s, shards = timed(lambda: package(folder, packed))
        stream_s, _ = timed(lambda: sum(1 for _ in ShardedClips(Shards.open(packed), epochs=1)))
        store_s, _ = timed(lambda: [clip_store(each, 256, 12, 3) for each in ShardedClips(shards, epochs=1)])
    assert not report.errors, report.errors
    per_thousand = 1000 / dataset.num_frames
    sizes: dict[str, float] = defaultdict(float)
    for entry in dataset.entries:
        for suffix, record in entry.files.items():
            sizes[suffix] += record.bytes / 1e6 * per_thousand
    return {
        "size_px": size_px,
        "frames": dataset.num_frames,
        "make_s_per_1000_frames": make_s * per_thousand,
        "make_cpu_s_per_1000_frames": make_cpu_s * per_thousand,
        "mb_per_1000_frames": sum(sizes.values()),
        "mb_per_1000_frames_by_file": dict(sizes),
        "validate_s_per_1000_frames": check_s * per_thousand,
        "package_s_per_1000_frames": pack_s * per_thousand,
        "stream_s_per_1000_frames": stream_s * per_thousand,
        "stream_and_cut_out_s_per_clip": store_s / len(dataset.entries),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run and return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Measure every size and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:  # Warp compiles
        make_dataset(Path(scratch) / "warm", DatasetConfig(identities=1, dances=1, seconds=0.5, size_px=64))
    cells = [measure(size_px) for size_px in SIZES_PX]
    names = ("make_s_per_1000_frames", "make_cpu_s_per_1000_frames", "mb_per_1000_frames")
    summary = {f"{cell['size_px']}px": {name: round(cell[name], 2) for name in names} for cell in cells}
    settings = asdict(DatasetConfig(identities=2, dances=2, seconds=SECONDS, seed=11)) | {"size_px": list(SIZES_PX)}
    result = Result("dataset", "laptop", today(), machine(), versions(), [11], settings, cells, summary)
    print(result.write(options.out))


if __name__ == "__main__":
    main()
