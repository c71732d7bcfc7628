"""Let the tracks of a video move as its pictures do: a pass over the video that the filters of a track do not see."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.pose.filtering.flow_smoothing import follow_motion
from dancenow.pose.filtering.keypoint_flow import KeypointSteps, StepMeter
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import cache_entry, cache_key, cached_result
from dancenow.types import PoseTrack

_STAGE: Final = "following the motion"


def follow_picture(
    source: VideoSource,
    tracks: Sequence[PoseTrack],
    *,
    use_cache: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> list[PoseTrack]:
    """Filtered tracks of people, a pose per frame of the video, whose keypoints do not tremble against the picture.

    See `follow_motion`. Decodes the video once; what is measured is cached by the content of video and tracks.

    Raises:
        UserError: the video cannot be read.
    """
    tracks = list(tracks)
    if not tracks or len(tracks[0]) < 2:
        return tracks
    if not use_cache:
        measured = _measure(source, tracks, on_progress)
    else:
        inputs = [source.sha256, *(_digest(track) for track in tracks)]
        entry = cache_entry("tracks", cache_key("steps", inputs=inputs, modules=[__name__]))
        path = entry.path(".npz")

        def make() -> list[KeypointSteps]:
            found = _measure(source, tracks, on_progress)
            with complete_or_absent(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, by=_stacked([s.by for s in found]), known=_stacked([s.known for s in found]))
            return found

        with entry.in_use():
            measured = cached_result(entry, lambda: _load(path), make, sealed=(".npz",), on_progress=on_progress)
    return [follow_motion(track, steps) for track, steps in zip(tracks, measured, strict=True)]


def _digest(track: PoseTrack) -> str:
    """Of all that steps depend on."""
    arrays = track.pose.xy, track.pose.confidence, track.status, np.array([track.width_px, track.height_px, *track.cuts])
    digest = hashlib.sha256()
    for each in arrays:
        digest.update(np.ascontiguousarray(each).data)
    return digest.hexdigest()


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Arrays of one shape as one; a single one is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def _measure(source: VideoSource, tracks: Sequence[PoseTrack], on_progress: ProgressCallback) -> list[KeypointSteps]:
    meter, count = StepMeter(tracks), len(tracks[0])
    with prefetch(source.frames(0, count)) as frames:
        for frame in frames:
            meter.take(frame.index, frame.image_rgb)
            on_progress(Progress(_STAGE, frame.index + 1, count))
    return meter.steps()


def _load(path: Path) -> list[KeypointSteps] | None:
    """The steps of the cache; None if they are missing or damaged, so that they are measured again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [KeypointSteps(*each) for each in zip(stored["by"], stored["known"], strict=True)]
    except (OSError, KeyError, ValueError, BadZipFile):
        return None
