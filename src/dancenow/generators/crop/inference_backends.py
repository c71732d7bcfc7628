"""How a trained generator is run: in which precision and layout, by which library. Chosen by measurement, see `bench engines`.

Everything that an engine needs is made when it is built, so that no picture of a video waits for a compiler; one that does
not paint what the plain network paints is not used.
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
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

BackendName = Literal["float32", "bfloat16", "graph"]
MIN_PSNR_DB: Final = 35.0
"""Of one picture against the plain network's, on noise; bfloat16 gives 50 and more, what is broken gives less than 20."""


class InferenceBackend(Protocol):
    """Pose maps float32 [1,C,S/4,S/4] to RGBA float32 [1,4,S,S], a new tensor."""

    name: BackendName

    def __call__(self, maps: Tensor) -> Tensor: ...


class EagerBackend:
    """The network as it is."""

    name: BackendName = "float32"

    def __init__(self, generator: Generator) -> None:
        self._generator = _with_channels_last(generator)

    def __call__(self, maps: Tensor) -> Tensor:
        out: Tensor = self._generator(_channels_last(maps))
        return out.float()


class Bfloat16Backend:
    """All of the network in bfloat16."""

    name: BackendName = "bfloat16"

    def __init__(self, generator: Generator) -> None:
        self._generator = _with_channels_last(copy.deepcopy(generator).bfloat16())

    def __call__(self, maps: Tensor) -> Tensor:
        out: Tensor = self._generator(_channels_last(maps.to(torch.bfloat16)))
        return out.float()


class CudaGraphBackend:
    """A CUDA graph of the network in bfloat16: the GPU is told once what to do, not layer by layer for every picture."""

    name: BackendName = "graph"

    def __init__(self, generator: Generator) -> None:
        self._half = Bfloat16Backend(generator)  # kept: the graph reads this copy's memory, which would be given away
        self._maps = example(generator)
        self._lock = threading.Lock()  # the graph reads and writes the same memory every time
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
    """The fastest engine for this generator, on its device, that paints what the network paints."""
    plain = EagerBackend(generator)
    for name in preferred(next(generator.parameters()).device):
        try:
            backend = BACKENDS[name](generator)
            if agreement_db(backend, plain, generator) >= MIN_PSNR_DB:
                return backend
        except (ImportError, RuntimeError):  # a package, or an operation in half precision, that is not here
            continue
    return plain


def preferred(device: torch.device) -> tuple[BackendName, ...]:
    """The engines worth trying on a device, fastest first.

    Where bfloat16 is emulated it is slower than float32. Other libraries are measured by `bench engines`, but none is worth
    what it brings with it: OpenVINO needs a quarter less processor time, hardly seen in a whole transfer, and has crashed.
    """
    if device.type == "cuda":
        return ("graph", "bfloat16") if has_bfloat16(device) else ()
    if not has_bfloat16(device):
        return ()
    return ("bfloat16",)


@torch.inference_mode()
def agreement_db(backend: InferenceBackend, plain: InferenceBackend, generator: Generator) -> float:
    """PSNR of an engine's picture against the plain network's, on noise; colours span 2."""
    maps = example(generator)
    error = float((backend(maps) - plain(maps)).square().mean())
    return 10 * math.log10(4 / max(error, 1e-12)) if math.isfinite(error) else -math.inf


def example(generator: Generator) -> Tensor:
    """Sparse pose maps [1,C,S/4,S/4] of noise, the same every time."""
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(0)
    cells = generator.config.canvas_px // POSE_STRIDE
    maps = torch.rand(1, NUM_CHANNELS, cells, cells, generator=random)
    return torch.where(maps > 0.9, maps, 0.0).to(device)


def _with_channels_last(generator: Generator) -> Generator:
    untyped: Any = generator  # torch's types do not know this argument
    untyped.to(memory_format=torch.channels_last)
    return generator


def _channels_last(x: Tensor) -> Tensor:
    """The same numbers [1,C,H,W] in that layout: transposed as a matrix, which on a CPU takes a quarter of torch's own way."""
    rows = x.squeeze(0).flatten(1).t().contiguous()
    return rows.view(*x.shape[2:], x.shape[1]).permute(2, 0, 1)[None]
