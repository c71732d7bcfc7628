"""Pose metrics: distances between keypoints, missed keypoints, sliding feet.

Pose distance and missed detections are those of Everybody Dance Now (Chan et al., 2019, table of pose errors); both tracks must
come from the same detector, so that its errors affect both.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX, KEYPOINTS
from dancenow.types import Pose, PoseTrack

MIN_CONFIDENCE: Final = 0.3
"""A keypoint below this confidence is not detected."""
STILL_TORSO_PER_S: Final = 0.25
"""A foot keypoint of the reference slower than this stands on the ground (or hangs still: rare in a dance)."""
SPEED_SPAN_S: Final = 0.2
"""Speeds are measured over this time, because detectors jitter from frame to frame."""

_PART_ENDS: Final = {
    "head": ("nose", "eye", "ear"),
    "torso": ("neck", "shoulder", "hip"),
    "arms": ("elbow", "wrist"),
    "hands": ("thumb", "index", "pinky"),
    "legs": ("knee", "ankle"),
    "feet": ("heel", "toe"),
}
PARTS: Final[dict[str, list[int]]] = {
    part: [i for i, name in enumerate(KEYPOINTS) if name.endswith(ends)] for part, ends in _PART_ENDS.items()
} | {"all": list(range(len(KEYPOINTS)))}
"""Keypoint indices of each part of the body, and of all of it."""
FEET: Final = PARTS["feet"]


def torso_px(track: PoseTrack) -> float:
    """Median over frames of |neck - (right hip + left hip) / 2|, px: the unit of all relative lengths.

    NaN if the three are never detected together.
    """
    hips = [INDEX["right_hip"], INDEX["left_hip"]]
    used = [INDEX["neck"], *hips]
    seen = (track.pose.confidence[:, used] >= MIN_CONFIDENCE).all(axis=1)
    if not seen.any():
        return float("nan")
    xy = track.pose.xy[seen].astype(np.float64)
    return float(np.median(np.linalg.norm(xy[:, INDEX["neck"]] - xy[:, hips].mean(axis=1), axis=1)))


def pose_distance_px(pose: Pose, reference: Pose, part: str = "all") -> NDArray[np.float64]:
    """Mean distance between a part's keypoints, px, float64 [T]; from 0, lower is better; NaN where none is detected in both.

    (1 / n) sum over the n keypoints k of the part detected in both of |x_k - x_reference,k|. Divide by `torso_px` to compare
    people of different sizes. Missed keypoints do not count here: read it with `missed_keypoints`. Source: Chan et al. 2019,
    pose distance, which has body, hands and face; the parts here are finer.
    """
    columns = PARTS[part]
    distance = np.linalg.norm(pose.xy[:, columns].astype(np.float64) - reference.xy[:, columns], axis=2)
    return _masked_mean(distance, _detected(pose)[:, columns] & _detected(reference)[:, columns])


def missed_keypoints(pose: Pose, reference: Pose, part: str = "all") -> NDArray[np.float64]:
    """Number of missed keypoints of a part per frame, float64 [T]; from 0 to the part's number of keypoints, lower is better.

    The number of keypoints detected in the reference and not in the result, that is with confidences of at least 0.3 and below
    it. Source: Chan et al. 2019, missed detections.
    """
    columns = PARTS[part]
    missed: NDArray[np.float64] = (_detected(reference) & ~_detected(pose))[:, columns].sum(axis=1).astype(np.float64)
    return missed


def standing_points(reference: PoseTrack) -> NDArray[np.bool_]:
    """Select the reference's heels and toes that stand still in each frame, bool [T,4] in the order of `FEET`."""
    speed = _foot_speed_px_per_s(reference)
    still = speed < STILL_TORSO_PER_S * torso_px(reference)
    return still & _detected(reference.pose)[:, FEET]


def foot_sliding(track: PoseTrack, reference: PoseTrack) -> NDArray[np.float64]:
    """Speed of the result's feet while the reference's stand, torso lengths per second, float64 [T]; NaN where none stands.

    Mean over heels and toes k of `standing_points` of |x_k(t + h) - x_k(t - h)| / (2 h torso), h = 0.1 s; from 0, lower is
    better. A standing person has the detector's jitter, so compare it with the reference's own value, `foot_sliding(reference,
    reference)`. Source: foot skating of motion synthesis (Ikemoto et al. 2006), in the image.
    """
    standing = standing_points(reference) & _detected(track.pose)[:, FEET]
    return _masked_mean(_foot_speed_px_per_s(track) / torso_px(reference), standing)


def ground_error(track: PoseTrack, reference: PoseTrack) -> NDArray[np.float64]:
    """Vertical distance of the result's feet from the ground, torso lengths, float64 [T]; from 0, lower is better.

    Mean over heels and toes k of `standing_points` of |y_k - y_reference,k| / torso; NaN where none stands. The ground is where
    the reference stands, so feet above and below it count alike. Source: ours; the image-space counterpart of ground
    penetration and floating in motion synthesis.
    """
    standing = standing_points(reference) & _detected(track.pose)[:, FEET]
    offset_px = np.abs(track.pose.xy[:, FEET, 1].astype(np.float64) - reference.pose.xy[:, FEET, 1])
    return _masked_mean(offset_px / torso_px(reference), standing)


def _foot_speed_px_per_s(track: PoseTrack) -> NDArray[np.float64]:
    """Speed [T,4] of heels and toes, over `SPEED_SPAN_S` around each frame; infinite where unknown."""
    frames = np.arange(len(track))
    half = max(1, round(SPEED_SPAN_S * track.fps / 2))
    before, after = np.maximum(frames - half, 0), np.minimum(frames + half, len(track) - 1)
    distance_px = np.linalg.norm(track.pose.xy[after][:, FEET].astype(np.float64) - track.pose.xy[before][:, FEET], axis=2)
    span_s = (track.time_s[after] - track.time_s[before])[:, None]
    seen = _detected(track.pose)[:, FEET]
    known = seen[before] & seen[after] & (span_s > 0)
    return np.where(known, distance_px / np.where(span_s > 0, span_s, 1), np.inf)


def _detected(pose: Pose) -> NDArray[np.bool_]:
    return pose.confidence >= MIN_CONFIDENCE


def _masked_mean(values: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Row means [T] over the entries that count and are finite; NaN where none does."""
    counts = counts & np.isfinite(values)
    number = counts.sum(axis=1)
    total = np.where(counts, values, 0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
