"""Results of the shipped classifier on videos not made for its dataset: camera clips and output of the product."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dancenow.errors import UserError
from dancenow.provenance.forensics.detector import classify_video
from dancenow.research.bench.ablation import RESULT_VIDEOS
from dancenow.research.bench.rendered_test_set import CLIPS
from dancenow.research.forensics.finetuning import VIDEO_SUFFIXES
from dancenow.research.forensics.training import REAL
from dancenow.storage.atomic_io import cache_dir

PRODUCT: Final = "product"
"""Family of the product's output in `classify_product_clips`."""


def classify_camera_clips(shipped: Path) -> list[dict[str, Any]]:
    """Classify the real clips in the folder that DANCENOW_DATA names; no training uses them."""
    folder = Path(os.environ.get("DANCENOW_DATA") or "/nonexistent") / "real"
    return list(_classify(sorted(path for path in folder.glob("*") if path.suffix in VIDEO_SUFFIXES), shipped))


def classify_product_clips(shipped: Path) -> list[dict[str, Any]]:
    """Classify the result videos of other benchmarks, which pass through the whole product from detected poses to the marked
    file, and the studio clips they are compared with; as many as this machine's cache holds."""
    folders = {PRODUCT: cache_dir(RESULT_VIDEOS), REAL: cache_dir(CLIPS)}
    return [
        {"family": family, **each}
        for family, folder in folders.items()
        for each in _classify(sorted(folder.glob("*.mp4")), shipped)
    ]


def _classify(videos: Iterable[Path], shipped: Path) -> Iterable[dict[str, Any]]:
    for video in videos:
        try:
            finding = classify_video(video, shipped)
        except UserError as error:
            yield {"clip": video.stem, "error": type(error).__name__}
        else:
            yield {"clip": video.stem, **finding.to_json()}


def measure_speed(video: Path, shipped: Path, times: int = 3) -> dict[str, float]:
    """Frames per second from file to verdict, the best of three runs: with pose detection, and with a cached track."""
    each = {"in all": False, "with the track kept": True}
    return {
        name: round(max(classify_video(video, shipped, use_cache=use_cache).frames_per_s for _ in range(times)), 1)
        for name, use_cache in each.items()
    }
