"""Estimate how far the camera moved between two frames, from the background alone.

Both frames are aligned by maximizing their correlation (Evangelidis and Psarakis, 2008), coarse to fine, so that door frames
and skirting boards count where a plain wall offers no corners; people are masked out.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

STILL_FRACTION: Final = 0.0025
"""Of the longer side: a camera counts as moved if a corner of the image shifts by more, 5 px at 1920."""
_SAME_SCENE_CORRELATION: Final = 0.75
"""Correlation of the two backgrounds below which they show different scenes."""
_EDGE_LEVELS, _MIN_EDGE_FRACTION = 6.0, 0.003
"""Levels per px that make an edge, and the fraction of the background that must be edges in each direction to estimate a
shift.
"""
_MAX_AFFINE_FRACTION: Final = 0.01
"""Fraction of the longer side by which zoom and tilt may move a corner."""
_STILL_PX: Final = 0.25
"""A shift below this needs no finer estimate."""
_MIN_BACKGROUND_FRACTION: Final = 0.08
"""Fraction of the frame that must be background in both."""
TILES, _MIN_TILES, _MIN_TILE_EDGES = 8, 6, 20
"""Tiles along each side of the frame that vote on whether the camera is still, how many of them need edges, and how many px."""
STILL_TILE_PX: Final = 0.5
"""Shift across its edges below which a tile is still; that is about .8 px in any direction."""
_STILL_TILES_FRACTION: Final = 0.4
"""Fraction of unchanged tiles in front of a still camera: over .42 around two large people, under .36 in slow drift."""


@dataclass(frozen=True, eq=False)
class BackgroundView:
    """A frame reduced to about 640 px: gray uint8 [h,w], and background uint8 [h,w], 255 where there is no person."""

    gray: NDArray[np.uint8]
    background: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Motion of the camera. to_view: float64 [2,3], px of the reference -> px of the view. shift_px: of the corner that moves
    most.

    shift_px is infinite where the view shows another scene, and NaN where too little is visible.
    """

    to_view: NDArray[np.float64]
    shift_px: float


def reduced_view(image_rgb: ImageRGB, side_px: int) -> BackgroundView:
    """The image in gray, its longer side at most `side_px`, all of it background."""
    height, width = image_rgb.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gray = np.asarray(cv2.cvtColor(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8)
    return BackgroundView(gray, np.full_like(gray, 255))


def hide_pixels(view: BackgroundView, mask: NDArray[np.bool_]) -> BackgroundView:
    """The view without some pixels of its frame, bool [H,W], such as those of overlays."""
    size = view.gray.shape[::-1]
    hidden = np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)) > 0
    return BackgroundView(view.gray, np.where(hidden, np.uint8(0), view.background))


def estimate_camera_motions(views: list[BackgroundView]) -> list[CameraMotion]:
    """Estimate the motion of every view of a video, in temporal order, from the middle one; each search starts at its
    neighbor's motion.
    """
    if not views:
        return []
    middle = len(views) // 2
    motions = {middle: CameraMotion(np.eye(2, 3), 0.0)}
    for order, step in ((range(middle + 1, len(views)), -1), (range(middle - 1, -1, -1), 1)):
        for index in order:
            motions[index] = estimate_camera_motion(views[middle], views[index], motions[index + step].to_view)
    return [motions[index] for index in range(len(views))]


def estimate_camera_motion(
    reference: BackgroundView, view: BackgroundView, start: NDArray[np.float64] | None = None
) -> CameraMotion:
    """Estimate the affine motion from `reference` to `view`, starting at `start` (float64 [2,3], no motion if None)."""
    if is_still(reference, view):
        return CameraMotion(np.eye(2, 3), 0.0)
    initial = np.eye(2, 3) if start is None else start
    valid = (reference.background > 0) & (view.background > 0)
    gradient_x, gradient_y = (np.abs(np.diff(reference.gray.astype(np.float32), axis=axis)) for axis in (1, 0))
    edges = min((gradient_x[valid[:, 1:]] > _EDGE_LEVELS).sum(), (gradient_y[valid[1:]] > _EDGE_LEVELS).sum())
    if valid.mean() < _MIN_BACKGROUND_FRACTION or edges < _MIN_EDGE_FRACTION * valid.sum():
        return CameraMotion(initial, float("nan"))
    try:
        coarse, coarse_correlation = _align(
            _downscale(reference), _downscale(view), _scale_motion(initial, 0.25), cv2.MOTION_EUCLIDEAN
        )
        still_px = 4 * _corner_shift(coarse, _downscale(reference))
        if (
            still_px < _STILL_PX and coarse_correlation > _SAME_SCENE_CORRELATION
        ):  # a tripod, the most frequent case: return early
            return CameraMotion(_scale_motion(coarse, 4.0), still_px)
        rigid, correlation = _align(reference, view, _scale_motion(coarse, 4.0), cv2.MOTION_EUCLIDEAN)
        affine, affine_correlation = _align(reference, view, rigid, cv2.MOTION_AFFINE)
    except cv2.error:  # no convergence: nothing in common
        return CameraMotion(initial, float("inf"))
    if correlation < _SAME_SCENE_CORRELATION:
        return CameraMotion(initial, float("inf"))
    # Zoom and tilt are small; where little is visible, an affine fit can diverge.
    bend_px = _corner_shift(affine - rigid + np.eye(2, 3), reference)
    use_affine = affine_correlation > correlation and bend_px < _MAX_AFFINE_FRACTION * max(reference.gray.shape)
    to_view = affine if use_affine else rigid
    return CameraMotion(to_view, _corner_shift(to_view, reference))


def is_still(reference: BackgroundView, view: BackgroundView) -> bool:
    """Whether the camera stands still: enough of the background is unchanged, see `unchanged_fraction`."""
    return unchanged_fraction(reference, view) >= _STILL_TILES_FRACTION


def unchanged_fraction(reference: BackgroundView, view: BackgroundView) -> float:
    """Fraction of the tiles of the background with edges that are unchanged; NaN with too few of them.

    Each tile votes, so that other people and screens, who change some tiles, do not look like a motion of the camera.
    """
    visible = (reference.background > 0) & (view.background > 0)
    shifts_px = tile_shifts_px(blurred(reference.gray), blurred(view.gray), visible)
    votes = shifts_px[~np.isnan(shifts_px)] < STILL_TILE_PX
    return float(np.mean(votes)) if len(votes) >= _MIN_TILES else float("nan")


def blurred(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An image as `tile_shifts_px` compares it, float32 [h,w]."""
    return np.asarray(cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.0), np.float32)


def tile_shifts_px(
    reference: NDArray[np.float32], image: NDArray[np.float32], visible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How far the edges of each tile of two images [h,w] are apart, across the edges, in px [TILES,TILES].

    visible: bool [h,w], what both show of the background. NaN for a tile with too few edges. Where the reference is NaN,
    nothing is compared.
    """
    slope = np.hypot(*np.gradient(reference))
    edges = (slope > _EDGE_LEVELS / 2) & visible
    difference = image - reference
    shifts_px = np.full((TILES, TILES), np.nan)
    for row, rows in enumerate(np.array_split(np.arange(reference.shape[0]), TILES)):
        for column, columns in enumerate(np.array_split(np.arange(reference.shape[1]), TILES)):
            tile = np.ix_(rows, columns)
            at = edges[tile]
            if at.sum() >= _MIN_TILE_EDGES:
                changed = difference[tile][at]  # without the change of light:
                shifts_px[row, column] = np.abs(changed - np.median(changed)).mean() / slope[tile][at].mean()
    return shifts_px


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


def _downscale(view: BackgroundView) -> BackgroundView:
    height, width = view.gray.shape
    size = (max(8, width // 4), max(8, height // 4))
    gray = cv2.resize(view.gray, size, interpolation=cv2.INTER_AREA)
    background = cv2.resize(view.background, size, interpolation=cv2.INTER_NEAREST)
    return BackgroundView(np.asarray(gray, np.uint8), np.asarray(background, np.uint8))


def _scale_motion(motion: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The same motion between frames enlarged by `scale`."""
    scaled = motion.copy()
    scaled[:, 2] *= scale
    return scaled
