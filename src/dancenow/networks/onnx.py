"""A network as an ONNX file, for whoever runs networks without torch."""

import io
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import Tensor, nn

OPSET: Final = 17
"""The first with everything that is needed here; old runtimes know it, too."""


def has_onnx() -> bool:
    """Whether the package is there that torch writes such files with."""
    return find_spec("onnx") is not None


def to_onnx(network: nn.Module, inputs: Mapping[str, Tensor], output: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of an ONNX file; shapes are those of the example inputs, by their names in the order of `forward`.

    Raises:
        ImportError: the onnx package is missing.
    """
    import onnx

    file: Any = io.BytesIO()  # torch's types know paths alone
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is called deprecated; the other one needs two more packages and writes the same network.
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
