"""Track one person's face through the frames of a video: the mesh network runs where the face was, else where detector or pose
find it.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import NUM_LANDMARKS, FaceTrack, Reason
from dancenow.face.head import estimate_heads, smooth_heads
from dancenow.face.landmarks import FaceNetworks, Mesh
from dancenow.face.mesh_validation import MIN_MESH_PX, detect_mesh_twice, mesh_confidence
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.types import FloatArray, ImageRGB, PoseTrack

DETECTOR_WINDOW: Final = 2.0
"""Side of the square given to the face detector, relative to the head's height."""
POSE_ROI: Final = 1.2
"""Side of the mesh network's square, relative to the head's height, where only the pose locates the face."""
_ACCEPTED_CONFIDENCE: Final = 0.5
"""A mesh with this confidence needs no second try."""
_MAX_NO_FACE_SCORE: Final = 0.1
_MAX_RELIABLE_YAW: Final = float(np.radians(50))
"""Up to this yaw the networks detect every face; beyond it, a missed detection is not evidence."""
_MAX_MESH_YAW: Final = float(np.radians(70))


class FaceTracker:
    """Measures one frame after another. points: float32 [T,68,3] frame px with depth; confidence: float32 [T], 0 = none.

    no_face: bool [T], the pose predicts a face but neither network detects one.
    """

    def __init__(self, networks: FaceNetworks, track: PoseTrack, boxes: FaceTrack) -> None:
        self._networks, self._track, self._boxes = networks, track, boxes
        self._head = smooth_heads(estimate_heads(track.pose), track.shot_time_s)
        self.points: FloatArray = np.zeros((len(track), NUM_LANDMARKS, 3), np.float32)
        self.confidence: FloatArray = np.zeros(len(track), np.float32)
        self.no_face: NDArray[np.bool_] = np.zeros(len(track), bool)
        self._last: RotatedRect | None = None

    def step(self, image_rgb: ImageRGB, t: int) -> None:
        """Process frame t, if a face should be visible in it."""
        visible = self._boxes.reason[t] in (Reason.OK, Reason.HIDDEN) and self._head.height_px[t] >= MIN_MESH_PX
        if not visible or abs(self._head.yaw[t]) > _MAX_MESH_YAW:
            self._last = None
            return
        mesh, confidence = self._find_mesh(image_rgb, t)
        self.no_face[t] = mesh.score < _MAX_NO_FACE_SCORE and abs(self._head.yaw[t]) < _MAX_RELIABLE_YAW
        confidence *= 1 - float(self._boxes.hidden[t])
        self._last = self._relative(mesh.roi, t) if confidence > 0 else None
        self.confidence[t], self.points[t] = confidence, mesh.landmarks if confidence > 0 else 0

    def _find_mesh(self, image_rgb: ImageRGB, t: int) -> tuple[Mesh, float]:
        """The mesh with the highest confidence: at the face's last position, and if that is not convincing from detector and
        pose.
        """
        if self._last is not None:
            mesh = self._networks.mesh(image_rgb, self._absolute(self._last, t))
            confidence = mesh_confidence(mesh, self._track.pose[t], *self._height_and_yaw(t))
            if confidence >= _ACCEPTED_CONFIDENCE:
                return mesh, confidence
        (x, y), (height_px, yaw) = self._head.face_center[t], self._height_and_yaw(t)
        view = RotatedRect(float(x), float(y), DETECTOR_WINDOW * height_px, 0.0)
        by_pose = RotatedRect(float(x), float(y), POSE_ROI * height_px, float(self._head.roll[t]))
        roi = self._networks.detect(image_rgb, view) or by_pose
        return detect_mesh_twice(self._networks, image_rgb, roi, self._track.pose[t], height_px, yaw)

    def _height_and_yaw(self, t: int) -> tuple[float, float]:
        return float(self._head.height_px[t]), float(self._head.yaw[t])

    def _relative(self, roi: RotatedRect, t: int) -> RotatedRect:
        """Express a region relative to the head's center and height, so that it moves with the pose."""
        (x, y), scale = self._head.center[t], float(self._head.height_px[t])
        return replace(roi, x_px=(roi.x_px - x) / scale, y_px=(roi.y_px - y) / scale, size_px=roi.size_px / scale)

    def _absolute(self, roi: RotatedRect, t: int) -> RotatedRect:
        (x, y), scale = self._head.center[t], float(self._head.height_px[t])
        return replace(roi, x_px=roi.x_px * scale + x, y_px=roi.y_px * scale + y, size_px=roi.size_px * scale)
