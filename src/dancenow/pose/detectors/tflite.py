"""Run a TensorFlow Lite network (.tflite file) with LiteRT on the CPU."""

from typing import Any

from ai_edge_litert.interpreter import Interpreter

from dancenow import execution
from dancenow.types import FloatArray


class Network:
    """A .tflite file with one image in and named tensors out."""

    def __init__(self, path: str, num_threads: int) -> None:
        with execution.native_loading():  # LiteRT announces its delegate once per process
            self._interpreter: Any = Interpreter(model_path=path, num_threads=num_threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}

    def __call__(self, image: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name]) for name in names]
