"""What the user should know about a transfer, in sentences."""

import math

import numpy as np

from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, Pose, PoseTrack


def transfer_warnings(source_track: PoseTrack, pose: Pose, target: Target) -> tuple[str, ...]:
    """What the user should know about this transfer, one sentence each."""
    notes = []
    missing = float((source_track.status == FrameStatus.MISSING).mean())
    if missing > 0:
        notes.append(f"The dancer was not found in {missing:.0%} of the source's frames; these show the empty room.")
    seen = pose.confidence > 0
    size = np.array([target.track.width_px, target.track.height_px])
    outside = ((pose.xy < -0.02 * size) | (pose.xy > 1.02 * size)).any(axis=-1) & seen
    share = float((outside.sum(axis=1) > 2).mean())
    if share > 0.02:
        notes.append(f"In {math.ceil(share * 100)}% of the frames the dance leaves the target's picture: it needs more room.")
    return tuple(notes)
