"""Steadying: what trembles trembles less, what moves is not blurred, and who is alone stays as they are."""

from collections import abc

import cv2
import numpy as np
import pytest

from dancenow.rendering.temporal_filter import Picture, filter_temporal

SIDE = 128


def picture(x_px: float, noise: float = 0.0, seed: int = 0) -> Picture:
    """A patterned disc at a place, each with noise of its own."""
    random = np.random.default_rng(seed)
    pattern = cv2.GaussianBlur(np.random.default_rng(9).normal(0, 4, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
    alpha = cv2.circle(np.zeros((SIDE, SIDE), np.float32), (64, 64), 36, 1.0, -1, cv2.LINE_AA)
    rgba = np.concatenate([pattern.clip(-1, 1), alpha[..., None]], axis=2)
    moved = cv2.warpAffine(rgba, np.array([[1, 0, x_px - 64], [0, 1, 0]], np.float64), (SIDE, SIDE))
    grain = cv2.GaussianBlur(random.normal(0, noise, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 1.0)
    moved[..., :3] = (moved[..., :3] + grain).clip(-1, 1)
    return np.asarray(moved, np.float32)


def averaged(picture: Picture, neighbour: Picture) -> Picture:
    """The first of two."""
    made = next(filter_temporal(each for each in enumerate([picture, neighbour])))[1]
    assert made is not None
    return made


def error(made: Picture | None, true: Picture) -> float:
    assert made is not None
    return float(np.abs(made[..., :3] - true[..., :3])[true[..., 3] > 0.9].mean())


def dance(noise: float) -> abc.Generator[tuple[int, Picture | None]]:
    for t in range(6):
        yield t, picture(50 + 4 * t, noise, t)


def test_what_trembles_trembles_less_while_it_moves() -> None:
    for (t, made), (_, raw) in zip(filter_temporal(dance(0.1)), dance(0.1), strict=True):
        true = picture(50 + 4 * t)
        assert error(made, true) < (0.8 if 0 < t < 5 else 0.9) * error(raw, true)


def test_what_does_not_tremble_stays_as_it_is() -> None:
    for t, made in filter_temporal(dance(0.0)):
        assert error(made, picture(50 + 4 * t)) < 0.02


def test_a_neighbour_that_shows_something_else_is_not_mixed_in() -> None:
    here, other = picture(64), picture(64)
    other[..., :3] *= -1
    made = averaged(here, other)
    assert error(made, here) < 0.02


def test_nobody_stays_nobody_and_ends_the_run() -> None:
    pictures = [picture(64), None, picture(64, 0.1, 1)]
    given = ((t, each) for t, each in enumerate(pictures))
    made = list(filter_temporal(given))
    assert [t for t, _ in made] == [0, 1, 2]
    assert made[1][1] is None
    for t in (0, 2):
        assert made[t][1] is pictures[t]


def test_where_nothing_is_painted_nothing_is_done() -> None:
    empty = np.zeros((SIDE, SIDE, 4), np.float32)
    np.testing.assert_array_equal(averaged(empty, picture(64)), empty)


def test_the_pictures_are_closed_with_it() -> None:
    source = dance(0.0)
    made = filter_temporal(source)
    next(made)
    made.close()
    with pytest.raises(StopIteration):
        next(source)


def test_large_pictures_are_moved_by_a_motion_found_in_small_ones() -> None:
    pictures = [np.asarray(cv2.resize(picture(50 + 4 * t, 0.1, t), (512, 512)), np.float32) for t in range(2)]
    true = np.asarray(cv2.resize(picture(50), (512, 512)), np.float32)
    assert error(averaged(*pictures), true) < 0.9 * error(pictures[0], true)
