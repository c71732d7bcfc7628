"""Check a face mesh against the pose, which gives the position of eyes and nose, and the head's size and yaw.

The mesh network finds a face nearly everywhere, and its own score is near 1 even for small, rotated and lowered faces that it
gets wrong. The body's keypoints, detected independently, are the check.
"""

from typing import Final

import numpy as np

from dancenow.face.expression import head_rotation
from dancenow.face.landmarks import FaceNetworks, Mesh
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose

MIN_MESH_CONFIDENCE: Final = 0.2
"""A mesh below this confidence is discarded."""
MIN_MESH_PX: Final = 18.0
"""Head height below which no mesh is computed: on rendered heads of 21 px the landmarks are within 2% of the height, of 16 px
within 5%, and then some are far off.
"""
FULL_CONFIDENCE_PX: Final = 40.0
"""Head height from which size does not reduce the confidence."""
_POSITION_TOLERANCE: Final = 0.14
"""For eyes and nose, as a fraction of the head's height: the keypoints' own error is half of it."""
_SIZE_TOLERANCE: Final = 0.25
"""Of the face's size, as a natural logarithm."""
_YAW_TOLERANCE_RAD: Final = 0.6
FACE_HEIGHT: Final = 0.78
"""From the mesh's crown to its chin in 3-D, as a fraction of the head's height."""
_CROWN, _CHIN = 10, 152
_EYES: Final = (("right_eye", (33, 133)), ("left_eye", (263, 362)))
_NOSE: Final = 4


def mesh_confidence(mesh: Mesh, pose: Pose, height_px: float, yaw: float) -> float:
    """Confidence in [0,1] of a mesh, given the pose [K], the head's height and its yaw; 0 = discard."""
    at, points = pose.xy.astype(np.float64), mesh.points.astype(np.float64)
    off = [points[_NOSE, :2] - at[INDEX["nose"]]]
    off += [points[list(corners), :2].mean(axis=0) - at[INDEX[name]] for name, corners in _EYES]
    place = float(np.mean(np.sum(np.square(off), axis=1))) / (_POSITION_TOLERANCE * height_px) ** 2
    face_px = float(np.linalg.norm(points[_CROWN] - points[_CHIN]))
    size = (np.log(max(face_px, 1e-6) / (FACE_HEIGHT * height_px)) / _SIZE_TOLERANCE) ** 2
    turn = ((float(head_rotation(mesh.landmarks[None])[0, 0]) - yaw) / _YAW_TOLERANCE_RAD) ** 2
    size_factor = min(height_px / FULL_CONFIDENCE_PX, 1.0)
    confidence = mesh.score * size_factor * float(np.exp(-0.5 * (place + size + turn)))
    return confidence if confidence >= MIN_MESH_CONFIDENCE else 0.0


def detect_mesh_twice(
    networks: FaceNetworks, image_rgb: ImageRGB, roi: RotatedRect, pose: Pose, height_px: float, yaw: float
) -> tuple[Mesh, float]:
    """Run the mesh network in `roi`, and again in the square that the first mesh suggests; return the better mesh and its
    confidence.
    """
    first = networks.mesh(image_rgb, roi)
    meshes = (first, networks.mesh(image_rgb, first.roi))
    candidates = [(mesh, mesh_confidence(mesh, pose, height_px, yaw)) for mesh in meshes]
    return max(candidates, key=lambda candidate: (candidate[1], candidate[0].score))
