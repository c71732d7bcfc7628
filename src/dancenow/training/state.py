"""The state of a training as tensors by name: the weights of all networks and the slots of all optimizers.

Every task uses it, so that it resumes exactly.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dancenow.errors import TrainingError
from dancenow.storage.checkpoint import Checkpoint, with_prefix

Modules = Mapping[str, nn.Module]
Optimizers = Mapping[str, torch.optim.Optimizer]


def state_tensors(modules: Modules, optimizers: Optimizers) -> dict[str, Tensor]:
    """All tensors that `restore_state` reads."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= with_prefix(name, module.state_dict())
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= with_prefix(f"{name}.{index}", slots)
    return tensors


def restore_state(state: Checkpoint, modules: Modules, optimizers: Optimizers) -> None:
    """The inverse of `state_tensors`, for networks and optimizers of the same configuration."""
    for name, module in modules.items():
        module.load_state_dict(state.part(name))
    for name, optimizer in optimizers.items():
        slots: dict[int, dict[str, Tensor]] = {}
        for key, tensor in state.part(name).items():
            index, slot = key.split(".", 1)
            slots.setdefault(int(index), {})[slot] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})


def require_same_training(state: Checkpoint, config: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
    """Raise UserError if `state` belongs to another configuration or subject than the training to resume.

    The consent record may differ: the model gets the present one.
    """
    if json.dumps(state.info.config) != json.dumps(config):
        raise TrainingError("the training to resume had another preset or recipe; start again without --resume.")
    before, now = ({k: v for k, v in fields.items() if k != "consent_sha256"} for fields in (state.info.subject, subject))
    if before != now:
        raise TrainingError("the training to resume was of another subject; start again without --resume.")
