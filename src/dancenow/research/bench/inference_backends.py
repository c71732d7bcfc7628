"""Compare inference backends for the generator, on one core or a GPU: the basis of `generators.crop.inference_backends`'s
choice.

Backends alternate image by image, so that a busy machine slows all of them equally. Processor time is reported beside
wall-clock time, because it hardly depends on other load; on a GPU only the wall clock counts. If a size asks for it, the
paper's network in plain PyTorch takes part: its output differs, so only its time counts.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor

from dancenow.execution import cpu_has_bfloat16, has_bfloat16, limited_threads, spare_threads, torch_device
from dancenow.generators.crop.inference_backends import BACKENDS, BackendName, EagerBackend, example_maps, preferred_backends
from dancenow.generators.crop.network import POSE_STRIDE, Generator
from dancenow.generators.edn.network import EdnGenerator, EdnNetworkConfig
from dancenow.networks.onnx import to_onnx
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.pose.letterbox import Letterbox
from dancenow.progress import Progress, ProgressCallback
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import our_config, paper_config
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import BACKENDS as SIZES
from dancenow.research.bench.sizes import BackendsSize, OurNetwork
from dancenow.skeleton import NUM_KEYPOINTS

Forward = Callable[[Tensor], Tensor]
BackendFactory = Callable[[], Forward]
BASELINE: Final = "torch, float32"
PAPER: Final = "the paper's"
_NAMES: Final[Mapping[BackendName, str]] = {"bfloat16": "torch, bfloat16", "graph": "CUDA graph, bfloat16"}


def bench_engines(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Run every available backend on the same generators with random weights; only: as in `jobs.run_jobs`.

    Raises:
        UserError: the cache cannot be written to.
    """
    sized = SIZES[size]
    jobs = [
        Job("engines", {"network": ours, "size": size}, partial(_measure, sized, ours), sized.expected_s)
        for ours in sized.networks
    ]
    records = run_jobs("engines", jobs, on_progress, only)
    return Result.from_records("engines", size, (0,), asdict(sized), records, summarize(records))


def summarize(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """By backend, or network and backend: the speed relative to float32 and to the paper's network."""
    summary: dict[str, dict[str, Any]] = {}
    for record in records:
        time_ms = "wall_ms" if record["device"] == "cuda" else "cpu_ms"
        engines = record["engines"]
        for name, row in engines.items():
            ratios = {"ratio": round(engines[BASELINE][time_ms] / row[time_ms], 3)}
            for paper in (each for each in engines if each.startswith(PAPER)):
                ratios[f"times {paper}"] = round(engines[paper][time_ms] / row[time_ms], 3)
            key = name if len(records) == 1 else f"{record['network']}: {name}"
            summary[key] = {**row, **ratios, "network": record["network"]}
    return summary


def _measure(sized: BackendsSize, ours: OurNetwork, _folder: Path, on_progress: ProgressCallback) -> Record:
    config = our_config(ours)
    torch.manual_seed(0)
    device = torch_device("auto")
    generator = Generator(config.generator).to(device).eval().requires_grad_(False)
    with torch.inference_mode(), limited_threads(spare_threads()):
        backends, build_s = _build_all(backend_factories(generator, device, sized.compiled), generator)
        papers, paper_build_s = _build_all(_paper_networks(sized, device), generator)
        wall, cpu = _time_all({**backends, **papers}, generator, sized.repetitions, on_progress)
        psnr_db = _rollout_psnr_db(backends, generator, sized.rollout, on_progress)
    rows = {
        name: {
            "cpu_ms": round(1000 * float(np.median(cpu[name])), 2),
            "wall_ms": round(1000 * float(np.median(wall[name])), 3),
            "build_s": round({**build_s, **paper_build_s}[name], 2),
            "psnr_db": psnr_db.get(name),
        }
        for name in {**backends, **papers}
    }
    return {"threads": spare_threads(), "device": device.type, "engines": rows}


def _paper_networks(sized: BackendsSize, device: torch.device) -> dict[str, BackendFactory]:
    """The paper's network layer by layer; on a GPU also in the half precision in which its preset is trained and rendered."""
    found: dict[str, BackendFactory] = {}
    for longer_px in sized.paper:
        for half in (False, True) if device.type == "cuda" and has_bfloat16(device) else (False,):
            name = f"{PAPER} at {longer_px} px, {'bfloat16 by autocast' if half else 'float32'}"
            found[name] = partial(_paper_network, paper_config(longer_px, sized.paper_width).network, half, device)
    return found


def _paper_network(config: EdnNetworkConfig, half: bool, device: torch.device) -> Forward:
    """Generate one square frame from a fixed pose and previous frame, whatever the input."""
    generator = EdnGenerator(config, enhanced=False).to(device).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    xy = config.longer_px * torch.rand(1, NUM_KEYPOINTS, 2, generator=random)
    box = Letterbox.of_frame(config.longer_px, config.longer_px, config.longer_px)
    maps = generator.draw(xy.to(device), torch.ones(1, NUM_KEYPOINTS, device=device), box)
    past = generator.first_past(maps)

    def run(_maps: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            out: Tensor = generator(maps, past)
        return out.float()

    return run


def backend_factories(generator: Generator, device: torch.device, compiled: bool) -> dict[str, BackendFactory]:
    """A factory per backend for a device, float32 first; compiled: also torch.compile."""
    found: dict[str, BackendFactory] = {BASELINE: lambda: EagerBackend(copy.deepcopy(generator))}
    if device.type == "cpu":
        found |= _cpu_factories(generator)
    else:
        found |= {_NAMES[name]: partial(BACKENDS[name], generator) for name in preferred_backends(device)}
    if compiled and (device.type == "cpu" or has_bfloat16(device)):
        found["torch.compile, bfloat16"] = lambda: _compiled_backend(generator)
    return found


def _cpu_factories(generator: Generator) -> dict[str, BackendFactory]:
    found: dict[str, BackendFactory] = {
        "torch, bfloat16 by autocast": lambda: partial(_autocast_forward, copy.deepcopy(generator)),
        "torch, bfloat16": lambda: BACKENDS["bfloat16"](generator),
        "ONNX Runtime, float32": lambda: _onnxruntime_backend(generator),
        "OpenVINO, float32": lambda: _openvino_backend(generator, "f32"),
    }
    if cpu_has_bfloat16():
        found["OpenVINO, bfloat16"] = lambda: _openvino_backend(generator, "bf16")
    return found


def _openvino_backend(generator: Generator, precision: Literal["bf16", "f32"]) -> Forward:
    """OpenVINO refuses bfloat16 on a processor without it."""
    import openvino

    content = to_onnx(generator, {"maps": example_maps(generator)}, "rgba")
    core: Any = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": spare_threads(), "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(content), "CPU", settings).create_infer_request()

    def run(maps: Tensor) -> Tensor:
        return torch.tensor(request.infer({0: maps.contiguous().numpy()}, share_inputs=True, share_outputs=True)[0])

    return run


def _build_all(
    backend_factories: Mapping[str, BackendFactory], generator: Generator
) -> tuple[dict[str, Forward], dict[str, float]]:
    """The backends by name, and the seconds until the first image of each; backends with missing packages are skipped."""
    backends: dict[str, Forward] = {}
    build_s: dict[str, float] = {}
    maps = example_maps(generator)
    for name, make in backend_factories.items():
        start_s, _ = _clocks(maps.device)
        with suppress(ImportError):
            run = make()
            run(maps)
            backends[name], build_s[name] = run, _clocks(maps.device)[0] - start_s
    return backends, build_s


def _clocks(device: torch.device) -> tuple[float, float]:
    """Wall-clock and processor seconds, after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter(), time.process_time()


def _autocast_forward(generator: Generator, maps: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        out: Tensor = generator(maps)
    return out.float()


def _compiled_backend(generator: Generator) -> Forward:
    network: Any = torch.compile(copy.deepcopy(generator).bfloat16(), dynamic=False)
    return lambda maps: network(maps.bfloat16()).float()


def _onnxruntime_backend(generator: Generator) -> Forward:
    import onnxruntime

    content = to_onnx(copy.deepcopy(generator), {"maps": example_maps(generator)}, "rgba")
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spare_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(maps: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["rgba"], {"maps": maps.numpy()})[0])

    return run


def _time_all(
    backends: Mapping[str, Forward], generator: Generator, repetitions: int, on_progress: ProgressCallback
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Wall-clock and processor seconds of each image, backends alternating."""
    wall: dict[str, list[float]] = {name: [] for name in backends}
    cpu: dict[str, list[float]] = {name: [] for name in backends}
    maps = example_maps(generator)
    for number in range(repetitions):
        for name, run in backends.items():
            before = _clocks(maps.device)
            run(maps)
            after = _clocks(maps.device)
            wall[name].append(after[0] - before[0])
            cpu[name].append(after[1] - before[1])
        on_progress(Progress("engines take turns", number + 1, repetitions))
    return wall, cpu


def _rollout_psnr_db(
    backends: Mapping[str, Forward], generator: Generator, frames: int, on_progress: ProgressCallback
) -> dict[str, float]:
    """Per backend, the lowest PSNR in dB of any image of a long dance, compared with the float32 network."""
    side, device = generator.config.canvas_px, next(generator.parameters()).device
    random = torch.Generator().manual_seed(1)
    center, phase = side * torch.rand(1, NUM_KEYPOINTS, 2, generator=random), torch.rand(1, NUM_KEYPOINTS, 1, generator=random)
    confidence, depth = torch.ones(1, NUM_KEYPOINTS), torch.zeros(1, NUM_KEYPOINTS)
    lowest = {name: math.inf for name in backends if name != BASELINE}
    for number in range(frames):
        xy = center + side / 16 * torch.sin(2 * math.pi * phase + number / 8)
        maps = draw_pose(xy, confidence, depth, side, side // POSE_STRIDE).to(device)
        outputs = {name: run(maps) for name, run in backends.items()}
        for name in lowest:
            error = float((outputs[name] - outputs[BASELINE]).square().mean())
            lowest[name] = min(lowest[name], round(10 * math.log10(4 / max(error, 1e-12)), 1))
        on_progress(Progress("a long dance", number + 1, frames))
    return lowest
