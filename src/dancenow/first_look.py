"""A first look at a dance before any training: two seconds of it from the pretrained weights alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow.storage.checkpoint import Checkpoint, save_checkpoint
from dancenow.storage.unfinished import scratch_folder
from dancenow.types import FrameStatus, PoseTrack

SECONDS: Final = 2.0
FirstLook = Callable[[Checkpoint], None]
"""Called with a model from which training starts, if that has pretrained weights."""


def first_look_path(out: Path) -> Path:
    """The video next to the result."""
    return out.with_name(f"{out.stem}.first-look{out.suffix}")


def first_look(
    transfer_model: Callable[..., Any], track: PoseTrack, fps: float, out: Path, warn: Callable[[str], None]
) -> FirstLook:
    """What shows a model in the middle of a dance, in a video next to `out`, and says so.

    transfer_model: `pipeline.transfer` of the dance, but for the model, `out`, `face` and `frames`. It marks the video as every
        other.
    """

    def show(model: Checkpoint) -> None:
        with scratch_folder() as folder:  # which does not outlive this process, as it holds a person
            path = folder / "model.safetensors"
            save_checkpoint(path, model)
            transfer_model(model=path, out=first_look_path(out), face="none", frames=_middle(track, round(SECONDS * fps)))
        warn(f"A first look, before any training, is in {first_look_path(out)}; it is removed when the result is there.")

    return show


def _middle(track: PoseTrack, count: int) -> tuple[int, int]:
    """First frame and end of `count` frames in the middle of those in which the dancer is seen."""
    seen = np.flatnonzero(track.status == FrameStatus.MEASURED)
    middle = int(seen[len(seen) // 2]) if len(seen) else len(track) // 2
    start = max(min(middle - count // 2, len(track) - count), 0)
    return start, min(start + count, len(track))
