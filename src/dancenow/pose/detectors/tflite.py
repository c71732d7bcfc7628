"""Run a TensorFlow Lite network (.tflite file) with LiteRT on the CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from dancenow.types import FloatArray


class Network:
    """A .tflite file with one image in and named tensors out."""

    def __init__(self, path: str, num_threads: int) -> None:
        with _stderr_closed():
            self._interpreter: Any = Interpreter(model_path=path, num_threads=num_threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}

    def __call__(self, image: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name]) for name in names]


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """LiteRT announces its delegate on the process's stderr and has no switch for it; errors come as exceptions."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
