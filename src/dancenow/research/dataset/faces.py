"""Face labels of a rendered dataset per frame: box, direction and visibility.

Computed from the exact head keypoints, whose depth is known. Occlusion by hands and arms is not considered.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.regions import MIN_CONFIDENCE, face_box
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX, KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FloatArray, PoseTrack

VISIBLE_COSINE: Final = 0.3
"""Cosine of the largest angle to the camera, 73 degrees, at which a face counts as visible."""
FORMAT: Final = "dancenow-faces-1"


@dataclass(frozen=True, eq=False)
class FaceLabels:
    """Labels of the face in T frames.

    box: float32 [T,4] px, left, top, right, bottom of a square around the head, clipped to the frame; NaN outside the frame.
    towards: float32 [T], cosine of the angle between nose and camera, 1 = facing it, -1 = facing away; NaN if unknown. visible:
    bool [T]. points: float32 [T,5,3], nose, eyes and ears, px and px-scaled depth, in the order of `names` in the file.
    """

    box: FloatArray
    towards: FloatArray
    visible: NDArray[np.bool_]
    points: FloatArray

    @property
    def side_px(self) -> float:
        """Median side of the boxes of visible faces; 0 if none is visible."""
        if not self.visible.any():
            return 0.0
        sides = (self.box[:, 2:] - self.box[:, :2]).max(axis=1)
        return float(np.median(sides[self.visible]))


def face_labels(track: PoseTrack) -> FaceLabels:
    """Compute the face labels of a track. Without depth (a 2D track) a face is visible if nose and both eyes are."""
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
    facing = seen[:, :3].all(axis=1) if flat else np.nan_to_num(towards, nan=-1.0) > VISIBLE_COSINE
    middle = points[:, :3, :2].mean(axis=1)
    inside = ((middle >= 0) & (middle <= (track.width_px - 1, track.height_px - 1))).all(axis=1)
    visible = facing & inside & np.isfinite(box[:, 0])
    return FaceLabels(box, towards.astype(np.float32), np.asarray(visible), points.astype(np.float32))


def save_faces(path: Path, faces: FaceLabels) -> None:
    """Write the labels to an .npz of plain arrays."""
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, format=np.array(FORMAT), box=faces.box, towards=faces.towards, visible=faces.visible, points=faces.points,
            names=np.array([KEYPOINTS[i] for i in HEAD_KEYPOINTS]),
        )  # fmt: skip
