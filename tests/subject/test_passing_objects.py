"""A ball that the mask takes for a part of the dancer is found, and stays in front of whoever takes their place."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.passing_objects import PassingObject
from dancenow.subject.background.person_removal import remove_person
from dancenow.types import ImageRGB
from helpers.drawn_world import dancer_track, person, room

SIZE = 192
FRAMES = 24
TRACK = dancer_track(FRAMES, body_px=150.0, size_px=SIZE)
RADIUS_PX = 11


def frame(index: int, has_ball: bool) -> tuple[ImageRGB, NDArray[np.uint8], NDArray[np.bool_]]:
    """The drawn dancer, the mask with the ball in it, and where the ball is: it falls along the body."""
    image, mask = person(TRACK.pose[index], SIZE)
    ball = np.zeros((SIZE, SIZE), np.uint8)
    if has_ball:
        xy = TRACK.pose[index].xy
        top, bottom = xy[:, 1].min(), xy[:, 1].max()
        y = top + (0.3 + 0.4 * (index % 8) / 7) * (bottom - top)
        cv2.circle(ball, (round(float(xy[:, 0].mean())), round(float(y))), RADIUS_PX, 1, cv2.FILLED)
    image, mask = image.copy(), mask.copy()
    image[ball > 0], mask[ball > 0] = (250, 250, 245), 255
    return image, mask, ball > 0


def learn(has_ball: bool) -> PassingObject | None:
    frames = (frame(index, has_ball) for index in range(FRAMES))
    return PassingObject.learn((image, mask, TRACK.pose[index]) for index, (image, mask, _) in enumerate(frames))


def test_a_ball_that_the_mask_contains_stays_in_front() -> None:
    passing = learn(has_ball=True)
    assert passing is not None
    overlaps = []
    for index in range(0, FRAMES, 3):
        image, mask, ball = frame(index, has_ball=True)
        front = remove_person(image, mask, room(SIZE), TRACK.pose[index], passing).front
        shown = np.zeros_like(ball) if front is None else front[..., 3] > 128
        overlaps.append((shown & ball).sum() / (shown | ball).sum())
    assert np.median(overlaps) > 0.75


def test_without_a_ball_nothing_is_found() -> None:
    assert learn(has_ball=False) is None


def test_round_spots_of_changing_color_are_not_one_thing() -> None:
    """Hands and faces in the light of a room are round, too, but look different every time."""
    rng = np.random.default_rng(2)
    frames = []
    for index in range(FRAMES):
        image, mask, ball = frame(index, has_ball=True)
        image[ball] = rng.integers(0, 255, 3)
        frames.append((image, mask, TRACK.pose[index]))
    assert PassingObject.learn(iter(frames)) is None
