"""Checkpoints: safetensors files whose header is enough to rebuild the model.

The header's `dancenow` entry is one JSON object, a `CheckpointInfo`; tensors are stored by name. Pickle is never used.
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
    """The header of a checkpoint: its kind, the configuration of its networks, and its origin.

    config: JSON-able, read back by the class that `kind` names. subject: facts about the target person.
    parents: SHA-256 of its inputs (the target video, a base model). trained_fraction: how much of the training's budget was
    spent, below 1 for one that was stopped or still runs.
    """

    kind: str
    config: Mapping[str, Any]
    images_seen: int = 0
    train_seconds: float = 0.0
    subject: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    version: str = dancenow.__version__
    trained_fraction: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The header as JSON values; a finished training says nothing of its fraction, as before there was one."""
        fields = asdict(self)
        if self.trained_fraction >= 1.0:
            del fields["trained_fraction"]
        return fields


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A header and the tensors by name."""

    info: CheckpointInfo
    tensors: Mapping[str, torch.Tensor]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors under `prefix.`, without the prefix."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add a prefix to the names: the inverse of `Checkpoint.part`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file; it appears only when complete.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    with complete_or_absent(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"dancenow": json.dumps(checkpoint.info.to_json())})
        except SafetensorError as error:
            raise _as_os_error(error, temporary) from error


def _as_os_error(error: SafetensorError, path: Path) -> OSError:
    """The operating system's error, which safetensors gives only in its text: "... (os error 28)"."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    code = int(number[1]) if number else 0
    return OSError(code, os.strerror(code) if code else str(error), str(path))


def read_info(path: Path) -> CheckpointInfo:
    """Read the header alone: fast for files of any size.

    Raises:
        ModelError: there is no such file, it is damaged, or dancenow did not write it.
    """
    try:
        if path.is_dir():
            raise ModelError(f"{path} is a folder; give the checkpoint file that `dancenow train` made.")
        if not path.is_file():
            raise ModelError(f"there is no checkpoint at {path}; `dancenow train` makes one.")
        path.open("rb").close()  # safetensors does not tell a file that may not be read from a damaged one
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        fields = json.loads(metadata["dancenow"])
        return CheckpointInfo(**{**fields, "parents": tuple(fields["parents"])})
    except KeyError as error:
        raise ModelError(f"{path} is a safetensors file that dancenow did not write.") from error
    except PermissionError as error:
        raise ModelError(f"{path} cannot be read; check its permissions.") from error
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged or is not a checkpoint; train again or fetch another copy.") from error


def load_checkpoint(path: Path, kind: str, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint of the given kind.

    Raises:
        ModelError: it is missing, damaged, or of another kind.
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
    """The header of a file in the cache; None if it is absent or damaged, and has to be computed again."""
    try:
        return read_info(path)
    except ModelError:
        return None
