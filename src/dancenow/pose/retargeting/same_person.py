"""Decide whether source and target are one person in one video: then the source's poses already fit the target.

A fitted retargeter always adds the error of its fit; for one person before one camera the identity adds none. It is chosen only
on evidence: the tracks coincide in time and place, or they are different times of one video. Proportions are not compared: in
halves of real clips detected ones differ as much as between people. One camera that filmed two videos is no evidence: for a
similar person the identity costs more than the fit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.filtering.local_regression import nearest_in
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, PoseTrack

COINCIDENT: Final = 0.1
"""Median distance of the keypoints of two tracks at equal times, in torso lengths, below which they are one recording."""
MIN_COMMON_FRAMES: Final = 12
COMMON_TIME_S: Final = 0.02


def is_same_person(source: PoseTrack, target: PoseTrack) -> bool:
    """Whether both tracks show one person in one video, in frames of equal size.

    Where the tracks share no time, one video is taken to show one person: a track follows one person.
    """
    if (source.width_px, source.height_px) != (target.width_px, target.height_px):
        return False
    distance = _distance_at_equal_times(source, target)
    if distance is not None:
        return distance < COINCIDENT
    return bool(source.source_sha256) and source.source_sha256 == target.source_sha256


def _distance_at_equal_times(source: PoseTrack, target: PoseTrack) -> float | None:
    """Median distance in torso lengths of keypoints at equal times; None where the tracks share too little time."""
    nearest = nearest_in(target.time_s, source.time_s)
    common = np.abs(target.time_s[nearest] - source.time_s) < COMMON_TIME_S
    a, b = source.pose[common], target.pose[nearest[common]]
    visible = (a.confidence >= MIN_CONFIDENCE) & (b.confidence >= MIN_CONFIDENCE)
    if visible.any(axis=1).sum() < MIN_COMMON_FRAMES:
        return None
    distance_px = float(np.median(np.linalg.norm(a.xy - b.xy, axis=-1)[visible]))
    return distance_px / max(_torso_px(a.xy, visible), 1e-6)


def _torso_px(xy: FloatArray, visible: NDArray[np.bool_]) -> float:
    """The torso's length in px; without a torso, half of the extent of what is visible."""
    neck, hips = INDEX["neck"], [INDEX["right_hip"], INDEX["left_hip"]]
    shown = visible[:, neck] & visible[:, hips].all(axis=1)
    if shown.any():
        return float(np.percentile(np.linalg.norm(xy[:, neck] - xy[:, hips].mean(axis=1), axis=-1)[shown], 90))
    return float(np.ptp(xy[visible], axis=0).max()) / 2
