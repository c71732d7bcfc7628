"""What the shipped classifier says of videos that nobody made for it: camera clips, and what the product wrote."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dancenow.errors import UserError
from dancenow.provenance.forensics.detector import examine
from dancenow.research.bench.ablation import LOOKED_AT
from dancenow.research.bench.test_world import CLIPS
from dancenow.research.forensics.training import REAL
from dancenow.storage.atomic_io import cache_dir

PRODUCT: Final = "product"
"""Family of what was made, in `product`."""


def camera(shipped: Path) -> list[dict[str, Any]]:
    """The real clips of the folder that DANCENOW_DATA names, judged as they are; nothing learnt from them."""
    folder = Path(os.environ.get("DANCENOW_DATA") or "/nonexistent") / "real"
    return list(_seen(sorted(folder.glob("*.mp4")), shipped))


def product(shipped: Path) -> list[dict[str, Any]]:
    """What other benches kept to be looked at, on the way of the product from detected poses to the marked file, and the clips
    of the studio that they were measured against; as many as this machine's cache has."""
    folders = {PRODUCT: cache_dir(LOOKED_AT), REAL: cache_dir(CLIPS)}
    return [
        {"family": family, **each}
        for family, folder in folders.items()
        for each in _seen(sorted(folder.glob("*.mp4")), shipped)
    ]


def _seen(videos: Iterable[Path], shipped: Path) -> Iterable[dict[str, Any]]:
    for video in videos:
        try:
            finding = examine(video, shipped)
        except UserError as error:
            yield {"clip": video.stem, "error": type(error).__name__}
        else:
            yield {"clip": video.stem, **finding.to_json()}


def speed(video: Path, shipped: Path, times: int = 3) -> dict[str, float]:
    """Frames a second from file to verdict, the best of three runs: finding the person anew, and with the track kept."""
    each = {"in all": False, "with the track kept": True}
    return {
        name: round(max(examine(video, shipped, use_cache=kept).frames_per_s for _ in range(times)), 1)
        for name, kept in each.items()
    }
