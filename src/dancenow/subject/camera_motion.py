"""How far the camera moved between two frames, judged by the background alone.

Both frames are aligned directly by their correlation (Evangelidis and Psarakis, 2008), coarse to fine, so that door frames
and skirting boards count where a plain wall offers no corners; the people are masked out.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SAME_SCENE: Final = 0.75
"""Correlation of the two backgrounds below which they show different things."""
_EDGE, _LEAST_EDGES = 6.0, 0.003
"""Levels per px that make an edge, and the share of the background that must lie on edges to tell a shift, each way."""
_MOST_BEND: Final = 0.01
"""Share of the longer side by which zoom and tilt may move a corner."""
_STILL_PX: Final = 0.25
"""A shift that small is not worth measuring better."""
_LEAST_SEEN: Final = 0.08
"""Share of the frame that must be background in both."""


@dataclass(frozen=True, eq=False)
class BackgroundView:
    """A frame made small, some 640 px: gray uint8 [h,w], and background uint8 [h,w], 255 where nobody is."""

    gray: NDArray[np.uint8]
    background: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """to_view: float64 [2,3], px of the reference -> px of the view. shift_px: at the corner that moved most.

    shift_px is infinite where the view shows another scene, and NaN where too little is visible to tell.
    """

    to_view: NDArray[np.float64]
    shift_px: float


def camera_motions(views: list[BackgroundView]) -> list[CameraMotion]:
    """The motion of every view of a video, in order of time, from the middle one; each starts from its neighbour's."""
    if not views:
        return []
    middle = len(views) // 2
    motions = {middle: CameraMotion(np.eye(2, 3), 0.0)}
    for order, step in ((range(middle + 1, len(views)), -1), (range(middle - 1, -1, -1), 1)):
        for index in order:
            motions[index] = camera_motion(views[middle], views[index], motions[index + step].to_view)
    return [motions[index] for index in range(len(views))]


def camera_motion(reference: BackgroundView, view: BackgroundView, start: NDArray[np.float64] | None = None) -> CameraMotion:
    """The affine motion from `reference` to `view`, searched from `start` (float64 [2,3], no motion if None)."""
    guess = np.eye(2, 3) if start is None else start
    both = (reference.background > 0) & (view.background > 0)
    across, down = (np.abs(np.diff(reference.gray.astype(np.float32), axis=axis)) for axis in (1, 0))
    edges = min((across[both[:, 1:]] > _EDGE).sum(), (down[both[1:]] > _EDGE).sum())
    if both.mean() < _LEAST_SEEN or edges < _LEAST_EDGES * both.sum():
        return CameraMotion(guess, float("nan"))
    try:
        coarse, same = _align(_quarter(reference), _quarter(view), _scaled(guess, 0.25), cv2.MOTION_EUCLIDEAN)
        still_px = 4 * _corner_shift(coarse, _quarter(reference))
        if still_px < _STILL_PX and same > _SAME_SCENE:  # a tripod: most cameras, and the quick way out
            return CameraMotion(_scaled(coarse, 4.0), still_px)
        rigid, correlation = _align(reference, view, _scaled(coarse, 4.0), cv2.MOTION_EUCLIDEAN)
        affine, affine_correlation = _align(reference, view, rigid, cv2.MOTION_AFFINE)
    except cv2.error:  # it does not converge: nothing in common
        return CameraMotion(guess, float("inf"))
    if correlation < _SAME_SCENE:
        return CameraMotion(guess, float("inf"))
    # Zoom and tilt are small; where little is seen, an affine fit can run away with them.
    bent = _corner_shift(affine - rigid + np.eye(2, 3), reference)
    believable = affine_correlation > correlation and bent < _MOST_BEND * max(reference.gray.shape)
    to_view = affine if believable else rigid
    return CameraMotion(to_view, _corner_shift(to_view, reference))


def _corner_shift(motion: NDArray[np.float64], view: BackgroundView) -> float:
    height, width = view.gray.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    return float(np.linalg.norm(corners @ motion[:, :2].T + motion[:, 2] - corners, axis=1).max())


def _align(a: BackgroundView, b: BackgroundView, start: NDArray[np.float64], kind: int) -> tuple[NDArray[np.float64], float]:
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    correlation, warp = cv2.findTransformECCWithMask(
        a.gray, b.gray, a.background, b.background, start.astype(np.float32), kind, criteria, 5
    )
    return np.asarray(warp, np.float64), float(correlation)


def _quarter(view: BackgroundView) -> BackgroundView:
    height, width = view.gray.shape
    size = (max(8, width // 4), max(8, height // 4))
    gray = cv2.resize(view.gray, size, interpolation=cv2.INTER_AREA)
    background = cv2.resize(view.background, size, interpolation=cv2.INTER_NEAREST)
    return BackgroundView(np.asarray(gray, np.uint8), np.asarray(background, np.uint8))


def _scaled(motion: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The same motion between frames made `scale` times as large."""
    scaled = motion.copy()
    scaled[:, 2] *= scale
    return scaled
