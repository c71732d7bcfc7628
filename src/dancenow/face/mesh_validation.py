"""How far a mesh of a face may be believed: the pose says where eyes and nose are, how large the head is and how it turns.

The mesh network finds a face in nearly everything, and its own score is near 1 for small, turned and lowered faces that it
gets wrong; the body's keypoints, found without it, are the check.
"""

from typing import Final

import numpy as np

from dancenow.face.expression import turn_of
from dancenow.face.landmarks import FaceNetworks, Mesh
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose

MIN_TRUST: Final = 0.2
"""Below this a mesh is taken for none."""
MIN_MESH_PX: Final = 18.0
"""Height of a head below which no mesh is asked for: rendered heads of 21 px have their landmarks within 2% of their height,
of 16 px within 5%, and then some are far off."""
LARGE_PX: Final = 40.0
"""Height of a head from which its size is no reason for doubt."""
_OFF: Final = 0.14
"""Tolerance of eyes and nose, as a share of the head's height: the keypoints' own error is half of it."""
_SIZE: Final = 0.25
"""Tolerance of the face's size, as a natural logarithm."""
_TURN: Final = 0.6
"""Tolerance of the yaw in radians."""
FACE_HEIGHT: Final = 0.78
"""From the mesh's crown to its chin in space, as a share of the head's height."""
_CROWN, _CHIN = 10, 152
_EYES: Final = (("right_eye", (33, 133)), ("left_eye", (263, 362)))
_NOSE: Final = 4


def trust(mesh: Mesh, pose: Pose, height_px: float, yaw: float) -> float:
    """In [0,1], of a mesh against the pose [K], the head's height and its yaw; 0 = not to be used."""
    at, points = pose.xy.astype(np.float64), mesh.points.astype(np.float64)
    off = [points[_NOSE, :2] - at[INDEX["nose"]]]
    off += [points[list(corners), :2].mean(axis=0) - at[INDEX[name]] for name, corners in _EYES]
    place = float(np.mean(np.sum(np.square(off), axis=1))) / (_OFF * height_px) ** 2
    face_px = float(np.linalg.norm(points[_CROWN] - points[_CHIN]))
    size = (np.log(max(face_px, 1e-6) / (FACE_HEIGHT * height_px)) / _SIZE) ** 2
    turn = ((float(turn_of(mesh.landmarks[None])[0, 0]) - yaw) / _TURN) ** 2
    large = min(height_px / LARGE_PX, 1.0)
    believed = mesh.score * large * float(np.exp(-0.5 * (place + size + turn)))
    return believed if believed >= MIN_TRUST else 0.0


def looked_twice(
    networks: FaceNetworks, image_rgb: ImageRGB, roi: RotatedRect, pose: Pose, height_px: float, yaw: float
) -> tuple[Mesh, float]:
    """The mesh in `roi`, or the one where that mesh itself asks to be looked for, whichever is trusted more; and its trust."""
    first = networks.mesh(image_rgb, roi)
    meshes = (first, networks.mesh(image_rgb, first.roi))
    looks = [(mesh, trust(mesh, pose, height_px, yaw)) for mesh in meshes]
    return max(looks, key=lambda look: (look[1], look[0].score))
