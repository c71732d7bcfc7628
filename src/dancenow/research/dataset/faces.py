"""The truth about a rendered face, frame by frame: where it is, how it is turned, whether it shows.

Everything follows from the exact head points, whose depth is known; what a hand or an arm hides is not counted as hidden.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.regions import HEAD_KEYPOINTS, MIN_CONFIDENCE, face_box
from dancenow.skeleton import INDEX, KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FloatArray, PoseTrack

TOWARDS: Final = 0.3
"""Cosine of the angle, 73 degrees, within which a face that looks past the camera still shows."""
FORMAT: Final = "dancenow-faces-1"


@dataclass(frozen=True, eq=False)
class Faces:
    """box: float32 [T,4] px, left, top, right, bottom of a square around the head, cut to the frame; NaN where it lies outside.
    towards: float32 [T], cosine of the angle between nose and camera, 1 = looks into it, -1 = away; NaN where unknown.
    visible: bool [T]. points: float32 [T,5,3], nose, eyes and ears, px and px-scaled depth, as `names` says."""

    box: FloatArray
    towards: FloatArray
    visible: NDArray[np.bool_]
    points: FloatArray

    @property
    def side_px(self) -> float:
        """Median side of the visible faces' boxes; 0 if none is visible."""
        if not self.visible.any():
            return 0.0
        sides = (self.box[:, 2:] - self.box[:, :2]).max(axis=1)
        return float(np.median(sides[self.visible]))


def faces_of(track: PoseTrack) -> Faces:
    """The faces of a track; without depth (a detector's flat track) a face shows where nose and both eyes are seen."""
    pose = track.pose
    box = np.full((len(track), 4), np.nan, np.float32)
    for t in range(len(track)):
        found = face_box(pose[t], track.width_px, track.height_px)
        if found is not None:
            box[t] = (found.left, found.top, found.right, found.bottom)
    points = np.concatenate([pose.xy[:, HEAD_KEYPOINTS], pose.depth[:, HEAD_KEYPOINTS, None]], axis=2)
    ears = (points[:, HEAD_KEYPOINTS.index(INDEX["right_ear"])] + points[:, HEAD_KEYPOINTS.index(INDEX["left_ear"])]) / 2
    nose = points[:, HEAD_KEYPOINTS.index(INDEX["nose"])] - ears
    length = np.maximum(np.linalg.norm(nose, axis=1), 1e-6)
    seen = pose.confidence[:, HEAD_KEYPOINTS] >= MIN_CONFIDENCE
    flat = not pose.depth.any()
    towards = np.where(seen[:, [0, 3, 4]].all(axis=1) & (not flat), -nose[:, 2] / length, np.nan)
    looks = seen[:, :3].all(axis=1) if flat else np.nan_to_num(towards, nan=-1.0) > TOWARDS
    middle = points[:, :3, :2].mean(axis=1)
    inside = ((middle >= 0) & (middle <= (track.width_px - 1, track.height_px - 1))).all(axis=1)
    visible = looks & inside & np.isfinite(box[:, 0])
    return Faces(box, towards.astype(np.float32), np.asarray(visible), points.astype(np.float32))


def save_faces(path: Path, faces: Faces) -> None:
    """Write the faces to an .npz of plain arrays."""
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, format=np.array(FORMAT), box=faces.box, towards=faces.towards, visible=faces.visible, points=faces.points,
            names=np.array([KEYPOINTS[i] for i in HEAD_KEYPOINTS]),
        )  # fmt: skip
