"""List the people in a video with the numbers that `--person` and `--dancer` take, and draw them."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from dancenow.pose.tracking.reidentification import Detection, PeopleSurvey, nobody_found, numbered_people, select_person
from dancenow.types import ImageRGB

_COLORS_RGB: Final = ((230, 60, 60), (40, 120, 230), (30, 160, 70), (200, 120, 0), (150, 60, 200), (0, 150, 160))
_MARGIN: Final = 0.06
"""Of a box around the keypoints, as a fraction of the person's height: the top of the head lies above them."""


@dataclass(frozen=True)
class ListedPerson:
    """One person. seen: fraction of the sampled frames in which they were found. height_px: in the picture of the list.
    box_px: left, top, right, bottom there.
    """

    number: int
    seen: float
    height_px: int
    box_px: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PeopleList:
    """The people of a video in the order of their numbers, and a frame that shows all of them: uint8 [H,W,3], at a time."""

    people: tuple[ListedPerson, ...]
    image_rgb: ImageRGB
    time_s: float

    def draw(self) -> ImageRGB:
        """The frame with a numbered box around everybody."""
        drawn = self.image_rgb.copy()
        thick_px = max(1, round(max(drawn.shape[:2]) / 400))
        scale = 0.9 * thick_px
        for person in reversed(self.people):
            color = _COLORS_RGB[(person.number - 1) % len(_COLORS_RGB)]
            left, top, right, bottom = person.box_px
            cv2.rectangle(drawn, (left, top), (right, bottom), color, thick_px, cv2.LINE_AA)
            (width, height), below = cv2.getTextSize(str(person.number), cv2.FONT_HERSHEY_SIMPLEX, scale, thick_px)
            x, y = left, max(top, height + below)
            cv2.rectangle(drawn, (x, y - height - below), (x + width + below, y), color, -1)
            at = (x + below // 2, y - below // 2)
            cv2.putText(drawn, str(person.number), at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick_px, cv2.LINE_AA)
        return drawn


def list_people(survey: PeopleSurvey) -> PeopleList:
    """The people that a survey of a video found. Somebody who is not in the frame that shows most people has no number.

    Raises:
        UserError: the video cannot be read, or nobody is in it.
    """
    samples, source = survey.detections, survey.source
    numbered = numbered_people(samples)
    if not numbered:
        raise nobody_found(source)
    frame = next(iter(source.frames_at([numbered[0].frame])))
    height_px, width_px = frame.image_rgb.shape[:2]
    people = []
    for number, detection in enumerate(numbered, start=1):
        found = len(select_person(samples, number, source).person)
        box_px = _box(detection, width_px, height_px)
        people.append(ListedPerson(number, found / len(samples), box_px[3] - box_px[1], box_px))
    return PeopleList(tuple(people), frame.image_rgb, float(frame.time_s))


def _box(detection: Detection, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Around the keypoints, within the frame."""
    xy = detection.landmarks.pose.xy
    margin_px = _MARGIN * float(np.ptp(xy[:, 1]))
    low, high = xy.min(axis=0) - margin_px, xy.max(axis=0) + margin_px
    (left, top), (right, bottom) = (
        np.clip(each, 0, [width_px - 1, height_px - 1]).round().astype(int).tolist() for each in (low, high)
    )
    return left, top, right, bottom
