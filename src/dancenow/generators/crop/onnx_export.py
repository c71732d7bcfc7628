"""Export a crop model as ONNX, for ONNX Runtime and others without torch; the file contains the model's header.

Its inputs are keypoints and its output is the person: drawing the pose is part of the network. The file is compared with the
model before it is kept.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from dancenow.compatibility import renamed_keywords
from dancenow.errors import DependencyError, ModelError
from dancenow.generators.crop.config import CROP_KIND
from dancenow.generators.crop.network import POSE_STRIDE, Generator
from dancenow.generators.crop.renderer import load_generator
from dancenow.networks.onnx import OPSET, has_onnx, to_onnx
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.content_marking import require_consented
from dancenow.skeleton import KEYPOINTS, NUM_KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.storage.checkpoint import load_checkpoint, read_info

TOLERANCE: Final = 2e-3
"""Largest difference of color (which spans 2) or alpha: a quarter of a level of 255."""
INPUTS: Final = {
    "xy": "float32 [1,K,2], keypoints in canvas px; pixel centers are integers",
    "confidence": "float32 [1,K] in [0,1], 0 = missing",
    "depth": "float32 [1,K], canvas px",
}
OUTPUT: Final = "rgba"


class PosesToPerson(nn.Module):
    """A generator preceded by the drawing of its pose maps."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """See `INPUTS`. Returns RGBA [1,4,S,S]: color in [-1,1], alpha in [0,1]."""
        canvas_px = self.generator.config.canvas_px
        maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
        rgba: Tensor = self.generator(maps)
        return rgba


@renamed_keywords(listen="on_progress")
def export(model: Path, out: Path, on_progress: ProgressCallback = ignore_progress) -> Path:
    """Write a crop model as ONNX and compare the two.

    The metadata of the file contains, as JSON, the model's header under `dancenow` (with the hash of the consent), and the
    description of the inputs under `inputs`, `keypoints` and `opset`. A transfer needs more than the network: crops,
    background, watermark.

    Args:
        model: file that `train` wrote. out: the .onnx file to write.

    Raises:
        UserError: a file is missing or damaged, the model is of another kind, carries no consent or it was withdrawn, the
            `export` packages are missing, or the output of the file differs from that of the model.
    """
    require_writable(out, ".onnx")
    info = read_info(model)
    if info.kind != CROP_KIND:
        raise ModelError(
            f"{model} holds a {info.kind} model; only body models (presets draft, standard and hd) can be exported."
        )
    require_consented(info, model)
    if not has_onnx() or find_spec("onnxruntime") is None:
        raise DependencyError(
            "exporting needs packages that are not installed; install them with: pip install 'dancenow[export]'."
        )
    on_progress(Progress("export", 0, 2))
    network = PosesToPerson(load_generator(load_checkpoint(model, CROP_KIND), torch.device("cpu"))).eval()
    metadata = {
        "dancenow": json.dumps(info.to_json()),
        "inputs": json.dumps(INPUTS),
        "keypoints": json.dumps(KEYPOINTS),
        "opset": str(OPSET),
    }
    with complete_or_absent(out) as temporary:
        temporary.write_bytes(to_onnx(network, _example(network.generator, 0), OUTPUT, metadata))
        on_progress(Progress("export", 1, 2))
        worst = max(_difference(network, temporary, _example(network.generator, seed)) for seed in (1, 2))
        if not worst <= TOLERANCE:
            raise ModelError(
                f"the output of the exported file differs from that of {model} (by {worst:.2g}, where {TOLERANCE:g} is"
                " allowed), so it was not kept; try another version of torch or onnxruntime."
            )
    on_progress(Progress("export", 2, 2))
    return out


def _example(generator: Generator, seed: int) -> dict[str, Tensor]:
    """A random pose with one keypoint missing."""
    side = generator.config.canvas_px
    random = torch.Generator().manual_seed(seed)
    xy = side * torch.rand(1, NUM_KEYPOINTS, 2, generator=random)
    confidence = torch.rand(1, NUM_KEYPOINTS, generator=random)
    confidence[:, seed] = 0
    depth = side * (torch.rand(1, NUM_KEYPOINTS, generator=random) - 0.5)
    return {"xy": xy, "confidence": confidence, "depth": depth}


def _difference(network: PosesToPerson, file: Path, inputs: dict[str, Tensor]) -> float:
    """The largest difference between the network and the file run by ONNX Runtime."""
    import onnxruntime

    with torch.inference_mode():
        expected = network(*inputs.values()).numpy()
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (output,) = session.run([OUTPUT], {name: value.numpy() for name, value in inputs.items()})
    return float(np.abs(output - expected).max())
