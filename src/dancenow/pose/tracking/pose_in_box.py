"""Whoever stands where a body is expected, in one picture alone, with no memory of who it was before.

A `PersonTracker` looks for one person and passes over frames that show somebody else; who is asked whose body a picture
shows has to
see those, too. As pose estimators are run in known boxes, the expected pose only says where to look.
"""

import math

import numpy as np

from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.reidentification import is_person
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose

_MARGIN = 1.25
_HIPS = [INDEX["right_hip"], INDEX["left_hip"]]


def sighted(detector: PoseDetector, image_rgb: ImageRGB, expected: Pose) -> Pose | None:
    """The keypoints [K] of the body that is found about where `expected` [K] is, whoever it is; None if none is there."""
    seen = expected.confidence > 0
    if not seen[[INDEX["neck"], *_HIPS]].all():
        return None
    found = detector.landmarks(image_rgb, _around(expected))
    if not is_person(found, image_rgb):
        return None
    again = detector.landmarks(image_rgb, found.next_roi)  # from where the body proved to be it is read best
    return again.pose if is_person(again, image_rgb) else None


def _around(pose: Pose) -> RotatedRect:
    """The square round the circle about the hips that holds every keypoint, turned to the trunk, with a margin."""
    hips = pose.xy[_HIPS].mean(axis=0).astype(np.float64)
    dx, dy = pose.xy[INDEX["neck"]] - hips
    reach_px = float(np.linalg.norm(pose.xy[pose.confidence > 0] - hips, axis=1).max())
    return RotatedRect(float(hips[0]), float(hips[1]), max(2 * _MARGIN * reach_px, 1.0), math.pi / 2 - math.atan2(-dy, dx))
