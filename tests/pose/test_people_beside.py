"""Who else is near the dancers: those who come close stay as people of their own, and whoever cannot be followed does not."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from dancenow.errors import InputError
from dancenow.media.source import VideoSource
from dancenow.pose import people_beside
from dancenow.pose.people_beside import PeopleBeside, find_beside
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.tracking.reidentification import Detection, PeopleSurvey, PersonSelection
from dancenow.types import Pose, PoseTrack
from helpers.drawn_world import dancer_track

SOURCE = cast("VideoSource", SimpleNamespace(sha256="5" * 64))
PLACES = {1: 0.0, 2: 40.0, 3: 600.0, 4: 20.0}
"""How far to the right each person is, in px: the second touches the first, the third nobody. The fourth cannot be followed."""


def detection(number: int) -> Detection:
    return Detection(0.0, cast("Any", None), np.zeros((5, 3, 10), np.float32), 1 / number)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Four people in a video; the numbers of those who were measured."""
    people, asked = [detection(number) for number in PLACES], list[int]()

    def measure(_: PosePipeline, __: VideoSource, *, person: int, masks: Path, **___: object) -> PoseTrack:
        assert masks.parent.is_dir()
        asked.append(person)
        if person == 4:
            raise InputError("seen too seldom.")
        track = dancer_track(12, size_px=1000)
        xy = track.pose.xy + np.array([PLACES[person], 0], np.float32)
        return replace(track, pose=Pose(xy, track.pose.confidence))

    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path))
    pipeline = PosePipeline(cast("Any", SimpleNamespace(name="drawn/1")))
    monkeypatch.setattr(PosePipeline, "create", classmethod(lambda *_, **__: pipeline))
    monkeypatch.setattr(PosePipeline, "measured", measure)
    monkeypatch.setattr(PosePipeline, "filter", lambda _, track: track)
    monkeypatch.setattr(PeopleSurvey, "detections", property(lambda _: [people]))
    monkeypatch.setattr(people_beside, "select_person", lambda *_: PersonSelection([people[1]], []))
    return asked


def test_those_who_come_close_to_a_dancer_are_found_once(measured: list[int]) -> None:
    assert find_beside(SOURCE, [1]) == PeopleBeside({1: 1}, (2,))
    assert measured == [1, 2, 3, 4]
    assert find_beside(SOURCE, [1]) == PeopleBeside({1: 1}, (2,))
    assert measured == [1, 2, 3, 4]  # from the cache


@pytest.mark.usefixtures("measured")
def test_the_number_of_the_one_who_is_followed_by_default_is_found_out() -> None:
    assert find_beside(SOURCE, [None]) == PeopleBeside({None: 2}, (1,))


@pytest.mark.usefixtures("measured")
def test_nobody_is_beside_somebody_far_away_or_a_whole_cast() -> None:
    assert find_beside(SOURCE, [3]) == PeopleBeside.nobody([3])
    assert find_beside(SOURCE, [1, 2]) == PeopleBeside.nobody([1, 2])


def test_nobody_else_is_measured_where_everybody_is_danced(measured: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeopleSurvey, "detections", property(lambda _: [[detection(1)]]))
    assert find_beside(SOURCE, [1]) == PeopleBeside.nobody([1])
    assert measured == []
