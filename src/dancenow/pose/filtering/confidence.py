"""Confidence of interpolated keypoints: reduced where they are measured against, restored where they are rendered."""

from dataclasses import replace
from typing import Final

import numpy as np

from dancenow.types import FrameStatus, Pose, PoseTrack

FILLED_CONFIDENCE: Final = 0.5
"""Confidence of an interpolated keypoint, relative to its neighbors in time."""


def restore_filled_confidence(track: PoseTrack) -> PoseTrack:
    """The track with FILLED frames as confident as their neighbors.

    A generator is trained on MEASURED frames alone, and never sees a whole pose at half its confidence.
    """
    gain = np.where(track.status == FrameStatus.FILLED, 1 / FILLED_CONFIDENCE, 1.0)[:, None]
    confidence = np.minimum(track.pose.confidence * gain, 1.0).astype(np.float32)
    return replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))
