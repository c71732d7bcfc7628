"""A second pose detector for tests: it subtracts the room of `drawn_world` and fits a standing body to the silhouette."""

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.base import Candidate, Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import ImageRGB, Pose, PoseTrack
from helpers.drawn_world import STANDING, room

MASK_SIZE = 32


class SilhouetteDetector:
    """A `PoseDetector` for the drawn person, without bias correction."""

    name = "silhouette/1"
    correction_lag_s = 0.0

    def detect(self, image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:
        roi = _region(_silhouette(image_rgb))
        if roi is None or min_score >= 0.9 or (window is not None and roi.overlap(window) == 0):
            return []
        return [Candidate(roi, 0.9)]

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        silhouette = _silhouette(image_rgb)
        found = _region(silhouette)
        if found is None or found.overlap(roi) == 0:
            return Landmarks(_standing(roi), 0.0, roi, roi, np.full((MASK_SIZE, MASK_SIZE), -10, np.float32))
        return Landmarks(_standing(found), 1.0, roi, found, _mask_logits(silhouette, roi))

    def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:  # noqa: ARG002
        return repaired


def _silhouette(image_rgb: ImageRGB) -> NDArray[np.bool_]:
    """bool [H,W]: where the image differs from the empty room."""
    difference = np.abs(image_rgb.astype(int) - room(image_rgb.shape[1])).max(axis=2)
    return np.asarray(difference > 50)


def _region(silhouette: NDArray[np.bool_]) -> RotatedRect | None:
    y, x = np.nonzero(silhouette)
    if len(x) < 100:
        return None
    return RotatedRect(float(np.median(x)), float(y.min() + y.max()) / 2, float(np.ptp(y)), 0.0)


def _standing(roi: RotatedRect) -> Pose:
    """A body that stands upright; its limbs, drawn wider than their keypoints, fill the region from top to bottom."""
    offsets = np.array([STANDING[name] for name in INDEX])
    xy = offsets * roi.size_px + [roi.x_px, roi.y_px + 0.46 * roi.size_px]
    return Pose(xy.astype(np.float32), np.ones(NUM_KEYPOINTS, np.float32))


def _mask_logits(silhouette: NDArray[np.bool_], roi: RotatedRect) -> NDArray[np.float32]:
    center = (np.arange(MASK_SIZE) + 0.5) / MASK_SIZE
    u, v = np.meshgrid(center, center)
    x, y = (roi.to_frame @ [u.ravel(), v.ravel(), np.ones(u.size)]).round().astype(int)
    inside = (x >= 0) & (y >= 0) & (x < silhouette.shape[1]) & (y < silhouette.shape[0])
    person = np.zeros(u.size, bool)
    person[inside] = silhouette[y[inside], x[inside]]
    return np.where(person, 10, -10).reshape(MASK_SIZE, MASK_SIZE).astype(np.float32)
