"""How networks are computed: device, precision, threads, and the token that cancels a call.

Nothing here changes the process: a limit on threads holds in the thread that asks for it, and only while it computes. A
program that owns its process, as the command line does, may set `native_loading`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, Self

from dancenow.errors import DeviceError, OptionError
from dancenow.progress import CancelToken, ProgressCallback, with_cancel

if TYPE_CHECKING:
    import torch
    from threadpoolctl import ThreadpoolController

Device = Literal["auto", "cpu", "cuda"]
ExecutionPrecision = Literal["auto", "float32"]

native_loading: Callable[[], AbstractContextManager[None]] = nullcontext
"""Entered while a native library is loaded that announces itself on the process's standard error and cannot be told not to."""


@dataclass(frozen=True)
class Execution:
    """Where and how a call computes; made by `Execution.auto`.

    device: torch's name of it, such as "cpu", "cuda" or "cuda:1". precision: "auto" is bfloat16 where the hardware multiplies
    it natively and the recipe allows it; "float32" never is. threads: CPU threads of a network, next to which other stages run;
    None is half of the cores. cancel: stops the call from another thread.
    """

    device: str = "cpu"
    precision: ExecutionPrecision = "auto"
    threads: int | None = None
    cancel: CancelToken = field(default_factory=CancelToken, compare=False, repr=False)

    @classmethod
    def auto(
        cls,
        device: str = "auto",
        *,
        precision: ExecutionPrecision = "auto",
        threads: int | None = None,
        cancel: CancelToken | None = None,
    ) -> Self:
        """Check the device; "auto" is the GPU where torch sees one.

        Raises:
            OptionError: torch does not know such a device, or `threads` is less than 1.
            DeviceError: a CUDA device is requested and is not available.
        """
        if threads is not None and threads < 1:
            raise OptionError(f"the number of threads must be 1 or more, got {threads}.")
        return cls(str(torch_device(device)), precision, threads, cancel or CancelToken())

    @property
    def torch_device(self) -> "torch.device":
        """The device as torch's own type."""
        import torch

        return torch.device(self.device)

    @property
    def has_bfloat16(self) -> bool:
        """Whether networks may compute in bfloat16 here."""
        return self.precision == "auto" and has_bfloat16(self.torch_device)

    def reporting(self, on_progress: ProgressCallback) -> ProgressCallback:
        """`on_progress`, which raises `Cancelled` at the next event after the token is cancelled."""
        return with_cancel(on_progress, self.cancel)

    def limited_threads(self) -> AbstractContextManager[None]:
        """`limited_threads` of a network that runs in parallel with other stages."""
        return limited_threads(self.threads or spare_threads())


def reporting(on_progress: ProgressCallback, execution: Execution | None) -> ProgressCallback:
    """`Execution.reporting` of a call that may have none."""
    return on_progress if execution is None else execution.reporting(on_progress)


def torch_device(device: str) -> "torch.device":
    """The device of a name; "auto" is the GPU where torch sees one.

    Raises:
        OptionError: torch does not know such a device.
        DeviceError: a CUDA device is requested and is not available.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise OptionError(f"there is no device {device!r}; choose one of auto, cpu, cuda.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device here; use --device cpu or install a torch built for CUDA.")
    return found


def has_bfloat16(device: "torch.device") -> bool:
    """Whether a device multiplies in bfloat16 natively."""
    import torch

    if device.type != "cuda":
        return device.type == "cpu" and cpu_has_bfloat16()
    if not torch.cuda.is_available():
        return False
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # an older torch, which did not count emulation or could not leave it out
        return torch.cuda.get_device_capability(device)[0] >= 8


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 natively (AVX-512 BF16, AMX, or Arm's)."""
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "arm_bf16", "bf16"))


def spare_threads() -> int:
    """Threads for a network that runs in parallel with other stages or a second image's network: half of the cores.

    With two threads on two cores, each waits for the other while a third stage has its core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Inside it, torch computes with `count` CPU threads in this thread, and as before in every other one. It costs 8 µs."""
    import torch

    torch.get_num_threads()  # torch sets a new thread's number at its first use, which must not come after the limit
    with _openmp().limit(limits=count):
        yield


@contextmanager
def closed_stderr() -> Iterator[None]:
    """The process's standard error leads nowhere: a `native_loading` for programs that own their process."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@cache
def _openmp() -> "ThreadpoolController":
    """The OpenMP runtime that torch computes with; found once, after torch has loaded it."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")
