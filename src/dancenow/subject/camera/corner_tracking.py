"""Large motions from one frame to the next, from corners of the background: the first estimate for `direct_alignment`."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.camera.homography import Homography, fit_homography

_MAX_CORNERS: Final = 250
_CORNER_QUALITY, _CORNER_DISTANCE_FRACTION = 0.003, 0.015
_WINDOW_PX, _LEVELS = 21, 4
_STEPS: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
_MIN_AGREEING_FRACTION: Final = 0.3


def estimate_step(before: NDArray[np.uint8], gray: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> Homography | None:
    """Estimate the homography from one gray frame, uint8 [h,w], to the next (px of the first -> px of the second).

    After Shi and Tomasi (1994) and Lucas and Kanade (1981). hidden: bool [h,w], pixels of the first that are not background.
    None where too few corners agree.
    """
    visible = np.where(hidden, 0, 255).astype(np.uint8)
    distance_px = max(3.0, _CORNER_DISTANCE_FRACTION * max(gray.shape))
    found = cv2.goodFeaturesToTrack(before, _MAX_CORNERS, _CORNER_QUALITY, distance_px, mask=visible, blockSize=5)
    if found is None:
        return None
    corners = np.asarray(found, np.float32)
    places, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        gray,
        corners,
        corners.copy(),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=_LEVELS,
        criteria=_STEPS,
        minEigThreshold=1e-3,
    )
    tracked = status[:, 0] > 0
    fit = fit_homography(corners[tracked, 0], np.asarray(places, np.float32)[tracked, 0], float(max(gray.shape)))
    if fit is None or fit.inliers.sum() < _MIN_AGREEING_FRACTION * len(corners):
        return None
    return fit.homography
