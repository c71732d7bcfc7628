"""Align key frames with each other jointly, as in panorama stitching (Brown and Lowe, 2007)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dancenow.subject.camera.homography import Homography


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of key frame `first` and the same points in key frame `second`, float64 [N,2] each."""

    first: int
    second: int
    first_px: NDArray[np.float64]
    second_px: NDArray[np.float64]


def align_key_frames(count: int, matches: Sequence[Matches], start: NDArray[np.float64], fixed: int) -> NDArray[np.float64]:
    """Align key frames jointly: float64 [count,3,3], px of each -> px of the key frame `fixed`.

    Minimizes the distances, in the fixed frame, of all matched points by Gauss-Newton steps with Huber weights. start: first
    estimate, of the same shape.
    """
    homographies = start.copy()
    free = [key for key in range(count) if key != fixed]
    column = {key: 8 * place for place, key in enumerate(free)}
    if not free or not matches:
        return homographies
    for _ in range(8):
        normal, gradient = np.eye(8 * len(free)) * 1e-9, np.zeros(8 * len(free))
        for pair in matches:
            weight = 1 / np.sqrt(len(pair.first_px))
            first_at, first_slope = _project(homographies[pair.first], pair.first_px)
            second_at, second_slope = _project(homographies[pair.second], pair.second_px)
            residual = first_at - second_at
            distance = np.linalg.norm(residual, axis=1)
            robust = weight * np.where(distance < 1, 1.0, 1 / np.maximum(distance, 1e-9))[:, None]
            slopes = [(pair.first, first_slope), (pair.second, -second_slope)]
            known = [(column[key], slope) for key, slope in slopes if key in column]
            for at, slope in known:
                gradient[at : at + 8] += np.einsum("nik,ni,n->k", slope, residual, robust[:, 0])
                for other_at, other in known:
                    normal[at : at + 8, other_at : other_at + 8] += np.einsum("nik,nil,n->kl", slope, other, robust[:, 0])
        scale = np.sqrt(np.maximum(np.diag(normal), 1e-12))
        step = np.linalg.solve(normal / np.outer(scale, scale) + 1e-9 * np.eye(len(scale)), -gradient / scale) / scale
        for key in free:
            change = np.append(step[column[key] : column[key] + 8], 0.0).reshape(3, 3)
            homographies[key] = homographies[key] + change
            homographies[key] /= homographies[key][2, 2]
    return homographies


def _project(homography: Homography, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mapped points [N,2] and their derivative [N,2,8] by the first eight entries of the homography."""
    mapped = points @ homography[:, :2].T + homography[:, 2]
    depth = mapped[:, 2:]
    at = mapped[:, :2] / depth
    ones = np.column_stack([points, np.ones(len(points))]) / depth
    slope = np.zeros((len(points), 2, 8))
    slope[:, 0, 0:3], slope[:, 1, 3:6] = ones, ones
    slope[:, 0, 6:8], slope[:, 1, 6:8] = -at[:, :1] * ones[:, :2], -at[:, 1:] * ones[:, :2]
    return at, slope
