"""The training loop of every task: a clock against the budget, batches seeded by the images seen, checkpoints that survive.

The clock is images seen (as in EDM2, Karras et al., 2024): a step's randomness is a function of (seed, images seen)
alone, so a run that was stopped and resumed draws exactly the batches of an unbroken one. Of several processes (see
`distributed`) each draws its own; they go by the clock of the first one, which alone writes.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.errors import Cancelled, TrainingError
from dancenow.progress import Progress, ProgressCallback
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, read_info, read_info_or_none, save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.distributed import agree, rank, world_size
from dancenow.training.safe_step import OUT_OF_MEMORY, is_out_of_memory

SAVE_PAUSE: Final = 20
"""The pause between checkpoints is at least this many times as long as saving: gigabytes every 45 s cost too much."""


@dataclass(frozen=True)
class Clock:
    """What is spent: seconds inside the loop and images, over all runs of one training."""

    seconds: float = 0.0
    images: int = 0


class Task(Protocol):
    """What the loop trains."""

    @property
    def images_per_step(self) -> int:
        """What a step adds to the clock, in all processes together."""

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """Take one optimizer step at `progress` in [0,1] of the budget; returns its loss terms by name."""

    def shrink(self) -> bool:
        """Take fewer images per step, because memory ran out in the last one; False if the batch cannot become smaller."""

    def model(self, clock: Clock) -> Checkpoint:
        """The model for users: usable at any time."""

    def state(self, clock: Clock) -> Checkpoint:
        """Everything that a resumed training needs."""

    def restore(self, state: Checkpoint) -> None:
        """Continue exactly from `state`."""

    def preview(self) -> NDArray[np.uint8]:
        """An RGB image [H,W,3] of the present quality."""


@dataclass(frozen=True)
class LoopConfig:
    """seed: of all random numbers. save_every_s: seconds between checkpoints, more where they are large."""

    seed: int = 0
    save_every_s: float = 45.0


def state_path(model_path: Path) -> Path:
    """Path of the state of an unfinished training, next to the model."""
    return model_path.with_suffix(".resume.safetensors")


def preview_path(model_path: Path) -> Path:
    """Path of the preview image, next to the model."""
    return model_path.with_suffix(".preview.png")


def trained_seconds(model_path: Path) -> float:
    """How long a model was trained, as its state or else the model itself tells; 0 if neither does.

    Raises:
        ModelError: there is no such model.
    """
    return (read_info_or_none(state_path(model_path)) or read_info(model_path)).train_seconds


def train_loop(
    task: Task, model_path: Path, budget: Budget, *, resume: bool, config: LoopConfig, on_progress: ProgressCallback
) -> Checkpoint:
    """Step until the budget is spent; write the model, the state next to it, and a preview at intervals.

    On Ctrl-C (KeyboardInterrupt) or `Cancelled`, the current step ends, everything is saved, and the error is raised again.

    Raises:
        UserError: `resume` without a state to resume from; not even one image per step fits into memory; the training diverged.
        Cancelled: the call was cancelled.
    """
    training = _Training(task, budget, config, _resume(task, state_path(model_path), config) if resume else Clock())
    saved_at_s, saving_s = training.clock.seconds, 0.0

    def after_step() -> None:
        nonlocal saved_at_s, saving_s
        on_progress(training.event())
        if training.clock.seconds - saved_at_s > max(config.save_every_s, SAVE_PAUSE * saving_s):
            training.save(model_path)
            on_progress(training.event(preview_path(model_path)))
            saved_at_s = training.seconds()
            saving_s = saved_at_s - training.clock.seconds

    # Steps run in a thread of their own: Ctrl-C reaches the main thread alone, so it never breaks a step in the middle.
    with ThreadPoolExecutor(1, "training") as worker:
        try:
            _take_steps(training, worker, after_step)
        except (KeyboardInterrupt, Cancelled):
            worker.shutdown()  # waits for the step that may have been submitted
            if training.clock.images:
                training.save(model_path)
            raise
    model = training.save(model_path)
    on_progress(training.event(preview_path(model_path)))
    agree(0.0, stop=False)  # the file is there for all processes
    return model


def _take_steps(training: "_Training", worker: ThreadPoolExecutor, after_step: Callable[[], None]) -> None:
    """Take steps until the budget is spent; `after_step` is called after each that counts.

    Several processes stop after the same step: the others learn of it at its end.
    """
    reason: BaseException | None = None
    step: Future[bool] | None = None
    while training.progress < 1.0:
        try:
            step = step or worker.submit(training.step)
            is_counted, step = _result(step), None
            if is_counted and reason is None:
                after_step()
        except (KeyboardInterrupt, Cancelled) as error:
            if world_size() == 1:
                raise
            reason, training.asks_to_stop = error, True
        if step is None and training.is_stopped:
            raise reason or KeyboardInterrupt


class _Training:
    """A task and what has been spent on it. The step and its clock change together, in the worker thread."""

    def __init__(self, task: Task, budget: Budget, config: LoopConfig, clock: Clock) -> None:
        self._task, self._budget, self._seed = task, budget, config.seed
        self.clock = clock
        self._terms: Mapping[str, float] = {}
        self.asks_to_stop = False
        self.is_stopped = False
        """Whether a process asked to stop, which all know after the same step."""
        self._start_s = time.perf_counter() - clock.seconds

    @property
    def progress(self) -> float:
        """The fraction of the budget that is spent."""
        return self._budget.spent(self.clock.seconds, self.clock.images)

    def seconds(self) -> float:
        """Seconds of this run plus those of earlier ones."""
        return time.perf_counter() - self._start_s

    def step(self) -> bool:
        """One step, and the clock after it. Where memory runs out, the batch shrinks and the step does not count: False.

        The images of that step are drawn again, and the discriminators, which may have learned from them, see them twice.

        Raises:
            UserError: the batch cannot become smaller. Any other error of the task is raised as it is.
        """
        seed = (self._seed, self.clock.images) if world_size() == 1 else (self._seed, self.clock.images, rank())
        rng = np.random.default_rng(seed)
        try:
            self._terms = self._task.step(rng, self.progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if world_size() > 1 or not self._task.shrink():  # the others cannot know that a batch became smaller
                raise TrainingError(OUT_OF_MEMORY) from error
        else:
            seconds, self.is_stopped = agree(self.seconds(), stop=self.asks_to_stop)
            self.clock = Clock(seconds, self.clock.images + self._task.images_per_step)
            return True
        if torch.cuda.is_available():  # only here: while the error is handled, it holds what the step had in memory
            torch.cuda.empty_cache()
        return False

    def save(self, model_path: Path) -> Checkpoint:
        """Write the model, the state and the preview, in the first process alone; returns the model.

        With a budget of images the same training gives the same file: the state alone says how long it took.
        """
        model = self._task.model(self.clock)
        model = replace(model, info=replace(model.info, trained_fraction=min(1.0, self.progress)))
        if rank():
            return model
        info = model.info if self._budget.images is None else replace(model.info, train_seconds=0.0)
        save_checkpoint(model_path, replace(model, info=info))
        save_checkpoint(state_path(model_path), self._task.state(self.clock))
        _, encoded = cv2.imencode(".png", self._task.preview()[..., ::-1])
        with complete_or_absent(preview_path(model_path)) as temporary:
            temporary.write_bytes(encoded.tobytes())
        return model

    def event(self, preview: Path | None = None) -> Progress:
        """What there is to report now."""
        losses = "  ".join(f"{name} {value:.3f}" for name, value in self._terms.items())
        return Progress("training", self.progress, 1.0, f"{self.clock.images} images  {losses}", preview)


def _result(future: Future[bool]) -> bool:
    while not wait((future,), timeout=0.1).done:  # without a limit, Windows would not notice Ctrl-C here
        pass
    return future.result()


def _resume(task: Task, path: Path, config: LoopConfig) -> Clock:
    if not path.is_file():
        raise TrainingError(f"there is no training to resume at {path}; start one without --resume.")
    state = load_checkpoint(path, "training-state")
    if state.info.config.get("seed") != config.seed:
        raise TrainingError(f"{path} was trained with seed {state.info.config.get('seed')}; resume with the same one.")
    task.restore(state)
    return Clock(state.info.train_seconds, state.info.images_seen)
