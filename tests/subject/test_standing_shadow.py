"""The soft shadow of a person who always stands in one place is lightened; what is painted dark there is not."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.subject.background.shadow_removal import FullLight, changing_shadow
from dancenow.subject.background.standing_shadow import remove_standing_shadow

HEIGHT, WIDTH = 120, 180
NOWHERE = np.zeros((HEIGHT, WIDTH), bool)


@pytest.fixture
def floor() -> NDArray[np.float64]:
    """Boards of different brown, with dark joints and the little noise that a median leaves."""
    rng = np.random.default_rng(3)
    tone = np.repeat(rng.uniform(0.85, 1.1, 12), WIDTH // 12)
    image = np.array([150.0, 110.0, 80.0]) * np.tile(tone[None, :, None], (HEIGHT, 1, 1))
    image[:, :: WIDTH // 12] *= 0.6
    return np.asarray(image + rng.normal(0, 0.3, image.shape))


@pytest.fixture
def feet() -> NDArray[np.float64]:
    share = np.zeros((HEIGHT, WIDTH))
    share[55:75, 65:115] = 1
    return share


def soft_shadow() -> NDArray[np.float64]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(1 - 0.45 * np.exp(-(((x - 92) / 18) ** 2) - ((y - 66) / 7) ** 2)[..., None])


def as_image(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def darkest(image: NDArray[np.uint8], floor: NDArray[np.float64]) -> float:
    """Largest darkening in levels, after a blur that removes noise."""
    return float(cv2.GaussianBlur(floor - image, (0, 0), 1.5).max())


def test_a_soft_shadow_is_lightened_and_the_boards_stay(floor: NDArray[np.float64], feet: NDArray[np.float64]) -> None:
    shaded = as_image(floor * soft_shadow())
    lit = remove_standing_shadow(shaded, feet, NOWHERE)
    assert darkest(shaded, floor) > 40
    assert darkest(lit, floor) < 0.5 * darkest(shaded, floor)
    assert darkest(as_image(2 * floor - lit), floor) < 6, "and nothing gets much too bright"
    joints = np.abs(np.diff(lit[66].astype(float), axis=0)).max()
    assert joints > 0.7 * np.abs(np.diff(floor[66], axis=0)).max()


def test_a_dark_rug_under_the_feet_stays_dark(floor: NDArray[np.float64], feet: NDArray[np.float64]) -> None:
    floor[50:85, 60:125] = (60, 50, 45)
    assert np.abs(remove_standing_shadow(as_image(floor), feet, NOWHERE).astype(int) - as_image(floor)).max() < 5


def test_without_a_usual_place_nothing_changes(floor: NDArray[np.float64], feet: NDArray[np.float64]) -> None:
    shaded = as_image(floor * soft_shadow())
    assert remove_standing_shadow(shaded, 0.3 * feet, NOWHERE) is shaded
    even = as_image(floor)
    assert np.array_equal(remove_standing_shadow(even, feet, NOWHERE), even)


def test_a_shadow_that_was_seen_to_change_is_found_and_lightened_further(
    floor: NDArray[np.float64], feet: NDArray[np.float64]
) -> None:
    shaded = as_image(floor * soft_shadow())
    light = FullLight(as_image(floor * soft_shadow() ** 0.5), ~NOWHERE, feet > 0)
    changing = changing_shadow(shaded, light)
    assert changing[66, 92]
    assert not changing[:40].any()
    with_it, without = (remove_standing_shadow(shaded, feet, where) for where in (changing, NOWHERE))
    assert darkest(with_it, floor) < 0.8 * darkest(without, floor)
