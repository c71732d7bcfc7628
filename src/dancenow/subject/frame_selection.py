"""Which frames of a subject are learnt from: runs of consecutive measured frames of one part of the footage, and their pixels.

Every store of training frames chooses here, so that what is held out from one is held out from all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.progress import Progress, ProgressCallback
from dancenow.subject.subject import Subject
from dancenow.types import Frame, FrameStatus

FEWEST_CLIPS: Final = 8


@dataclass(frozen=True, eq=False)
class Runs:
    """frames: int64 [N] numbers of the chosen frames, increasing. starts: int64 [M], positions in `frames` from which a whole
    clip of consecutive frames follows."""

    frames: NDArray[np.int64]
    starts: NDArray[np.int64]


def choose_runs(subject: Subject, part: str, length: int, max_frames: int) -> Runs:
    """At most about `max_frames` measured frames of the manifest's split `part`, in runs of `length`, spread over its time.

    Raises:
        UserError: there are too few frames with a person to learn from.
    """
    track = subject.track
    usable = (track.status == FrameStatus.MEASURED) & subject.manifest.in_split(part, track.time_s)
    keep = _spread_runs(usable, length, max_frames)
    starts = _run_starts(keep, length)
    if len(starts) < FEWEST_CLIPS:
        raise InputError(f"{subject.manifest.name} has only {len(starts)} usable clips to train on; film 20 s or more.")
    frames = np.flatnonzero(keep)
    return Runs(frames, np.searchsorted(frames, starts))


def read_chosen(subject: Subject, runs: Runs, on_progress: ProgressCallback) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """The chosen frames and their soft masks, in order, decoded once.

    Raises:
        UserError: the video ends before the last of them.
    """
    chosen, position = set(runs.frames.tolist()), 0
    for frame, soft_mask in zip(subject.read_frames(), subject.read_masks(), strict=False):
        if frame.index in chosen:
            yield frame, soft_mask
            if position % 16 == 0:
                on_progress(Progress("reading frames", position, len(chosen)))
            position += 1
    if position < len(chosen):
        raise InputError(f"the video of {subject.manifest.name} breaks off; run `dancenow prepare` again.")
    on_progress(Progress("reading frames", position, len(chosen)))


def _run_starts(keep: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Frames from which `length` kept frames follow without a break."""
    if len(keep) < length:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.lib.stride_tricks.sliding_window_view(keep, length).all(axis=1))


def _spread_runs(usable: NDArray[np.bool_], length: int, max_frames: int) -> NDArray[np.bool_]:
    """Keep at most about `max_frames` usable frames, in runs of `length`, evenly over the whole time."""
    if usable.sum() <= max_frames:
        return usable
    starts = _run_starts(usable, length)
    if not len(starts):
        return np.zeros_like(usable)
    wanted = max(1, max_frames // length)
    chosen = starts[np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(np.int64))]
    keep = np.zeros_like(usable)
    for offset in range(length):
        keep[chosen + offset] = True
    return keep
