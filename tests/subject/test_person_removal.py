"""A person is taken out of a frame with their shadow; what is beside them stays, and what passed in front is found."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.images import psnr_db
from dancenow.subject.background.person_removal import remove_people, remove_person
from dancenow.types import ImageRGB
from helpers.drawn_world import dancer_track, person, room

SIZE = 128
POSE = dancer_track(8).pose[3]


def scene() -> tuple[ImageRGB, NDArray[np.uint8], NDArray[np.bool_]]:
    """The drawn dancer with a soft shadow at the feet and grain; the mask; where dancer and shadow are."""
    image, mask = person(POSE, SIZE)
    y, x = np.mgrid[:SIZE, :SIZE]
    feet = POSE.xy[:, 0].mean(), POSE.xy[:, 1].max()
    shadow = 0.5 * np.exp(-(((x - feet[0]) / 14) ** 2) - ((y - feet[1]) / 4) ** 2)
    shaded = np.where(mask[..., None] > 0, image, image * (1 - shadow[..., None]))
    noisy = shaded + np.random.default_rng(0).normal(0, 1.5, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), mask, (mask > 0) | (shadow > 0.05)


def test_a_person_and_their_shadow_are_removed() -> None:
    image, mask, area = scene()
    removal = remove_person(image, mask, room(), POSE)
    assert removal.front is None
    assert psnr_db(removal.image_rgb[area], room()[area]) > 34
    np.testing.assert_array_equal(removal.image_rgb[:20, 100:], image[:20, 100:])


def test_a_frame_without_the_person_stays_as_it_is() -> None:
    image, mask, _ = scene()
    assert remove_person(image, np.zeros_like(mask), room(), POSE).image_rgb is image


def test_something_else_beside_the_person_stays() -> None:
    image, mask, _ = scene()
    x = round(float(POSE.xy[:, 0].max())) + 8
    image[60:90, x : x + 6] = (250, 240, 30)
    kept = remove_person(image, mask, room(), POSE)
    assert np.abs(kept.image_rgb[62:88, x + 1 : x + 5].astype(int) - (250, 240, 30)).max() < 3
    assert kept.front is None


def test_a_person_beside_the_dancer_stays_whole_though_parts_look_like_a_shadow() -> None:
    image, mask, _ = scene()
    x = round(float(POSE.xy[:, 0].max())) + 6
    image[40:60, x : x + 14] = (250, 240, 30)
    image[60:90, x : x + 14] = room()[60:90, x : x + 14] * 0.6  # trousers in the color of the wall
    kept = remove_person(image, mask, room(), POSE).image_rgb
    inside = np.s_[42:88, x + 2 : x + 12]
    np.testing.assert_allclose(kept[inside], image[inside], atol=3)


def test_a_bar_that_passes_in_front_of_the_body_is_found() -> None:
    image, mask, _ = scene()
    image[66:74], mask[66:74] = (250, 240, 30), 0
    front = remove_person(image, mask, room(), POSE).front
    assert front is not None
    left, right = (round(float(each)) for each in (POSE.xy[:, 0].min(), POSE.xy[:, 0].max()))
    assert front[68:72, left:right, 3].min() > 200
    assert front[:55, :, 3].max() == front[85:, :, 3].max() == 0
    over = cv2.mean(front[68:72, left:right, :3])[:3]
    np.testing.assert_allclose(over, (250, 240, 30), atol=3)


def test_a_known_person_who_stays_is_left_as_they_are_with_the_shadow_at_their_feet() -> None:
    image, mask, _ = scene()
    x = round(float(POSE.xy[:, 0].max())) + 4
    image[40:110, x : x + 14] = room()[40:110, x : x + 14] * 0.6  # in the color of a shadow on the wall
    image[110:114, x + 4 : x + 24] = room()[110:114, x + 4 : x + 24] * 0.7  # a shadow at the feet, away from the dancer
    other = np.zeros_like(mask)
    other[40:110, x : x + 14] = 255
    kept = remove_people(image, [mask], room(), [POSE], [None], other)
    assert kept.front is None
    np.testing.assert_array_equal(kept.image_rgb[41:109, x + 1 : x + 13], image[41:109, x + 1 : x + 13])
    np.testing.assert_allclose(kept.image_rgb[110:114, x + 12 : x + 22], image[110:114, x + 12 : x + 22], atol=8)
    gone = (mask > 0) & (other == 0)
    assert psnr_db(kept.image_rgb[gone], room()[gone]) > 34
