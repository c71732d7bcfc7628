"""Select the frames of a subject for training: runs of consecutive measured frames of one split, and their pixels.

Every training dataset uses this selection, so that frames held out from one are held out from all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.progress import Progress, ProgressCallback
from dancenow.subject.subject import Subject
from dancenow.types import Frame, FrameStatus

MIN_CLIPS: Final = 8


@dataclass(frozen=True, eq=False)
class FrameSelection:
    """frames: int64 [N] numbers of the selected frames, increasing. starts: int64 [M], positions in `frames` from which a whole
    clip of consecutive frames follows.
    """

    frames: NDArray[np.int64]
    starts: NDArray[np.int64]


def select_frames(subject: Subject, split: str, length: int, max_frames: int) -> FrameSelection:
    """Select about `max_frames` measured frames at most of a split of the manifest, in runs of `length`, evenly over its time.

    Frames of unusable exposure are not selected.

    Raises:
        UserError: too few frames show the person.
    """
    track = subject.track
    usable = (track.status == FrameStatus.MEASURED) & subject.exposure.usable & subject.manifest.in_split(split, track.time_s)
    kept = _spread_runs(usable, length, max_frames, track.cuts)
    starts = _run_starts(kept, length, track.cuts)
    if len(starts) < MIN_CLIPS:
        raise InputError(f"{subject.manifest.name} has only {len(starts)} usable clips to train on; film 20 s or more.")
    frames = np.flatnonzero(kept)
    return FrameSelection(frames, np.searchsorted(frames, starts))


def read_selected_frames(
    subject: Subject, selection: FrameSelection, on_progress: ProgressCallback
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """Read the selected frames and their soft masks, in order, in one pass.

    Frames of the training split come at the reference exposure, like the background plate; others keep their own.

    Raises:
        UserError: the video ends before the last of them.
    """
    selected, position = set(selection.frames.tolist()), 0
    trained = subject.manifest.in_split("train", subject.track.time_s)
    for frame, soft_mask in zip(subject.read_frames(), subject.read_masks(), strict=False):
        if frame.index in selected:
            image_rgb = subject.exposure.correct(frame.image_rgb, frame.index) if trained[frame.index] else frame.image_rgb
            yield replace(frame, image_rgb=image_rgb), soft_mask
            if position % 16 == 0:
                on_progress(Progress("reading frames", position, len(selected)))
            position += 1
    if position < len(selected):
        raise InputError(f"the video of {subject.manifest.name} ends early; run `dancenow prepare` again.")
    on_progress(Progress("reading frames", position, len(selected)))


def _run_starts(kept: NDArray[np.bool_], length: int, cuts: Sequence[int]) -> NDArray[np.int64]:
    """Frames from which `length` kept frames of one shot follow without a gap."""
    if len(kept) < length:
        return np.zeros(0, np.int64)
    runs = np.array(np.lib.stride_tricks.sliding_window_view(kept, length).all(axis=1))
    for cut in cuts:
        runs[max(0, cut - length + 1) : cut] = False
    return np.flatnonzero(runs)


def _spread_runs(usable: NDArray[np.bool_], length: int, max_frames: int, cuts: Sequence[int]) -> NDArray[np.bool_]:
    """Keep about `max_frames` usable frames at most, in runs of `length`, evenly over the whole time."""
    if usable.sum() <= max_frames:
        return usable
    starts = _run_starts(usable, length, cuts)
    if not len(starts):
        return np.zeros_like(usable)
    wanted = max(1, max_frames // length)
    selected = starts[np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(np.int64))]
    kept = np.zeros_like(usable)
    for offset in range(length):
        kept[selected + offset] = True
    return kept
