"""`dancenow export`: export a trained model to ONNX."""

from pathlib import Path

import tyro

from dancenow.cli.options import Out


def export(model: tyro.conf.Positional[Path], out: Out) -> None:
    """Export the network of MODEL to ONNX; needs the `export` extra.

    - Checks that the exported network computes the same image.
    - Keeps the header of the model.

    Args:
        model: File written by `dancenow train` with the preset draft, draft-fast,
            standard or hd.
        out: The .onnx file to write. Its metadata describe inputs and outputs.
    """
    from dancenow.cli.console import live, report
    from dancenow.generators import onnx_export

    with live() as on_progress:
        written = onnx_export.export(model, out, on_progress)
    report(written)
