"""Landmarks and head keypoints as maps on the face canvas: the conditioning input of a face network.

Lines for each part and a soft dot for each head keypoint, drawn without torch; a frame without landmarks has only the dots.
"""

from typing import Final

import cv2
import numpy as np

from dancenow.face.face_track import FaceTrack
from dancenow.skeleton import HEAD_KEYPOINTS, HEAD_POINTS
from dancenow.types import FloatArray, Pose

LINES: Final[dict[str, tuple[tuple[int, int, bool], ...]]] = {
    "jaw": ((0, 17, False),),
    "brows": ((17, 22, False), (22, 27, False)),
    "eyes": ((36, 42, True), (42, 48, True)),
    "nose": ((27, 31, False), (31, 36, False)),
    "outer_lips": ((48, 60, True),),
    "inner_lips": ((60, 68, True),),
}
"""Map -> its lines as first landmark, end (exclusive), and whether the line is closed."""
MAPS: Final = (*LINES, *HEAD_POINTS)
"""Name of each map: lines of the landmarks, then dots of the head keypoints."""
NUM_MAPS: Final = len(MAPS)
_LINE_SIGMA: Final = 1 / 128
"""Standard deviation of a line, and a fourth of a dot's, as a fraction of the canvas."""
_SUBPIXEL: Final = 4


def draw_face_maps(faces: FaceTrack, t: int, pose: Pose) -> FloatArray:
    """Draw the maps of frame t on its canvas: float32 [NUM_MAPS,S,S] in [0,1]. pose: keypoints [K] of that frame, in frame
    px.
    """
    transform, size = faces.to_canvas[t], faces.size_px
    head = pose.xy[HEAD_KEYPOINTS] @ transform[:, :2].T + transform[:, 2]
    landmarks = faces.landmarks[t] @ transform[:, :2].T + transform[:, 2]
    return draw_maps(landmarks, float(faces.landmark_confidence[t]), head, pose.confidence[HEAD_KEYPOINTS], size)


def draw_maps(landmarks: FloatArray, confidence: float, head: FloatArray, head_confidence: FloatArray, size: int) -> FloatArray:
    """Draw maps from canvas px: landmarks [68,2] with their confidence, head keypoints [5,2] with theirs [5].

    The brightness of lines and dots is their confidence.
    """
    out = np.zeros((NUM_MAPS, size, size), np.float32)
    if confidence > 0:
        for channel, lines in enumerate(LINES.values()):
            out[channel] = np.float32(min(confidence, 1.0)) * _draw_lines(landmarks, lines, size)
    along, sigma = np.arange(size, dtype=np.float32), 4 * _LINE_SIGMA * size
    for channel, ((x, y), sure) in enumerate(zip(head, head_confidence, strict=True), len(LINES)):
        column, row = (np.exp(-0.5 * ((along - place) / sigma) ** 2) for place in (x, y))
        out[channel] = np.float32(sure) * row[:, None] * column[None]
    return out


def _draw_lines(landmarks: FloatArray, lines: tuple[tuple[int, int, bool], ...], size: int) -> FloatArray:
    """Draw lines with a Gaussian profile: float32 [S,S], 1 along the lines."""
    sharp = np.zeros((size, size), np.uint8)
    fixed_point = np.rint(np.clip(landmarks, -size, 2 * size) * (1 << _SUBPIXEL)).astype(np.int32)
    for first, end, closed in lines:
        cv2.polylines(sharp, [fixed_point[first:end, None]], closed, 255, 1, cv2.LINE_AA, _SUBPIXEL)
    sigma = max(_LINE_SIGMA * size, 0.5)
    # Height of a blurred line of one pixel.
    line_height = 1 / (np.sqrt(2 * np.pi) * sigma)
    blurred = cv2.GaussianBlur(sharp.astype(np.float32) / 255, (0, 0), sigma)
    return np.asarray(np.clip(blurred / line_height, 0, 1), np.float32)
