"""The pose tracks of several people of one video, who may touch and hide each other.

measure each ─► look again where they touch, at each without the others ─► filter each ─► fill gaps behind somebody
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from dancenow.media.source import VideoSource
from dancenow.pose.filtering.hidden_people import fill_while_hidden
from dancenow.pose.picture_following import follow_picture
from dancenow.pose.pipeline import PosePipeline, load_if_sound
from dancenow.pose.separation.look_again import Person, look_again
from dancenow.pose.track_io import save_track
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import cache_entry, cache_key, cached_result
from dancenow.types import PoseTrack


def detect_people(
    source: VideoSource, masks: Mapping[int, Path | None], on_progress: ProgressCallback = ignore_progress
) -> dict[int, PoseTrack]:
    """The tracks of several people by number, each as `detect_poses` gives it, with gaps filled in which one hides another.

    masks: the numbers of the people, and where to write the masks of each, as for `detect_poses`; None for nowhere.

    Raises:
        UserError: as `detect_poses`.
    """
    numbers = sorted(masks)
    pipeline = PosePipeline.create(on_progress=on_progress)
    entry = cache_entry(
        "tracks",
        cache_key(
            "people", inputs=[source.sha256], parameters={"people": numbers, "detector": pipeline.detector.name},
            modules=[__name__, type(pipeline.detector).__module__],
        ),
    )  # fmt: skip
    cached_masks = [entry.path(f".{number}.mkv") for number in numbers]
    cached_tracks = [entry.path(f".{number}.npz") for number in numbers]

    def load() -> list[PoseTrack] | None:
        found = [load_if_sound(path) for path in cached_tracks]
        whole = [track for track in found if track is not None]
        return whole if len(whole) == len(numbers) and all(path.exists() for path in cached_masks) else None

    def make() -> list[PoseTrack]:
        tracks = _measure(source, numbers, pipeline, cached_masks, on_progress)
        for path, track in zip(cached_tracks, tracks, strict=True):
            save_track(path, track)
        return tracks

    endings = [f".{number}{ending}" for number in numbers for ending in (".mkv", ".npz")]
    with entry.in_use():
        measured = cached_result(entry, load, make, sealed=endings, on_progress=on_progress)
        for number, cached in zip(numbers, cached_masks, strict=True):
            wanted = masks[number]
            if wanted is not None:
                with complete_or_absent(wanted) as temporary:
                    shutil.copyfile(cached, temporary)
    filled = fill_while_hidden([pipeline.filter(track) for track in measured])
    return dict(zip(numbers, follow_picture(source, filled, on_progress=on_progress), strict=True))


def _measure(
    source: VideoSource, numbers: Sequence[int], pipeline: PosePipeline, masks: Sequence[Path], on_progress: ProgressCallback
) -> list[PoseTrack]:
    """The measured tracks; the masks are written."""
    survey = PeopleSurvey(pipeline.detector, source, on_progress=on_progress)
    with tempfile.TemporaryDirectory(prefix="dancenow-people-") as name:
        first = [Path(name) / f"{number}.mkv" for number in numbers]
        tracks = [
            # The highest number first, so that one that does not exist is reported early.
            pipeline.measured(source, person=number, masks=path, survey=survey, on_progress=on_progress)
            for number, path in reversed(list(zip(numbers, first, strict=True)))
        ][::-1]
        filled = fill_while_hidden([pipeline.filter(track) for track in tracks])
        people = [Person(*each) for each in zip(tracks, filled, first, strict=True)]
        again = look_again(source, people, pipeline.detector, masks, on_progress)
        if again is None:
            for path, wanted in zip(first, masks, strict=True):
                with complete_or_absent(wanted) as temporary:
                    shutil.copyfile(path, temporary)
        return tracks if again is None else again
