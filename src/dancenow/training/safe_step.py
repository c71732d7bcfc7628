"""What a training does when numbers or memory run out: a step whose gradients are not finite is not taken, and a batch that
does not fit becomes smaller.
"""

from typing import Final

import torch
from torch import Tensor, nn

from dancenow.errors import TrainingError

PATIENCE: Final = 20
"""Steps in a row that may be left out before a training is given up."""


class SafeOptimizerStep:
    """Steps an optimizer with clipped gradients, or not at all if one of them is infinite or not a number."""

    def __init__(self, optimizer: torch.optim.Optimizer, most: float = 1.0) -> None:
        """most: the norm that gradients are clipped to."""
        self.optimizer, self._most, self._left_out = optimizer, most, 0

    def __call__(self, total: Tensor) -> bool:
        """Whether the step was taken.

        Raises:
            UserError: it was not, and neither were the last `PATIENCE`.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self._most)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self._left_out = 0
            return True
        self._left_out += 1
        if self._left_out > PATIENCE:
            raise TrainingError(
                f"the training has diverged: for {PATIENCE} steps the gradients were not finite; start anew"
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
    """Whether torch could not get memory, on a GPU or on the CPU, where it says so in words only."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)


OUT_OF_MEMORY: Final = (
    "there is too little memory for the smallest batch; take a smaller preset (--preset draft is the smallest), or close other"
    " programs."
)
