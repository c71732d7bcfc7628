"""A foot on the ground has a soft shadow, as dark as that of the dancer who was filmed there; a raised one has none."""

from dataclasses import replace

import numpy as np

from dancenow.rendering.contact_shadow import StandingPerson, contact_shadow, measure_darkness
from dancenow.skeleton import INDEX
from dancenow.types import Pose
from helpers.drawn_world import SIZE_PX, dancer_track

POSE = dancer_track(8).pose[3]
GROUND_PX = float(POSE.xy[:, 1].max())
HEIGHT_PX = 84.0
FRAME_PX = (SIZE_PX, SIZE_PX + 10)


def shadow_of(pose: Pose, darkness: float = 0.3) -> np.ndarray:
    found = contact_shadow(pose, GROUND_PX, HEIGHT_PX, FRAME_PX, darkness)
    assert found is not None
    assert found.shape == (SIZE_PX + 10, SIZE_PX, 4)
    assert not found[..., :3].any()
    return found[..., 3]


def at_foot(alpha: np.ndarray, side: str) -> int:
    x, y = POSE.xy[[INDEX[f"{side}_heel"], INDEX[f"{side}_toe"]]].mean(axis=0).round().astype(int)
    return int(alpha[y : y + 5, x - 2 : x + 3].max())


def seen(darkness: float, mask: np.ndarray | None = None) -> StandingPerson:
    """A gray place, and in it the shadow of somebody."""
    behind = np.full((*FRAME_PX[::-1], 3), 180, np.uint8)
    image = behind.copy()
    if darkness:
        image = np.rint(behind * (1 - shadow_of(POSE, darkness)[..., None] / 255)).astype(np.uint8)
    nobody = np.zeros(FRAME_PX[::-1], np.uint8)
    return StandingPerson(image, behind, nobody if mask is None else mask, POSE, GROUND_PX, HEIGHT_PX)


def test_standing_feet_have_a_shadow_and_nothing_else_has() -> None:
    alpha = shadow_of(POSE)
    for side in ("right", "left"):
        assert 60 < at_foot(alpha, side) <= 77
    assert not alpha[: round(GROUND_PX) - 12].any()


def test_a_raised_foot_has_no_shadow() -> None:
    xy = POSE.xy.copy()
    for part in ("ankle", "heel", "toe"):
        xy[INDEX[f"left_{part}"], 1] -= 12
    alpha = shadow_of(Pose(xy, POSE.confidence))
    x = round(float(POSE.xy[INDEX["left_toe"], 0]))
    assert at_foot(alpha, "right") > 60
    assert alpha[:, x:].max() < 40
    gone = Pose(POSE.xy - np.array([0, 30], np.float32), POSE.confidence)
    assert contact_shadow(gone, GROUND_PX, HEIGHT_PX, FRAME_PX, 0.3) is None


def test_the_darkness_of_a_filmed_shadow_is_found() -> None:
    for darkness in (0.05, 0.12, 0.3):
        assert abs(measure_darkness([seen(darkness)] * 3) - darkness) < 0.02


def test_where_the_film_has_no_shadow_there_is_none() -> None:
    assert measure_darkness([seen(0.0)]) == 0.0
    assert contact_shadow(POSE, GROUND_PX, HEIGHT_PX, FRAME_PX, measure_darkness([seen(0.0)])) is None


def test_where_nothing_can_be_measured_the_shadow_is_a_usual_one() -> None:
    usual = measure_darkness([])
    assert 0.05 < usual < 0.3
    assert measure_darkness([seen(0.3, np.full(FRAME_PX[::-1], 255, np.uint8))]) == usual


def test_one_frame_with_something_else_under_the_feet_does_not_count() -> None:
    assert abs(measure_darkness([seen(0.1), seen(0.1), seen(0.5)]) - 0.1) < 0.02


def test_ground_that_is_brighter_than_its_picture_has_no_shadow() -> None:
    person = seen(0.0)
    assert measure_darkness([replace(person, behind_rgb=person.behind_rgb - 40)]) == 0.0
