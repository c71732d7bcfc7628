"""One training on several processes, which `torchrun` starts: who they are, and what they tell each other.

Every process draws its share of each batch; all take the same step, with the mean of their gradients, as in
DistributedDataParallel (Li et al., 2020). Their weights stay equal without being sent. The first process alone writes files.
In a program of one process nothing here does anything.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import torch
import torch.distributed as dist
from torch import nn

from dancenow.errors import DeviceError, TrainingError, UserError

_TIMEOUT: Final = timedelta(minutes=30)
"""The others wait while the first process saves."""
_ERRORS: Final = "dancenow/errors"
_INTERRUPTED: Final = 130


class LostProcess(TrainingError):
    """Another process of the training has ended."""

    def __init__(self) -> None:
        super().__init__("another process of this training has ended; start it again with --resume.")


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def share(count: int) -> int:
    """How many of a batch of `count` each process draws: at least one."""
    return max(1, count // world_size())


def whole(count: int) -> int:
    """The size of the batch of all processes together, when one of `count` is shared."""
    return share(count) * world_size()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over all processes. The same ones must be None everywhere.

    Raises:
        TrainingError: another process has ended.
    """
    if world_size() == 1:
        return
    gradients = [each.grad for each in parameters if each.grad is not None]
    total = torch.cat([each.flatten() for each in gradients])
    with _lost_processes():
        dist.all_reduce(total)
    total /= world_size()
    means = total.split([each.numel() for each in gradients])
    torch._foreach_copy_(gradients, [mean.view_as(each) for mean, each in zip(means, gradients, strict=True)])


def agree(seconds: float, *, stop: bool) -> tuple[float, bool]:
    """The clock of the first process, and whether any process wants to stop: the same in all.

    Raises:
        TrainingError: another process has ended.
    """
    if world_size() == 1:
        return seconds, stop
    own = torch.tensor([seconds if rank() == 0 else -1.0, float(stop)], dtype=torch.float64)
    with _lost_processes():
        dist.all_reduce(own, dist.ReduceOp.MAX)
    clock_s, stopped = own.tolist()
    return clock_s, bool(stopped)


@contextmanager
def joined_processes() -> Iterator[None]:
    """Inside it, this process is one of those that `torchrun` started; alone, nothing changes.

    An error ends all of them; the first one to fail says why, the others end without a word.

    Raises:
        UserError: the processes do not find each other, or there are more than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    _start()
    try:
        yield
    except KeyboardInterrupt:
        if rank():
            sys.exit(_INTERRUPTED)
        raise
    except UserError:
        if not _is_first_error():
            sys.exit(2)
        raise
    dist.destroy_process_group()


def _start() -> None:
    if not dist.is_available():
        raise DeviceError("this torch cannot train on several processes; start one without torchrun.")
    backend, local_rank = "gloo", int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            raise DeviceError(f"there are {torch.cuda.device_count()} GPUs; start that many processes on this machine.")
        torch.cuda.set_device(local_rank)
        backend = "cpu:gloo,cuda:nccl"
    try:
        dist.init_process_group(backend, timeout=_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"the processes of the training do not find each other: {error}") from error


@contextmanager
def _lost_processes() -> Iterator[None]:
    """Turn the many errors of a broken connection into one sentence."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcess from error


def _is_first_error() -> bool:
    try:
        return bool(dist.distributed_c10d._get_default_store().add(_ERRORS, 1) == 1)
    except RuntimeError:  # whoever kept the count has ended
        return False
