"""Checkpoints: safetensors whose header tells enough to rebuild the model with no flags.

The header's `dancenow` entry is one JSON object, a `CheckpointInfo`; tensors are stored by name. Never pickle.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import dancenow
from dancenow.errors import ModelError
from dancenow.storage.atomic_io import complete_or_absent


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint is: its kind, the configuration of its networks, and where it comes from.

    config: JSON-able, read back by the class that `kind` names. subject: facts of the target that the weights belong to.
    parents: SHA-256 of what it was made from (the target video, a base model).
    """

    kind: str
    config: Mapping[str, Any]
    images_seen: int = 0
    train_seconds: float = 0.0
    subject: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    version: str = dancenow.__version__


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A `CheckpointInfo` and the tensors by name."""

    info: CheckpointInfo
    tensors: Mapping[str, torch.Tensor]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors under `prefix.`, with the prefix taken off."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `Checkpoint.part`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file; it appears only when complete.

    Raises:
        UserError: the folder cannot be written to or is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    with complete_or_absent(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"dancenow": json.dumps(asdict(checkpoint.info))})
        except SafetensorError as error:
            raise _as_os_error(error, temporary) from error


def _as_os_error(error: SafetensorError, path: Path) -> OSError:
    """What the operating system said, which safetensors tells in words only: "... (os error 28)"."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    code = int(number[1]) if number else 0
    return OSError(code, os.strerror(code) if code else str(error), str(path))


def read_info(path: Path) -> CheckpointInfo:
    """The header alone: cheap for files of any size.

    Raises:
        UserError: there is no such file, it is damaged, or it is not one of ours.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the checkpoint file that `dancenow train` made.")
    if not path.is_file():
        raise ModelError(f"there is no checkpoint at {path}; `dancenow train` makes one.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        fields = json.loads(metadata["dancenow"])
        return CheckpointInfo(**{**fields, "parents": tuple(fields["parents"])})
    except KeyError as error:
        raise ModelError(f"{path} is a safetensors file that dancenow did not write.") from error
    except PermissionError as error:
        raise ModelError(f"{path} may not be read; check its permissions.") from error
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged or is not a checkpoint; train again or fetch another copy.") from error


def load_checkpoint(path: Path, kind: str, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint of the kind that is wanted.

    Raises:
        UserError: missing, damaged, or of another kind.
    """
    info = read_info(path)
    if info.kind != kind:
        raise ModelError(f"{path} holds a {info.kind} model, but a {kind} model is needed here.")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            return Checkpoint(info, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged; train again or fetch another copy.") from error


def read_info_or_none(path: Path) -> CheckpointInfo | None:
    """What a file in the cache is; one that is damaged is made anew, not complained of."""
    try:
        return read_info(path)
    except ModelError:
        return None
