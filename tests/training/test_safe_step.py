"""Numbers and memory run out: a step is left out, a batch becomes smaller, and the user gets a sentence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.progress import ignore_progress
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, train_loop
from dancenow.training.safe_step import PATIENCE, SafeOptimizerStep, is_out_of_memory


def test_a_step_that_is_not_finite_is_left_out() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    safe_step = SafeOptimizerStep(torch.optim.SGD([weight], lr=0.1))
    assert safe_step(weight.sum())
    after = weight.detach().clone()
    assert not safe_step(weight.sum() * float("nan"))
    torch.testing.assert_close(weight.detach(), after)
    assert safe_step(weight.sum())


def test_a_training_that_stays_broken_says_so() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    safe_step = SafeOptimizerStep(torch.optim.SGD([weight], lr=0.1))
    for _ in range(PATIENCE):
        safe_step(weight.sum() * float("inf"))
    with pytest.raises(UserError, match="diverged"):
        safe_step(weight.sum() * float("inf"))


class Greedy:
    """A task for which only some images fit into memory."""

    def __init__(self, fits: int) -> None:
        self.images_per_step, self._fits = 8, fits
        self.steps: list[int] = []

    def step(self, _rng: np.random.Generator, _share: float) -> Mapping[str, float]:
        if self.images_per_step > self._fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.steps.append(self.images_per_step)
        return {}

    def shrink(self) -> bool:
        smaller = self.images_per_step // 2
        self.images_per_step = max(1, smaller)
        return smaller > 0

    def model(self, clock: Clock) -> Checkpoint:
        return Checkpoint(CheckpointInfo("greedy", {}, clock.images), {"x": torch.zeros(1)})

    state = model

    def restore(self, state: Checkpoint) -> None:
        raise NotImplementedError

    def preview(self) -> NDArray[np.uint8]:
        return np.zeros((4, 4, 3), np.uint8)


def train(task: Greedy, folder: Path) -> Checkpoint:
    return train_loop(
        task, folder / "m.safetensors", Budget(images=8), resume=False, config=LoopConfig(), on_progress=ignore_progress
    )


def test_batches_that_do_not_fit_become_smaller(tmp_path: Path) -> None:
    task = Greedy(fits=3)
    assert train(task, tmp_path).info.images_seen == 8
    assert task.steps == [2, 2, 2, 2]


def test_when_nothing_fits_the_user_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--preset draft-fast"):
        train(Greedy(fits=0), tmp_path)


def test_other_errors_are_not_taken_for_it() -> None:
    for words in (
        "DefaultCPUAllocator: can't allocate memory: you tried",
        "not enough memory: x",
        "CUBLAS_STATUS_ALLOC_FAILED",
    ):
        assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
