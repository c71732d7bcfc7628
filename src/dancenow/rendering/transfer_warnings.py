"""Warnings about a transfer, one sentence each."""

import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.media.integrity import require_complete
from dancenow.media.shots import describe_cuts
from dancenow.media.source import VideoSource
from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.tracking.reidentification import several_people
from dancenow.pose.visible_extent import Extent, visible_extent
from dancenow.storage.checkpoint import CheckpointInfo
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, PoseTrack

OFTEN: Final = 0.85
"""A part that is visible in this fraction of the frames needs no remark."""
SMALL_PX: Final = 100
"""Height of a dancer, from nose to ankle, below which poses are rough."""
_COMPLETED: Final = {
    Extent.KNEES_UP: "the feet of the result stand below the knees",
    Extent.WAIST_UP: "its legs only stand and step along; choose a source of the whole body if they should dance",
    Extent.HEAD_AND_SHOULDERS: "its trunk and legs keep still; choose a source of the whole body if they should dance",
}
"""What becomes of the parts that a source of this extent does not show."""


def transfer_warnings(
    source: VideoSource, person: int | None, source_track: PoseTrack, shown: PoseTrack, target: Target
) -> tuple[str, ...]:
    """What the user should know about this transfer, one sentence each. shown: the target track in rendered frames."""
    warnings = list(source_warnings(source, person, source_track, target.track))
    missing = float(((source_track.status == FrameStatus.MISSING) & ~_not_dance(source, source_track)).mean())
    if missing > 0:
        warnings.append(f"No person was found in {missing:.0%} of the source frames; these show the background alone.")
    present = shown.pose.confidence > 0
    size = np.array([shown.width_px, shown.height_px])
    beyond = (shown.pose.xy < -0.02 * size) | (shown.pose.xy > 1.02 * size)
    if visible_extent(target.track).extent < Extent.FULL:
        beyond[..., 1] = False  # the lower edge cuts a half body as in the footage
    outside = beyond.any(axis=-1) & present
    fraction = float((outside.sum(axis=1) > 2).mean())
    if fraction > 0.02:
        warnings.append(
            f"In {math.ceil(fraction * 100)}% of the frames the dance leaves the target frame; film the target with more"
            " space around the person."
        )
    return tuple(warnings)


def body_warnings(source_track: PoseTrack, target_track: PoseTrack) -> tuple[str, ...]:
    """What of the body will be missing or guessed in a transfer, one sentence each; known before any training."""
    own, shown = visible_extent(source_track), visible_extent(target_track)
    warnings = []
    if shown.extent < Extent.FULL:
        warnings.append(f"The target's footage shows them {shown.extent.words}, and so does the result.")
    if own.extent < shown.extent:
        warnings.append(f"The source shows the dancer {own.extent.words}: {_COMPLETED[own.extent]}.")
    elif own.extent == shown.extent == Extent.FULL and own.shown["feet"] < OFTEN:
        warnings.append(
            f"In {1 - own.shown['feet']:.0%} of the source frames the feet are cut off or hidden; there they are guessed."
        )
    if shown.shows("head") and not own.shows("head"):
        warnings.append("The source never shows the dancer's head: in the result it looks straight ahead.")
    height_px = body_statistics(source_track).height_px
    if height_px < SMALL_PX:
        warnings.append(f"The dancer in the source is only {height_px:.0f} px tall, so their poses are rough.")
    return tuple(warnings)


def model_warnings(model: Path, info: CheckpointInfo) -> tuple[str, ...]:
    """What the user should know about a model before it is used: that its training is not finished."""
    if info.trained_fraction >= 1.0:
        return ()
    return (
        f"The training of {model} was stopped, or still runs, at {math.floor(100 * info.trained_fraction)}% of its budget"
        f" ({info.images_seen} images): the result may be blurred; finish it with `dancenow train ... --resume`.",
    )


def source_warnings(
    source: VideoSource, person: int | None, source_track: PoseTrack, target_track: PoseTrack
) -> tuple[str, ...]:
    """What the user should know about the source video, once its poses are detected: damage, other people, missing parts."""
    counts = PosePipeline.create().people_counts(source, person)
    people = (*source_people_warnings(counts, person), *cut_warnings(source, source_track))
    return (*require_complete(source), *people, *body_warnings(source_track, target_track))


def cut_warnings(source: VideoSource, track: PoseTrack) -> tuple[str, ...]:
    """What the user should know about cuts, fades and titles in the source, one sentence each."""
    cuts, not_dance = describe_cuts(source.shots, track.time_s), _not_dance(source, track)
    warnings = (
        [] if cuts is None else [f"In the source there {cuts}: the dance goes on, and each camera view is fitted on its own."]
    )
    if not_dance.any():
        warnings.append(
            f"Fades, titles and blank frames are not dance: {not_dance.sum() / track.fps:.1f} s of the result show the"
            " background alone."
        )
    return tuple(warnings)


def _not_dance(source: VideoSource, track: PoseTrack) -> NDArray[np.bool_]:
    """bool [T]: frames without the dancer that are part of a fade, a title or a blank shot."""
    inside = np.zeros(len(track), bool)
    for shot in source.shots:
        inside[shot.start : shot.stop] = shot.kind != "scene"
    return np.asarray(inside & (track.status == FrameStatus.MISSING))


def source_people_warnings(counts: list[int], person: int | None) -> tuple[str, ...]:
    """Say that the source shows several people and who is followed, unless the user chose one. counts: per sampled frame."""
    several = several_people(counts, None) if person is None else None
    if several is None:
        return ()
    return (f"In the source {several}; choose another with --person (--source-person of `run`).",)
