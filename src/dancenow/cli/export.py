"""`dancenow export`: a trained model as an ONNX file."""

from pathlib import Path
from typing import Annotated

import tyro


def export(model: tyro.conf.Positional[Path], out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]) -> None:
    """Write the network of MODEL as ONNX, with the model's header, checked to paint the same; needs the `export` extra.

    Args:
        model: file that `dancenow train` wrote by one of our presets.
        out: the .onnx to write; its metadata say what goes in and out.
    """
    from dancenow.cli.console import live, report
    from dancenow.generators.crop import onnx_export

    with live() as on_progress:
        written = onnx_export.export(model, out, on_progress)
    report(written)
