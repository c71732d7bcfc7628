"""Warnings about a transfer, one sentence each."""

import math

import numpy as np

from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoSource
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.tracking.reidentification import several_people
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, Pose, PoseTrack


def transfer_warnings(source_track: PoseTrack, pose: Pose, target: Target) -> tuple[str, ...]:
    """What the user should know about this transfer, one sentence each. pose: the target track's, [T,K] frame px."""
    warnings = []
    missing = float((source_track.status == FrameStatus.MISSING).mean())
    if missing > 0:
        warnings.append(f"No person was found in {missing:.0%} of the source frames; these show the background alone.")
    present = pose.confidence > 0
    size = np.array([target.track.width_px, target.track.height_px])
    outside = ((pose.xy < -0.02 * size) | (pose.xy > 1.02 * size)).any(axis=-1) & present
    fraction = float((outside.sum(axis=1) > 2).mean())
    if fraction > 0.02:
        warnings.append(
            f"In {math.ceil(fraction * 100)}% of the frames the dance leaves the target frame; film the target with more"
            " space around the person."
        )
    return tuple(warnings)


def source_warnings(source: VideoSource, person: int | None) -> tuple[str, ...]:
    """What the user should know about the source video, once its poses are detected: damage, and other people in it."""
    counts = PosePipeline.create().people_counts(source, person)
    return (*require_complete(source), *source_people_warnings(counts, person))


def source_people_warnings(counts: list[int], person: int | None) -> tuple[str, ...]:
    """Say that the source shows several people and who is followed, unless the user chose one. counts: per sampled frame."""
    several = several_people(counts, None) if person is None else None
    if several is None:
        return ()
    return (f"In the source {several}; choose another with --person (--source-person of `run`).",)
