"""Smooth keypoints along optical flow: a least-squares smoother of measured positions and measured steps."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.keypoint_flow import KeypointSteps
from dancenow.pose.filtering.local_regression import frame_rate
from dancenow.pose.filtering.smoothing import body_size
from dancenow.skeleton import NUM_OPENPOSE
from dancenow.types import PoseTrack

_REACH_S: Final = 0.07
_REACH_FRAMES: Final = 2.0
"""How far along the motion positions are averaged, whichever is longer: their weights fall to 1/e over it."""
_AT_ONCE: Final = 7
"""Keypoints, so that an hour of them needs little memory."""
_MAX_DIFFERENCE: Final = 0.02
"""Largest difference between the detector's step and the picture's that is believed, of the body's size."""


def follow_motion(track: PoseTrack, steps: KeypointSteps) -> PoseTrack:
    """The track whose keypoints x keep near the given ones z and move by the picture's steps s.

    Minimizes sum_t (x_t - z_t)^2 + w_t (x_{t+1} - x_t - s_t)^2 for each keypoint, which has one solution; w_t is 0 where the
    step is unknown or far from the detector's, so that there keypoints stay as they are. steps: of this track.
    """
    if len(track) < 2 or not (track.pose.confidence[:, :NUM_OPENPOSE] > 0).any():
        return track
    largest_px = _MAX_DIFFERENCE * body_size(track.pose, track.shot_time_s)[1:, None]
    strength = max(_REACH_S * frame_rate(track.time_s), _REACH_FRAMES) ** 2
    followed = np.empty_like(track.pose.xy)
    for first in range(0, followed.shape[1], _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        places, by = track.pose.xy[:, some].astype(np.float64), steps.by[:, some]
        moved = np.linalg.norm(np.diff(places, axis=0) - by, axis=-1)
        weight = np.where(steps.known[:, some] & (moved < largest_px), strength, 0.0)
        followed[:, some] = smooth_along(places, by, weight)
    return replace(track, pose=replace(track.pose, xy=followed))


def smooth_along(places: NDArray[np.float64], by: NDArray[np.floating], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The positions [T,K,2] that keep near the given ones and move by the given steps [T-1,K,2]: see `follow_motion`.

    weight: [T-1,K] or [T-1,1], of the steps. Solves one tridiagonal system per point by elimination.
    """
    pull = weight[..., None] * by
    right = places.copy()
    right[1:] += pull
    right[:-1] -= pull
    diagonal = np.ones(places.shape[:2])
    diagonal[1:] += weight
    diagonal[:-1] += weight
    for t in range(1, len(places)):
        factor = weight[t - 1] / diagonal[t - 1]
        diagonal[t] -= factor * weight[t - 1]
        right[t] += factor[:, None] * right[t - 1]
    solved = right
    solved[-1] /= diagonal[-1][:, None]
    for t in range(len(places) - 2, -1, -1):
        solved[t] = (right[t] + weight[t][:, None] * solved[t + 1]) / diagonal[t][:, None]
    return solved
