"""Homographies between frames: apply, fit to matched points, compose.

A camera that only turns and zooms maps every frame to every other by a homography, whatever the depth of the scene (Hartley and
Zisserman, Multiple View Geometry, 2004, ch. 8). A hand-held camera that stays in place is close to that.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]
"""float64 [3,3], acts on (x, y, 1) in px."""

INLIER_PX: Final = 1.5
"""Largest error of a point that a homography explains."""
_MIN_POINTS: Final = 12
_PERSPECTIVE_RIDGE, _AFFINE_RIDGE = 0.3, 0.02
"""Weights of the prior that a homography is a similarity, relative to one matched point; perspective needs good evidence."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted homography. inliers: bool [N], the points that it explains within `INLIER_PX`."""

    homography: Homography
    inliers: NDArray[np.bool_]


def transform(homography: Homography, points_px: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map points [...,2]; homography [3,3] or, broadcast to the points' leading dimensions, [...,3,3]."""
    points = np.asarray(points_px, np.float64)
    mapped = np.einsum("...ij,...j->...i", homography[..., :2], points) + homography[..., 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:], np.float64)


def local_scale(homography: Homography, points_px: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much lengths grow around points [...,2]: the square root of the Jacobian's determinant, [...]."""
    points = np.asarray(points_px, np.float64)
    depth = np.einsum("...j,...j->...", homography[..., 2, :2], points) + homography[..., 2, 2]
    return np.asarray(np.sqrt(np.abs(np.linalg.det(homography) / depth**3)), np.float64)


def scale_homography(homography: Homography, scale: float) -> Homography:
    """The same motion between frames enlarged by `scale`, whose pixel centers are at integer coordinates."""
    enlarge = _stretching(scale, scale)
    return np.asarray(enlarge @ homography @ np.linalg.inv(enlarge), np.float64)


def resizing(width: int, height: int, new_width: int, new_height: int) -> Homography:
    """px of an image -> px of the image resized; pixel centers are at integer coordinates."""
    return _stretching(new_width / width, new_height / height)


def _stretching(x: float, y: float) -> Homography:
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])


def corner_shift_px(homography: Homography, width_px: int, height_px: int) -> NDArray[np.float64]:
    """How far the corner of the frame moves that moves most; homography [...,3,3] -> [...]."""
    corners = frame_corners(width_px, height_px)
    moved = transform(homography[..., None, :, :], corners)
    return np.asarray(np.linalg.norm(moved - corners, axis=-1).max(axis=-1), np.float64)


def frame_corners(width_px: int, height_px: int) -> NDArray[np.float64]:
    """The corner pixels of a frame, float64 [4,2]."""
    return np.array([[0, 0], [width_px - 1, 0], [width_px - 1, height_px - 1], [0, height_px - 1]], np.float64)


def frame_grid(shape: tuple[int, int], count: int = 12) -> NDArray[np.float64]:
    """Points spread evenly over a frame of `shape` (h, w): float64 [count * count,2]."""
    columns, rows = np.linspace(0, shape[1] - 1, count), np.linspace(0, shape[0] - 1, count)
    return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)


def fit_homography(from_px: NDArray[np.floating], to_px: NDArray[np.floating], side_px: float) -> Fit | None:
    """Fit robustly to matched points [N,2]; None if too few agree. side_px: of the frame.

    With points in a small part of the frame, perspective is hardly measured: a prior keeps it near zero.
    """
    if len(from_px) < _MIN_POINTS:
        return None
    found, agreeing = cv2.findHomography(
        np.asarray(from_px, np.float32), np.asarray(to_px, np.float32), cv2.RANSAC, 2 * INLIER_PX, maxIters=500
    )
    if found is None:
        return None
    inliers = np.asarray(agreeing[:, 0] > 0)
    for _ in range(2):
        if inliers.sum() < _MIN_POINTS:
            return None
        homography = _fit_with_prior(from_px[inliers], to_px[inliers], side_px)
        inliers = _errors_px(homography, from_px, to_px) < INLIER_PX
    return Fit(homography, inliers) if inliers.sum() >= _MIN_POINTS else None


def _errors_px(homography: Homography, from_px: NDArray[np.floating], to_px: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(transform(homography, from_px) - to_px, axis=1), np.float64)


def _fit_with_prior(from_px: NDArray[np.floating], to_px: NDArray[np.floating], side_px: float) -> Homography:
    """Linear least squares in normalized coordinates, with ridge terms on what departs from a similarity."""
    center, half = np.asarray(from_px, np.float64).mean(axis=0), side_px / 2
    x, y = ((np.asarray(from_px, np.float64) - center) / half).T
    u, v = ((np.asarray(to_px, np.float64) - center) / half).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([
        np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1),
        np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1),
    ])  # fmt: skip
    affine, perspective = _AFFINE_RIDGE, _PERSPECTIVE_RIDGE
    prior = np.array([
        [affine, 0, 0, 0, -affine, 0, 0, 0],
        [0, affine, 0, affine, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, perspective, 0],
        [0, 0, 0, 0, 0, 0, 0, perspective],
    ])  # fmt: skip
    solution = np.linalg.lstsq(np.concatenate([rows, prior]), np.concatenate([u, v, np.zeros(4)]), rcond=None)[0]
    normalize = np.array([[1 / half, 0, -center[0] / half], [0, 1 / half, -center[1] / half], [0, 0, 1.0]])
    homography = np.linalg.inv(normalize) @ np.append(solution, 1.0).reshape(3, 3) @ normalize
    return np.asarray(homography / homography[2, 2], np.float64)
