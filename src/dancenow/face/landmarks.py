"""Face landmarks from MediaPipe's two networks: a short-range face detector, and a mesh of 468 points on the face.

Follows Bazarevsky et al., "BlazeFace" (2019), Kartynnik et al., "Real-time Facial Surface Geometry" (2019), and the graphs that
MediaPipe publishes with the networks; they run through LiteRT, like the pose network.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.regions import RotatedRect, crop_square, pixels_to_unit, sigmoid
from dancenow.pose.detectors.tflite import Network
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.storage import pretrained
from dancenow.types import FloatArray, ImageRGB

MESH_TO_68: Final[NDArray[np.int64]] = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
])  # fmt: skip
"""The mesh point nearest to each of the 68 landmarks; the jaw's lie on the rim of the mesh, which follows the visible
outline.
"""
_DETECTOR_SIZE: Final = 128
_MESH_SIZE: Final = 192
_ROI_MARGIN: Final = 1.5  # MediaPipe's, over the box of the detector or of the points
_RIGHT_CORNER, _LEFT_CORNER = 33, 263


@dataclass(frozen=True, eq=False)
class Mesh:
    """A face mesh. points: float32 [468,3] frame px, depth as in `Pose`, smaller = nearer; score: probability in [0,1] that a
    face fills the region; roi: the square for the next frame, from the points.
    """

    points: FloatArray
    score: float
    roi: RotatedRect

    @property
    def landmarks(self) -> FloatArray:
        """The usual 68 landmarks, float32 [68,3]."""
        return self.points[MESH_TO_68]


class FaceNetworks:
    """Face detector and mesh network, ready to run; one instance serves one thread.

    Raises:
        UserError: the weights are not available (see `pretrained.path`).
    """

    def __init__(self, on_progress: ProgressCallback = ignore_progress) -> None:
        self._detector = Network(str(pretrained.path("face_detection", on_progress)), 1)
        self._mesh = Network(str(pretrained.path("face_landmark", on_progress)), 1)
        self._anchors = _anchors()

    def detect(self, image_rgb: ImageRGB, window: RotatedRect, min_score: float = 0.5) -> RotatedRect | None:
        """Detect the best face in `window`: a square around it, rotated with the eyes; None without a face."""
        crop = crop_square(image_rgb, window, _DETECTOR_SIZE)
        boxes, logits = self._detector(crop * np.float32(1 / 127.5) - 1, ("regressors", "classificators"))
        best = int(logits[0, :, 0].argmax())
        if float(sigmoid(logits[0, best])[0]) < min_score:
            return None
        raw = boxes[0, best] / np.float32(_DETECTOR_SIZE)
        points = np.concatenate([raw[None, :2], raw[4:8].reshape(2, 2)]) + self._anchors[best]
        side = float(raw[2:4].max()) * window.size_px * _ROI_MARGIN
        to_frame = window.to_frame
        center, right_eye, left_eye = points @ to_frame[:, :2].T + to_frame[:, 2]
        return _oriented_square(center, side, left_eye - right_eye)

    def mesh(self, image_rgb: ImageRGB, roi: RotatedRect) -> Mesh:
        """Measure the mesh of the face that fills `roi`; check `score`, and the pose, before using it."""
        crop = crop_square(image_rgb, roi, _MESH_SIZE)
        raw, score = self._mesh(crop * np.float32(1 / 255), ("conv2d_21", "conv2d_31"))
        points = raw.reshape(468, 3)
        to_frame = roi.to_frame @ pixels_to_unit(_MESH_SIZE)
        xy = points[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
        placed = np.concatenate([xy, points[:, 2:] * (roi.size_px / _MESH_SIZE)], axis=1).astype(np.float32)
        return Mesh(placed, float(sigmoid(score).item()), roi_of_points(placed[:, :2]))


def roi_of_points(points: FloatArray) -> RotatedRect:
    """Input square of the mesh network for a face with these points [468,2]."""
    along = points[_LEFT_CORNER] - points[_RIGHT_CORNER]
    angle = math.atan2(float(along[1]), float(along[0]))
    cos, sin = math.cos(angle), math.sin(angle)
    turned = points @ np.array([[cos, -sin], [sin, cos]], np.float32)
    low, high = turned.min(axis=0), turned.max(axis=0)
    center = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return RotatedRect(float(center[0]), float(center[1]), max(float((high - low).max()) * _ROI_MARGIN, 1.0), angle)


def _oriented_square(center: NDArray[Any], side_px: float, along: NDArray[Any]) -> RotatedRect:
    return RotatedRect(float(center[0]), float(center[1]), max(side_px, 1.0), math.atan2(float(along[1]), float(along[0])))


def _anchors() -> FloatArray:
    """Centers of the detector's cells [896,2] in [0,1]: strides 8 and 16 with 2 and 6 boxes per cell."""
    layers = []
    for stride, boxes in ((8, 2), (16, 6)):
        cells = _DETECTOR_SIZE // stride
        y, x = np.mgrid[:cells, :cells]
        layers.append(np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells, boxes, axis=0))
    return np.concatenate(layers).astype(np.float32)
