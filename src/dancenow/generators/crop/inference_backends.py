"""Backends that run a trained generator: precision, memory layout and library. Chosen by measurement, see `dancenow bench`.

A backend prepares everything when it is built, so that no frame waits for a compiler. One whose output differs from the plain
network's is not used.
"""

import copy
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

import torch
from torch import Tensor

from dancenow.execution import has_bfloat16
from dancenow.generators.crop.network import POSE_STRIDE, Generator

BackendName = Literal["float32", "bfloat16", "graph"]
MIN_PSNR_DB: Final = 35.0
"""PSNR of an image against the plain network's, on noise; bfloat16 gives 50 and more, a broken backend less than 20."""


class InferenceBackend(Protocol):
    """Pose maps float32 [1,C,S/4,S/4] to what the generator makes of them, RGBA float32 [1,4,S,S], a new tensor."""

    name: BackendName

    def __call__(self, maps: Tensor) -> Tensor: ...


class EagerBackend:
    """The network in float32, layer by layer."""

    name: BackendName = "float32"

    def __init__(self, generator: Generator) -> None:
        self._generator = _with_channels_last(generator)

    def __call__(self, maps: Tensor) -> Tensor:
        out: Tensor = self._generator(_channels_last(maps))
        return out.float()


class Bfloat16Backend:
    """The whole network in bfloat16."""

    name: BackendName = "bfloat16"

    def __init__(self, generator: Generator) -> None:
        self._generator = _with_channels_last(copy.deepcopy(generator).bfloat16())

    def __call__(self, maps: Tensor) -> Tensor:
        out: Tensor = self._generator(_channels_last(maps.to(torch.bfloat16)))
        return out.float()


class CudaGraphBackend:
    """A CUDA graph of the network in bfloat16: its kernels are launched at once, not one by one for every frame."""

    name: BackendName = "graph"

    def __init__(self, generator: Generator) -> None:
        self._half = Bfloat16Backend(generator)  # kept: the graph reads the memory of this copy, which would be freed
        self._maps = example_maps(generator)
        self._lock = threading.Lock()  # the graph always reads and writes the same memory
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(3):  # libraries choose their kernels in the first runs, which must not be recorded
                self._half(self._maps)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._out = self._half(self._maps)

    def __call__(self, maps: Tensor) -> Tensor:
        with self._lock:
            self._maps.copy_(maps)
            self._graph.replay()
            return self._out.clone()


BACKENDS: Final[Mapping[BackendName, Callable[[Generator], InferenceBackend]]] = {
    "float32": EagerBackend,
    "bfloat16": Bfloat16Backend,
    "graph": CudaGraphBackend,
}


def select_backend(generator: Generator) -> InferenceBackend:
    """The fastest backend for this generator on its device whose output agrees with the network's."""
    plain = EagerBackend(generator)
    for name in preferred_backends(next(generator.parameters()).device):
        try:
            backend = BACKENDS[name](generator)
            if psnr_db(backend, plain, generator) >= MIN_PSNR_DB:
                return backend
        except (ImportError, RuntimeError):  # a package, or an operation in half precision, is missing
            continue
    return plain


def preferred_backends(device: torch.device) -> tuple[BackendName, ...]:
    """The backends worth trying on a device, fastest first.

    Emulated bfloat16 is slower than float32. Other libraries are measured by the benchmark, but none is worth its dependency:
    OpenVINO needs a quarter less processor time, which is hardly visible in a whole transfer, and has crashed.
    """
    if device.type == "cuda":
        return ("graph", "bfloat16") if has_bfloat16(device) else ()
    if not has_bfloat16(device):
        return ()
    return ("bfloat16",)


@torch.inference_mode()
def psnr_db(backend: InferenceBackend, plain: InferenceBackend, generator: Generator) -> float:
    """PSNR in dB of a backend's image against the plain network's, on noise; colors span 2."""
    maps = example_maps(generator)
    error = float((backend(maps) - plain(maps)).square().mean())
    return 10 * math.log10(4 / max(error, 1e-12)) if math.isfinite(error) else -math.inf


def example_maps(generator: Generator) -> Tensor:
    """Sparse pose maps [1,C,S/4,S/4] of noise, the same every time."""
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(0)
    cells = generator.config.canvas_px // POSE_STRIDE
    maps = torch.rand(1, generator.num_inputs, cells, cells, generator=random)
    return torch.where(maps > 0.9, maps, 0.0).to(device)


def _with_channels_last(generator: Generator) -> Generator:
    untyped: Any = generator  # torch's type hints lack this argument
    untyped.to(memory_format=torch.channels_last)
    return generator


def _channels_last(x: Tensor) -> Tensor:
    """[1,C,H,W] in channels-last layout. Transposed as a matrix: a quarter of the time of torch's own method on a CPU."""
    rows = x.squeeze(0).flatten(1).t().contiguous()
    return rows.view(*x.shape[2:], x.shape[1]).permute(2, 0, 1)[None]
