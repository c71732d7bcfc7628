"""Whose pixels are whose: two drawn people in the same colors, but at other places, before a still wall."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.separation.colors_by_place import ColorsByPlace, color_bins
from dancenow.pose.separation.pixel_owners import PixelOwners
from dancenow.pose.separation.still_background import StillBackground
from dancenow.types import ImageRGB

HEIGHT, WIDTH = 96, 128
RED, GREEN = (200, 30, 30), (30, 160, 60)
TRUNK_PX = 20.0


def wall(shift: int = 0) -> ImageRGB:
    """A pattern; shift: how far the camera has moved."""
    x = np.arange(WIDTH) + shift
    row = (150 + 60 * np.sin(x / 5)).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], HEIGHT, axis=0), 3, axis=2)


def stand(image: ImageRGB, x: int, upper: tuple[int, ...], lower: tuple[int, ...]) -> NDArray[np.uint8]:
    """Draw somebody in two colors at x; returns their mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.rectangle(mask, (x - 10, 20), (x + 10, 85), 255, -1)
    cv2.rectangle(image, (x - 10, 20), (x + 10, 50), upper, -1)
    cv2.rectangle(image, (x - 10, 51), (x + 10, 85), lower, -1)
    return mask


def trunk(x: int) -> NDArray[np.float64]:
    return np.array([x, 40.0, TRUNK_PX])


def known_owners() -> PixelOwners:
    """One is red above and green below, the other green above and red below."""
    one, two, samples = ColorsByPlace(), ColorsByPlace(), list[tuple[ImageRGB, NDArray[np.uint8]]]()
    for x in (20, 30, 40, 50, 60):
        image = wall()
        mask_one, mask_two = stand(image, x, RED, GREEN), stand(image, x + 50, GREEN, RED)
        one.learn(color_bins(image), mask_one, trunk(x))
        two.learn(color_bins(image), mask_two, trunk(x + 50))
        samples.append((image, np.maximum(mask_one, mask_two)))
    background = StillBackground.of(samples)
    assert background is not None
    return PixelOwners(background, {0: one, 1: two}, {0: trunk(60)[None], 1: trunk(72)[None]})


def test_pixels_are_told_apart_by_color_and_place_even_if_a_mask_is_wrong() -> None:
    image, owners = wall(), known_owners()
    behind = stand(image, 72, GREEN, RED)
    front = stand(image, 60, RED, GREEN)
    both = np.maximum(front, behind)  # the mask of either shows both of them
    foreign = owners.of_others(image, {0: both, 1: both}, 0, [0, 1])
    hidden, seen = front > 0, (behind > 0) & (front == 0)
    assert foreign[1][hidden].mean() > 0.8
    assert foreign[0][seen].mean() > 0.8
    assert foreign[0][hidden].mean() < 0.05
    assert foreign[1][seen].mean() < 0.05
    assert not (foreign[0] | foreign[1])[both == 0][::7].mean() > 0.05


def test_a_mask_alone_is_enough_where_nobody_else_was_found() -> None:
    image, owners = wall(), known_owners()
    mask = stand(image, 60, RED, GREEN)
    foreign = owners.of_others(image, {0: mask, 1: None}, 0, [0, 1])
    assert foreign[1][mask > 0].mean() > 0.9
    assert not foreign[0].any()


def test_a_background_is_known_only_if_the_camera_stands_still() -> None:
    nobody = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert StillBackground.of([(wall(9 * index), nobody) for index in range(8)]) is None
    assert StillBackground.of([]) is None
    still = StillBackground.of([(wall(), nobody)] * 3)
    assert still is not None
    np.testing.assert_allclose(still.image_rgb, wall())
