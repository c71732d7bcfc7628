"""Keep a dance that travels far in the frame of the target: a camera that followed the dancer saw more than one that stands."""

from dataclasses import replace
from typing import Final

import numpy as np

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.filtering.local_regression import local_parabola
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack

_PATH_SIGMA_S: Final = 0.7
"""Of the path that is shortened; faster moves keep their size."""
_MARGIN_TORSOS: Final = 1.2
"""Room beside the hips for the arms, in torso lengths."""
_MAX_MARGIN: Final = 0.45
"""The same at most, of the frame's width."""
_ENDS: Final = (2, 98)
"""Percentiles of the path that must be visible."""


def keep_in_frame(track: PoseTrack) -> PoseTrack:
    """The track with the paths of its shots shifted and shortened sideways until the hips stay in the frame; the track itself
    if they do.
    """
    return track.by_shot(_shot_in_frame)


def _shot_in_frame(shot: PoseTrack) -> PoseTrack:
    hips = [INDEX["right_hip"], INDEX["left_hip"]]
    seen = np.flatnonzero((shot.pose.confidence[:, [*hips, INDEX["neck"]]] >= MIN_CONFIDENCE).all(axis=1))
    if not len(seen):
        return shot
    middle_px = shot.pose.xy[:, hips].mean(axis=1, dtype=np.float64)
    torso_px = float(np.median(np.linalg.norm(shot.pose.xy[seen, INDEX["neck"]] - middle_px[seen], axis=1)))
    hips_px = np.interp(np.arange(len(shot)), seen, middle_px[seen, 0])[:, None, None]
    path_px = local_parabola(hips_px, np.ones((len(shot), 1)), shot.time_s, _PATH_SIGMA_S)[:, 0, 0]
    low, high = np.percentile(path_px[seen], _ENDS)
    margin_px = min(_MARGIN_TORSOS * torso_px, _MAX_MARGIN * shot.width_px)
    first, last = margin_px, shot.width_px - 1 - margin_px
    if low >= first and high <= last:
        return shot
    kept = min(1.0, (last - first) / max(high - low, 1e-6))
    half, middle = kept * (high - low) / 2, (low + high) / 2
    shortened = float(np.clip(middle, first + half, last - half)) + kept * (path_px - middle)
    shift = np.stack([shortened - path_px, np.zeros(len(shot))], axis=1)[:, None]
    return replace(shot, pose=Pose((shot.pose.xy + shift).astype(np.float32), shot.pose.confidence, shot.pose.depth))
