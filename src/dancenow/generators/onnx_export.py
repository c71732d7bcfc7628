"""Export a model as ONNX, for ONNX Runtime and others without torch; the file contains the model's header.

Its inputs are keypoints and its output is the person: drawing the pose, and warping the pictures in a model that has them, are
part of the network. The file is compared with the model before it is kept.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from dancenow.compatibility import renamed_keywords
from dancenow.errors import DependencyError, ModelError
from dancenow.generators.crop import onnx_network as crop_network
from dancenow.generators.crop.config import CROP_KIND
from dancenow.generators.references import onnx_network as references_network
from dancenow.generators.references.config import REFERENCES_KIND
from dancenow.networks.onnx import OPSET, has_onnx, to_onnx
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.content_marking import require_consented
from dancenow.skeleton import KEYPOINTS, NUM_KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, read_info

TOLERANCE: Final = 2e-3
"""Largest difference of color (which spans 2) or alpha, a quarter of a level of 255, but for a ten-thousandth of the px: where
two pictures show a part equally well, rounding decides."""
_EXEMPT: Final = 1e-4
INPUTS: Final = {
    "xy": "float32 [1,K,2], keypoints in canvas px; pixel centers are integers",
    "confidence": "float32 [1,K] in [0,1], 0 = missing",
    "depth": "float32 [1,K], canvas px",
}
OUTPUT: Final = "rgba"
_NETWORKS: Final[dict[str, Callable[[Checkpoint], nn.Module]]] = {
    CROP_KIND: crop_network.PosesToPerson.load,
    REFERENCES_KIND: references_network.PosesToPerson.load,
}
"""Kind of a model -> what is exported of it."""


@renamed_keywords(listen="on_progress")
def export(model: Path, out: Path, on_progress: ProgressCallback = ignore_progress) -> Path:
    """Write a model of the crop or references family as ONNX and compare the two.

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
    if info.kind not in _NETWORKS:
        raise ModelError(
            f"{model} holds a {info.kind} model; only those of the presets draft, draft-fast, standard and hd can be exported."
        )
    require_consented(info, model)
    if not has_onnx() or find_spec("onnxruntime") is None:
        raise DependencyError(
            "exporting needs packages that are not installed; install them with: pip install 'dancenow[export]'."
        )
    on_progress(Progress("export", 0, 2))
    network = _NETWORKS[info.kind](load_checkpoint(model, info.kind)).eval()
    canvas_px = info.config["generator"]["canvas_px"]
    metadata = {
        "dancenow": json.dumps(info.to_json()),
        "inputs": json.dumps(INPUTS),
        "keypoints": json.dumps(KEYPOINTS),
        "opset": str(OPSET),
    }
    with complete_or_absent(out) as temporary:
        temporary.write_bytes(to_onnx(network, _example(canvas_px, 0), OUTPUT, metadata))
        on_progress(Progress("export", 1, 2))
        worst = max(_difference(network, temporary, _example(canvas_px, seed)) for seed in (1, 2))
        if not worst <= TOLERANCE:
            raise ModelError(
                f"the output of the exported file differs from that of {model} (by {worst:.2g}, where {TOLERANCE:g} is"
                " allowed), so it was not kept; try another version of torch or onnxruntime."
            )
    on_progress(Progress("export", 2, 2))
    return out


def _example(side: int, seed: int) -> dict[str, Tensor]:
    """A random pose with one keypoint missing, on a canvas of `side` px."""
    random = torch.Generator().manual_seed(seed)
    xy = side * torch.rand(1, NUM_KEYPOINTS, 2, generator=random)
    confidence = torch.rand(1, NUM_KEYPOINTS, generator=random)
    confidence[:, seed] = 0
    depth = side * (torch.rand(1, NUM_KEYPOINTS, generator=random) - 0.5)
    return {"xy": xy, "confidence": confidence, "depth": depth}


def _difference(network: nn.Module, file: Path, inputs: dict[str, Tensor]) -> float:
    """The largest difference between the network and the file run by ONNX Runtime, but for `_EXEMPT` of the px."""
    import onnxruntime

    with torch.inference_mode():
        expected = network(*inputs.values()).numpy()
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (output,) = session.run([OUTPUT], {name: value.numpy() for name, value in inputs.items()})
    return float(np.quantile(np.abs(output - expected).max(axis=1), 1 - _EXEMPT))
