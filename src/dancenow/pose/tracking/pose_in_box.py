"""Estimate the pose in an expected region of a single image, of any person: top-down pose estimation in a known box.

A `PersonTracker` follows one person and skips frames that show another person. A metric that compares identities has to see
these frames too, so the expected pose gives the region alone.
"""

import math

import numpy as np

from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.reidentification import is_person
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose

_MARGIN = 1.25
_HIPS = [INDEX["right_hip"], INDEX["left_hip"]]


def find_pose_in_box(detector: PoseDetector, image_rgb: ImageRGB, expected: Pose) -> Pose | None:
    """The keypoints [K] of any person found near the pose `expected` [K]; None if there is none."""
    found = find_in_box(detector, image_rgb, expected)
    return found.pose if found else None


def find_in_box(detector: PoseDetector, image_rgb: ImageRGB, expected: Pose) -> Landmarks | None:
    """The landmarks of any person found near the pose `expected` [K]; None if there is none."""
    seen = expected.confidence > 0
    if not seen[[INDEX["neck"], *_HIPS]].all():
        return None
    found = detector.landmarks(image_rgb, _around(expected))
    if not is_person(found, image_rgb):
        return None
    again = detector.landmarks(image_rgb, found.next_roi)  # the region of the body that was found gives better landmarks
    return again if is_person(again, image_rgb) else None


def _around(pose: Pose) -> RotatedRect:
    """The square around the hips that holds every keypoint, rotated to the trunk, with a margin."""
    hips = pose.xy[_HIPS].mean(axis=0).astype(np.float64)
    dx, dy = pose.xy[INDEX["neck"]] - hips
    reach_px = float(np.linalg.norm(pose.xy[pose.confidence > 0] - hips, axis=1).max())
    return RotatedRect(float(hips[0]), float(hips[1]), max(2 * _MARGIN * reach_px, 1.0), math.pi / 2 - math.atan2(-dy, dx))
