"""The training loop of every task: a clock against the budget, batches seeded by what was seen, files that survive.

The clock is images seen (as in EDM2, Karras et al., 2024): a step's randomness is a function of (seed, images seen)
alone, so a run that was stopped and resumed draws exactly the batches of an unbroken one.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, Protocol, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.errors import TrainingError
from dancenow.progress import Progress, ProgressCallback
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.safe_step import OUT_OF_MEMORY, is_out_of_memory

SAVE_PAUSE: Final = 20
"""Times as long as saving took, at least, until the next: gigabytes every 45 s would eat the budget."""


@dataclass(frozen=True)
class Clock:
    """What has been spent: seconds inside the loop and images, over all the runs of one training."""

    seconds: float = 0.0
    images: int = 0


class Task(Protocol):
    """What the loop trains: one file per task."""

    @property
    def images_per_step(self) -> int:
        """What a step adds to the clock."""

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """One optimizer step at `share` of the budget; returns its loss terms by name."""

    def shrink(self) -> bool:
        """Take fewer images a step, because memory ran out in the last one; False if there is nothing left to shrink."""

    def model(self, clock: Clock) -> Checkpoint:
        """What users keep: usable at once, at any time."""

    def state(self, clock: Clock) -> Checkpoint:
        """Everything that going on needs."""

    def restore(self, state: Checkpoint) -> None:
        """Take up `state` again, exactly."""

    def preview(self) -> NDArray[np.uint8]:
        """A picture [H,W,3] RGB of how it is going."""


@dataclass(frozen=True)
class LoopConfig:
    """seed: of everything random. save_every_s: seconds between the files that survive a crash, more where they are large."""

    seed: int = 0
    save_every_s: float = 45.0


def state_path(model_path: Path) -> Path:
    """Where the state of an unfinished training lies: beside the model."""
    return model_path.with_suffix(".resume.safetensors")


def preview_path(model_path: Path) -> Path:
    """Where the preview picture is refreshed: beside the model."""
    return model_path.with_suffix(".preview.png")


def train_loop(
    task: Task, model_path: Path, budget: Budget, *, resume: bool, config: LoopConfig, on_progress: ProgressCallback
) -> Checkpoint:
    """Step until the budget is spent; write the model, the state beside it, and a preview as it goes.

    An interruption (Ctrl-C, SIGTERM) ends the step and saves everything before it goes on up.

    Raises:
        UserError: `resume` without a state to resume from; not even one image a step fits into memory; the training diverged.
    """
    clock = _resume(task, state_path(model_path), config) if resume else Clock()
    saved_at_s, saving_s = clock.seconds, 0.0
    watch = _Watch(clock.seconds)
    terms: Mapping[str, float] = {}

    def save() -> Checkpoint:
        model = _save(task, clock, model_path)
        share = budget.spent(clock.seconds, clock.images)
        on_progress(Progress("training", share, 1.0, _note(clock, terms), preview_path(model_path)))
        return model

    with _Interruption() as interruption:
        while (share := budget.spent(clock.seconds, clock.images)) < 1.0:
            rng = np.random.default_rng((config.seed, clock.images))
            try:
                terms = task.step(rng, share)
            except RuntimeError as error:
                _shrink(task, error)
                is_short = True
            else:
                is_short = False
            if is_short:  # only here: while the error is handled, it holds what the step had in memory
                _free_memory()
                continue
            clock = Clock(watch.seconds(), clock.images + task.images_per_step)
            on_progress(Progress("training", budget.spent(clock.seconds, clock.images), 1.0, _note(clock, terms)))
            if clock.seconds - saved_at_s > max(config.save_every_s, SAVE_PAUSE * saving_s):
                save()
                saved_at_s = watch.seconds()
                saving_s = saved_at_s - clock.seconds
            if interruption.wanted:
                save()
                raise KeyboardInterrupt
    return save()


def _shrink(task: Task, error: RuntimeError) -> None:
    """Where memory ran out, go on with a smaller batch; the pictures of this step are drawn again, and the discriminators,
    who may have learnt from them already, see them twice.

    Raises:
        UserError: the batch cannot become smaller. Any other error is raised again.
    """
    if not is_out_of_memory(error):
        raise error
    if not task.shrink():
        raise TrainingError(OUT_OF_MEMORY) from error


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Interruption:
    """Ctrl-C (or SIGTERM) waits for the end of the step, so that what is saved is whole; a second one does not wait."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Self:
        # Only the main thread may listen to signals; elsewhere there is no Ctrl-C to listen to.
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True

    def __exit__(self, *_: object) -> None:
        if self._listens:
            for number, before in self._before.items():
                signal.signal(number, before)


class _Watch:
    """Seconds of this run on top of those of earlier ones."""

    def __init__(self, already_s: float, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._start = now() - already_s

    def seconds(self) -> float:
        return self._now() - self._start


def _resume(task: Task, path: Path, config: LoopConfig) -> Clock:
    if not path.is_file():
        raise TrainingError(f"there is no training to resume at {path}; start one without --resume.")
    state = load_checkpoint(path, "training-state")
    if state.info.config.get("seed") != config.seed:
        raise TrainingError(f"{path} was trained with seed {state.info.config.get('seed')}; resume with the same one.")
    task.restore(state)
    return Clock(state.info.train_seconds, state.info.images_seen)


def _save(task: Task, clock: Clock, model_path: Path) -> Checkpoint:
    model = task.model(clock)
    save_checkpoint(model_path, model)
    save_checkpoint(state_path(model_path), task.state(clock))
    _, encoded = cv2.imencode(".png", task.preview()[..., ::-1])
    with complete_or_absent(preview_path(model_path)) as temporary:
        temporary.write_bytes(encoded.tobytes())
    return model


def _note(clock: Clock, terms: Mapping[str, float]) -> str:
    losses = "  ".join(f"{name} {value:.3f}" for name, value in terms.items())
    return f"{clock.images} images  {losses}"
