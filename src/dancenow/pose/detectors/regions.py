"""Rotated square regions of an image: their geometry, and the crop that a network sees."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB


@dataclass(frozen=True)
class RotatedRect:
    """A rotated square around a person or face: center and side in frame px; angle_rad turns the frame's axes to its own."""

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
        """Intersection over union of the two squares, with both rotations ignored."""
        half = (self.size_px + other.size_px) / 2
        width_px = min(half - abs(self.x_px - other.x_px), self.size_px, other.size_px)
        height_px = min(half - abs(self.y_px - other.y_px), self.size_px, other.size_px)
        common = max(width_px, 0.0) * max(height_px, 0.0)
        return common / (self.size_px**2 + other.size_px**2 - common)


def pixels_to_unit(size: int) -> NDArray[np.float64]:
    """[3,3]: px of a size x size image, pixel centers at integers -> [0,1]."""
    return np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]])


def crop_square(image_rgb: ImageRGB, roi: RotatedRect, size: int) -> FloatArray:
    """float32 [size,size,3] in [0,255]: the rotated square, black beyond the image."""
    to_frame = roi.to_frame @ pixels_to_unit(size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image_rgb, to_frame, (size, size), flags=flags), np.float32)


def sigmoid(x: FloatArray) -> FloatArray:
    """Logistic function, float32 in (0,1), without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)
