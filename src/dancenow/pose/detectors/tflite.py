"""Run a TensorFlow Lite network (.tflite file) with LiteRT on the CPU."""

from typing import Any

from ai_edge_litert.interpreter import Interpreter

from dancenow import execution
from dancenow.types import FloatArray


class Network:
    """A .tflite file with images in, `batch_size` at once, and named tensors out."""

    def __init__(self, path: str, num_threads: int, batch_size: int = 1) -> None:
        with execution.native_loading():  # LiteRT announces its delegate once per process
            self._interpreter: Any = Interpreter(model_path=path, num_threads=num_threads)
            details = self._interpreter.get_input_details()[0]
            self._input = details["index"]
            if batch_size != 1:
                self._interpreter.resize_tensor_input(self._input, [batch_size, *details["shape"][1:]])
            self._interpreter.allocate_tensors()
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}

    def __call__(self, image: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        """Run one image [H,W,C]; the outputs have a first dimension of 1."""
        return self.batch(image[None], names)

    def batch(self, images: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        """Run `batch_size` images [N,H,W,C]."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name]) for name in names]
