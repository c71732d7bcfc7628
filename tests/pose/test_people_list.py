"""The list of the people in a video: their numbers, how long they are seen, and the picture."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import InputError, OptionError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.people_list import list_people
from dancenow.pose.tracking.reidentification import Detection, PeopleSurvey, describe, select_person
from dancenow.types import Frame, ImageRGB, Pose
from helpers.drawn_world import dancer_track

SIDE_PX = 128
BLUE, GRAY = (30, 60, 220), (200, 200, 200)


def _draw(image: ImageRGB, pose: Pose, color: tuple[int, int, int]) -> None:
    low, high = pose.xy.min(axis=0).astype(int), pose.xy.max(axis=0).astype(int)
    image[max(low[1], 0) : high[1], max(low[0], 0) : high[0]] = color


@pytest.fixture
def survey(tmp_path: Path) -> PeopleSurvey:
    """Six frames of a tall gray person, beside whom a small blue one stands in three."""
    tall, small = dancer_track(6, body_px=100.0), dancer_track(6, body_px=50.0)
    small = replace(small, pose=Pose(small.pose.xy - np.array([45, 0], np.float32), small.pose.confidence))
    samples: list[list[Detection]] = []
    with VideoWriter(tmp_path / "two.mp4", SIDE_PX, SIDE_PX, fps=Fraction(6)) as writer:
        for index in range(6):
            image = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
            shown = [(tall, GRAY), (small, BLUE)] if index < 3 else [(tall, GRAY)]
            for track, color in reversed(shown):
                _draw(image, track.pose[index], color)
            writer.write(image, Fraction(index, 6))
            frame, roi = Frame(image, index, Fraction(index, 6)), RotatedRect(0.0, 0.0, 1.0, 0.0)
            mask = np.zeros((8, 8), np.float32)
            samples.append([describe(frame, Landmarks(track.pose[index], 1.0, roi, roi, mask)) for track, _ in shown])
    made = PeopleSurvey(None, VideoSource.open(tmp_path / "two.mp4"))  # type: ignore[arg-type]
    made.__dict__["detections"] = samples
    return made


def test_people_are_listed_with_number_size_and_time(survey: PeopleSurvey) -> None:
    listed = list_people(survey)
    assert [person.number for person in listed.people] == [1, 2]
    assert [person.seen for person in listed.people] == [1.0, 0.5]
    tall, small = listed.people
    assert tall.height_px > 1.5 * small.height_px
    assert small.box_px[2] < tall.box_px[2]
    for person in listed.people:  # the numbers are those that a person is chosen by
        chosen = select_person(survey.detections, person.number, Path("two.mp4")).person[0].landmarks.pose.xy
        assert chosen[:, 0].min() >= person.box_px[0]
        assert chosen[:, 0].max() <= person.box_px[2]
    drawn = listed.draw()
    changed = np.abs(drawn.astype(int) - listed.image_rgb).max(axis=2) > 60
    assert changed[tall.box_px[3], tall.box_px[0] : tall.box_px[2]].mean() > 0.9
    assert changed[small.box_px[1] : small.box_px[3], small.box_px[0]].mean() > 0.9


def test_a_number_that_does_not_exist_and_a_video_of_nobody(survey: PeopleSurvey) -> None:
    with pytest.raises(OptionError, match="has no person 3: at most 2 people are seen at once; give a number from 1 to 2"):
        select_person(survey.detections, 3, Path("two.mp4"))
    survey.__dict__["detections"] = [[], []]
    with pytest.raises(InputError, match="no person was found"):
        list_people(survey)
