"""Who else is near the people of a video who are danced, and stays when they are replaced.

sampled frames ─► everybody with a number ─► their measured tracks ─► those who come close to somebody who is danced
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from dancenow.errors import InputError
from dancenow.media.source import VideoSource
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.separation.places import meetings
from dancenow.pose.tracking.reidentification import PeopleSurvey, numbered_people, select_person
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import cache_entry, cache_key, cached_result
from dancenow.types import PoseTrack

_NEAR: Final = 0.35
"""How close, as a fraction of the height: as far as shadows are taken away, and a little more."""
_MAX_OTHERS: Final = 5
"""How many others are followed at most, the most prominent first: each is tracked through the whole video."""


@dataclass(frozen=True)
class PeopleBeside:
    """numbers: of everyone who is danced, by the number that they were asked for, which is None for the one who is followed by
    default; None stays None if nobody is beside them. others: the numbers of those who stay and come close.
    """

    numbers: Mapping[int | None, int | None]
    others: tuple[int, ...] = ()

    @classmethod
    def nobody(cls, people: Sequence[int | None]) -> Self:
        """If nobody else is there, or nobody else is of interest."""
        return cls({number: number for number in people})


def find_beside(
    source: VideoSource, people: Sequence[int | None], on_progress: ProgressCallback = ignore_progress
) -> PeopleBeside:
    """Who comes close to some people of a video. people: their numbers, None alone for the one who is followed by default.

    Raises:
        UserError: the video cannot be read, or as `detect_poses` for one of the people.
    """
    pipeline = PosePipeline.create(on_progress=on_progress)
    asked = [number or 0 for number in people]
    parameters = {"people": asked, "detector": pipeline.detector.name}
    key = cache_key(
        "beside", inputs=[source.sha256], parameters=parameters, modules=[__name__, type(pipeline.detector).__module__]
    )
    entry = cache_entry("tracks", key)
    path = entry.path(".json")

    def load() -> PeopleBeside | None:
        try:
            stored: Any = json.loads(path.read_text("utf-8"))
            return PeopleBeside(dict(zip(people, stored["people"], strict=True)), tuple(stored["others"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def make() -> PeopleBeside:
        found = _find(source, people, pipeline, on_progress)
        with complete_or_absent(path) as temporary:
            stored = {"people": [found.numbers[number] for number in people], "others": list(found.others)}
            temporary.write_text(json.dumps(stored), "utf-8")
        return found

    with entry.in_use():
        return cached_result(entry, load, make, sealed=(".json",), on_progress=on_progress)


def _find(
    source: VideoSource, people: Sequence[int | None], pipeline: PosePipeline, on_progress: ProgressCallback
) -> PeopleBeside:
    survey = PeopleSurvey(pipeline.detector, source, on_progress=on_progress)
    count = len(numbered_people(survey.detections))
    numbers = {asked: _number_of(asked, survey) for asked in people}
    danced = [number for number in numbers.values() if number is not None]
    if count <= len(danced) or len(danced) < len(people):
        return PeopleBeside.nobody(people)

    def measured(number: int) -> PoseTrack:
        # With masks, because they are needed later, and then both come from the cache.
        with tempfile.TemporaryDirectory(prefix="dancenow-beside-") as folder:
            masks = Path(folder) / "masks.mkv"
            return pipeline.measured(source, person=number, masks=masks, survey=survey, on_progress=on_progress)

    tracks = {number: measured(number) for number in sorted(danced, reverse=True)}
    for number in [each for each in range(1, count + 1) if each not in tracks][:_MAX_OTHERS]:
        try:
            tracks[number] = measured(number)
        except InputError:  # seen in too few frames: they stay as they are in the frame
            continue
    near = np.asarray(meetings([pipeline.filter(track) for track in tracks.values()], _NEAR).any(axis=2))
    is_danced = np.array([number in danced for number in tracks])
    close = tuple(sorted(np.array(list(tracks))[~is_danced & near[:, is_danced].any(axis=1)].tolist()))
    return PeopleBeside(numbers, close) if close else PeopleBeside.nobody(people)


def _number_of(asked: int | None, survey: PeopleSurvey) -> int | None:
    """The number of somebody; of the one who is followed by default it is found out, None if they have none."""
    if asked is not None:
        return asked
    followed = select_person(survey.detections, None, survey.source).person
    for number, detection in enumerate(numbered_people(survey.detections), start=1):
        if any(each is detection for each in followed):
            return number
    return None
