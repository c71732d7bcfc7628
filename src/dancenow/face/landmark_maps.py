"""Landmarks and head points as maps of the face's canvas: what a face network is told of where lips and eyes belong.

Lines for each part and a soft dot for each head point, drawn without torch; a frame without landmarks has the dots alone.
"""

from typing import Final

import cv2
import numpy as np

from dancenow.face.face_track import FaceTrack
from dancenow.face.head import HEAD, HEAD_POINTS
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
"""Name of each map: lines of the landmarks, then dots of the head points."""
NUM_MAPS: Final = len(MAPS)
_LINE: Final = 1 / 128
"""Half-width of a line, and a fourth of a dot's, as a share of the canvas."""
_SUBPIXEL: Final = 4


def draw_face(faces: FaceTrack, t: int, pose: Pose) -> FloatArray:
    """float32 [NUM_MAPS,S,S] in [0,1] of frame t on its canvas; pose: the keypoints [K] of that frame, in frame px."""
    transform, size = faces.to_canvas[t], faces.size_px
    head = pose.xy[HEAD] @ transform[:, :2].T + transform[:, 2]
    landmarks = faces.landmarks[t] @ transform[:, :2].T + transform[:, 2]
    return draw(landmarks, float(faces.landmark_confidence[t]), head, pose.confidence[HEAD], size)


def draw(landmarks: FloatArray, confidence: float, head: FloatArray, head_confidence: FloatArray, size: int) -> FloatArray:
    """`draw_face` of canvas px: landmarks [68,2] with their confidence, head points [5,2] with theirs [5].

    Lines and dots are as bright as they are sure.
    """
    out = np.zeros((NUM_MAPS, size, size), np.float32)
    if confidence > 0:
        for channel, lines in enumerate(LINES.values()):
            out[channel] = np.float32(min(confidence, 1.0)) * _drawn(landmarks, lines, size)
    along, sigma = np.arange(size, dtype=np.float32), 4 * _LINE * size
    for channel, ((x, y), sure) in enumerate(zip(head, head_confidence, strict=True), len(LINES)):
        column, row = (np.exp(-0.5 * ((along - place) / sigma) ** 2) for place in (x, y))
        out[channel] = np.float32(sure) * row[:, None] * column[None]
    return out


def _drawn(landmarks: FloatArray, lines: tuple[tuple[int, int, bool], ...], size: int) -> FloatArray:
    """float32 [S,S], 1 along the lines, falling off as a Gaussian does."""
    sharp = np.zeros((size, size), np.uint8)
    fixed = np.rint(np.clip(landmarks, -size, 2 * size) * (1 << _SUBPIXEL)).astype(np.int32)
    for first, end, closed in lines:
        cv2.polylines(sharp, [fixed[first:end, None]], closed, 255, 1, cv2.LINE_AA, _SUBPIXEL)
    sigma = max(_LINE * size, 0.5)
    # A line of one pixel keeps this share of its height when it is blurred.
    kept = 1 / (np.sqrt(2 * np.pi) * sigma)
    blurred = cv2.GaussianBlur(sharp.astype(np.float32) / 255, (0, 0), sigma)
    return np.asarray(np.clip(blurred / kept, 0, 1), np.float32)
