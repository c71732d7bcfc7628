"""Skip optimizer steps with non-finite gradients, and recognize errors that mean that memory ran out."""

from typing import Final

import torch
from torch import Tensor, nn

from dancenow.errors import TrainingError
from dancenow.training.distributed import average_gradients

PATIENCE: Final = 20
"""Consecutive steps that may be skipped before the training stops with an error."""


class SafeOptimizerStep:
    """Steps an optimizer with clipped gradients, or skips the step if a gradient is not finite."""

    def __init__(self, optimizer: torch.optim.Optimizer, max_norm: float = 1.0) -> None:
        """max_norm: the norm that gradients are clipped to."""
        self.optimizer, self._max_norm, self._skipped = optimizer, max_norm, 0

    def __call__(self, loss: Tensor) -> bool:
        """Take the step; False if it was skipped.

        Raises:
            UserError: more than `PATIENCE` steps in a row were skipped.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self._max_norm)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self._skipped = 0
            return True
        self._skipped += 1
        if self._skipped > PATIENCE:
            raise TrainingError(
                f"the training has diverged: for {PATIENCE} steps the gradients were not finite; start again"
                " with another --seed; the model that was saved last can be used."
            )
        return False


_OUT_OF_MEMORY: Final = (
    "can't allocate memory",
    "not enough memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or on the CPU, where only the message says so."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)


OUT_OF_MEMORY: Final = (
    "there is too little memory for the smallest batch; take a smaller preset (--preset draft-fast is the smallest), or close"
    " other programs."
)
