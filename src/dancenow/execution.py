"""Where and how things are computed: device, precision and threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from dancenow.errors import DeviceError


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 by itself."""
    if device.type != "cuda":
        return device.type == "cpu" and cpu_has_bfloat16()
    if not torch.cuda.is_available():
        return False
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # an older torch, which did not count emulation or could not leave it out
        return torch.cuda.get_device_capability(device)[0] >= 8


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 by itself (AVX-512 BF16, AMX, or Arm's)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "arm_bf16", "bf16"))


def spare_threads() -> int:
    """Threads for a network beside the stages around it, and beside a second picture's network: half of the cores.

    With two threads on two cores, each waits for the other while a third stage has its core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside it, torch computes with so many threads, in this thread and in those that are begun."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Device = Literal["auto", "cpu", "cuda"]


def torch_device(device: Device) -> torch.device:
    """`auto` is the GPU where torch sees one.

    Raises:
        UserError: `cuda` is asked for and not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device here; use --device cpu or install a torch built for CUDA.")
    return torch.device(device)
