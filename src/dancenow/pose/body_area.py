"""Where the body of a pose surely is in a picture."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX, LIMBS
from dancenow.types import Pose

_LIMB_WIDTH: Final = 0.05
"""Width of what surely is body along a bone; fraction of the person's size."""
_SURE: Final = 0.3
_TORSO: Final = [INDEX[name] for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]


def body_area(pose: Pose, shape: tuple[int, ...], size_px: int) -> NDArray[np.uint8]:
    """uint8 [h,w], 1 along the bones of a pose [K] and on the trunk. size_px: the person's size, by which limbs are thick."""
    area = np.zeros(shape[:2], np.uint8)
    xy, seen = pose.xy.round().astype(np.int32), pose.confidence > _SURE
    width_px = max(1, round(_LIMB_WIDTH * size_px))
    for start, end in LIMBS:
        if seen[start] and seen[end]:
            cv2.line(area, xy[start].tolist(), xy[end].tolist(), 1, width_px)
    if seen[_TORSO].all():
        cv2.fillConvexPoly(area, cv2.convexHull(xy[_TORSO]), 1)
    return area


def pose_size_px(pose: Pose) -> int:
    """The larger side of the box around the sure keypoints of a pose [K], at least 1; 0 if none is sure."""
    seen = pose.confidence > _SURE
    return max(1, round(float(np.ptp(pose.xy[seen], axis=0).max()))) if seen.any() else 0
