"""What every network of MediaPipe needs here: a rotated square cut out of a frame, and LiteRT to run the file on it."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB


@dataclass(frozen=True)
class RotatedRect:
    """A rotated square round a person: centre and side in frame px; angle_rad turns the frame's axes to the person's."""

    x_px: float
    y_px: float
    size_px: float
    angle_rad: float

    @property
    def to_frame(self) -> NDArray[np.float64]:
        """float64 [2,3]: the unit square [0,1]x[0,1] -> frame px."""
        cos, sin = math.cos(self.angle_rad) * self.size_px, math.sin(self.angle_rad) * self.size_px
        return np.array([[cos, -sin, self.x_px - (cos - sin) / 2], [sin, cos, self.y_px - (sin + cos) / 2]])

    def overlap(self, other: "RotatedRect") -> float:
        """Intersection over union of the two squares, both taken upright."""
        half = (self.size_px + other.size_px) / 2
        wide = min(half - abs(self.x_px - other.x_px), self.size_px, other.size_px)
        high = min(half - abs(self.y_px - other.y_px), self.size_px, other.size_px)
        common = max(wide, 0.0) * max(high, 0.0)
        return common / (self.size_px**2 + other.size_px**2 - common)


class Network:
    """A .tflite file with one picture in and named tensors out."""

    def __init__(self, path: str, num_threads: int) -> None:
        with _stderr_closed():
            self._interpreter: Any = Interpreter(model_path=path, num_threads=num_threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}

    def __call__(self, picture: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        self._interpreter.set_tensor(self._input, picture[None])
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


def pixels_to_unit(size: int) -> NDArray[np.float64]:
    """[3,3]: px of a size x size picture, centres at integers -> [0,1]."""
    return np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]])


def crop_square(image_rgb: ImageRGB, roi: RotatedRect, size: int) -> FloatArray:
    """float32 [size,size,3] in [0,255]: the rotated square, black beyond the picture."""
    to_frame = roi.to_frame @ pixels_to_unit(size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image_rgb, to_frame, (size, size), flags=flags), np.float32)


def sigmoid(x: FloatArray) -> FloatArray:
    """Into (0,1), float32, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)
