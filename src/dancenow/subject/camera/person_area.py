"""Where a person is in a frame, roughly, from the pose: features there do not belong to the background."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import Pose

_MARGIN_FRACTION: Final = 0.16
"""Of the larger side of the keypoints' box: flesh, hair, skirts and the shadow at the feet lie outside of the keypoints."""


def person_area(pose: Pose, scale: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The hull of a pose [K] with a margin, in a frame reduced by `scale` to `shape`: bool [h,w]; nothing without a pose."""
    area = np.zeros(shape[:2], np.uint8)
    points = pose.xy[pose.confidence > 0] * scale
    if len(points):
        hull = cv2.convexHull(points.round().astype(np.int32))
        margin_px = max(2, round(_MARGIN_FRACTION * float(np.ptp(points, axis=0).max())))
        cv2.fillConvexPoly(area, hull, 1)
        cv2.polylines(area, [hull], True, 1, 2 * margin_px)
    return np.asarray(area > 0)
