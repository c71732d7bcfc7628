"""One person's face through the frames of a video: the mesh is looked for where it was, else where detector or pose say."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import NUM_LANDMARKS, FaceTrack, Reason
from dancenow.face.head import heads, steady
from dancenow.face.landmarks import FaceNetworks, Mesh
from dancenow.face.mesh_validation import MIN_MESH_PX, looked_twice, trust
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.types import FloatArray, ImageRGB, PoseTrack

DETECTOR_VIEW: Final = 2.0
"""Side of the square that the face detector sees, over the height of the head."""
POSE_ROI: Final = 1.2
"""Side of the mesh's square, over the height of the head, where only the pose says where the face is."""
_SURE: Final = 0.5
"""A mesh that is trusted so far needs no second look."""
_NO_FACE: Final = 0.1
_MAX_SURE_YAW: Final = float(np.radians(50))
"""Up to this yaw the networks see every face; beyond it, that they see none means nothing."""
_MAX_MESH_YAW: Final = float(np.radians(70))


class FaceTracker:
    """Measures frame after frame. points: float32 [T,68,3] frame px with depth; confidence: float32 [T], 0 = none.

    nothing: bool [T], there should be a face by the pose, and neither network sees any.
    """

    def __init__(self, networks: FaceNetworks, track: PoseTrack, boxes: FaceTrack) -> None:
        self._networks, self._track, self._boxes = networks, track, boxes
        self._head = steady(heads(track.pose), track.time_s)
        self.points: FloatArray = np.zeros((len(track), NUM_LANDMARKS, 3), np.float32)
        self.confidence: FloatArray = np.zeros(len(track), np.float32)
        self.nothing: NDArray[np.bool_] = np.zeros(len(track), bool)
        self._last: RotatedRect | None = None

    def step(self, image_rgb: ImageRGB, t: int) -> None:
        """Look at frame t, if there is a face to be seen in it."""
        worth = self._boxes.reason[t] in (Reason.OK, Reason.HIDDEN) and self._head.height_px[t] >= MIN_MESH_PX
        if not worth or abs(self._head.yaw[t]) > _MAX_MESH_YAW:
            self._last = None
            return
        mesh, trusted = self._look(image_rgb, t)
        self.nothing[t] = mesh.score < _NO_FACE and abs(self._head.yaw[t]) < _MAX_SURE_YAW
        trusted *= 1 - float(self._boxes.hidden[t])
        self._last = self._relative(mesh.roi, t) if trusted > 0 else None
        self.confidence[t], self.points[t] = trusted, mesh.landmarks if trusted > 0 else 0

    def _look(self, image_rgb: ImageRGB, t: int) -> tuple[Mesh, float]:
        """The most trusted mesh: from where the face was, and if that is not convincing from detector and pose."""
        if self._last is not None:
            mesh = self._networks.mesh(image_rgb, self._absolute(self._last, t))
            sure = trust(mesh, self._track.pose[t], *self._height_and_yaw(t))
            if sure >= _SURE:
                return mesh, sure
        (x, y), (height_px, yaw) = self._head.face_centre[t], self._height_and_yaw(t)
        view = RotatedRect(float(x), float(y), DETECTOR_VIEW * height_px, 0.0)
        by_pose = RotatedRect(float(x), float(y), POSE_ROI * height_px, float(self._head.roll[t]))
        roi = self._networks.detect(image_rgb, view) or by_pose
        return looked_twice(self._networks, image_rgb, roi, self._track.pose[t], height_px, yaw)

    def _height_and_yaw(self, t: int) -> tuple[float, float]:
        return float(self._head.height_px[t]), float(self._head.yaw[t])

    def _relative(self, roi: RotatedRect, t: int) -> RotatedRect:
        """A region in units of the head and from its centre, so that it moves on with the pose."""
        (x, y), scale = self._head.centre[t], float(self._head.height_px[t])
        return replace(roi, x_px=(roi.x_px - x) / scale, y_px=(roi.y_px - y) / scale, size_px=roi.size_px / scale)

    def _absolute(self, roi: RotatedRect, t: int) -> RotatedRect:
        (x, y), scale = self._head.centre[t], float(self._head.height_px[t])
        return replace(roi, x_px=roi.x_px * scale + x, y_px=roi.y_px * scale + y, size_px=roi.size_px * scale)
