"""Export a network as ONNX, to run it without torch."""

import io
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import Tensor, nn

OPSET: Final = 17
"""The first opset with all operators needed here; old runtimes support it."""


def has_onnx() -> bool:
    """Whether the onnx package, with which torch writes such files, is installed."""
    return find_spec("onnx") is not None


def to_onnx(network: nn.Module, inputs: Mapping[str, Tensor], output: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """Export to the content of an ONNX file. Shapes are those of the example inputs, named in the order of `forward`.

    Raises:
        ImportError: the onnx package is missing.
    """
    import onnx

    file: Any = io.BytesIO()  # torch's type hints allow paths only
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated, but the other one needs two more packages and writes the same network.
        warnings.simplefilter("ignore")
        names: Sequence[str] = list(inputs)
        torch.onnx.export(
            network, tuple(inputs.values()), file, input_names=names, output_names=[output], opset_version=OPSET, dynamo=False
        )
    content: bytes = file.getvalue()
    if not metadata:
        return content
    model = onnx.load_from_string(content)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())
