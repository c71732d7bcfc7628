"""The temporal filter: jitter becomes less, motion is not blurred, and a frame without neighbors stays as it is."""

from collections import abc

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.pose.person_crop import window
from dancenow.rendering.layer import Layer
from dancenow.rendering.temporal_filter import filter_temporal

SIDE = 128
Rgba = NDArray[np.float32]


def layer(rgba: Rgba) -> Layer:
    return Layer(rgba, window(np.array([100.0, 100.0]), 200.0, len(rgba)), 100.0)


def rgba_of(filtered: Layer | None) -> Rgba:
    assert filtered is not None
    return np.asarray(filtered.rgba, np.float32)


def disc(x_px: float, noise: float = 0.0, seed: int = 0) -> Rgba:
    """A patterned disc at a place, each with noise of its own."""
    random = np.random.default_rng(seed)
    pattern = cv2.GaussianBlur(np.random.default_rng(9).normal(0, 4, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
    alpha = cv2.circle(np.zeros((SIDE, SIDE), np.float32), (64, 64), 36, 1.0, -1, cv2.LINE_AA)
    rgba = np.concatenate([pattern.clip(-1, 1), alpha[..., None]], axis=2)
    moved = cv2.warpAffine(rgba, np.array([[1, 0, x_px - 64], [0, 1, 0]], np.float64), (SIDE, SIDE))
    grain = cv2.GaussianBlur(random.normal(0, noise, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 1.0)
    moved[..., :3] = (moved[..., :3] + grain).clip(-1, 1)
    return np.asarray(moved, np.float32)


def averaged(first: Rgba, second: Rgba) -> Rgba:
    """The first of two frames, filtered."""
    return rgba_of(next(filter_temporal(layer(each) for each in (first, second))))


def error(filtered: Rgba, true: Rgba) -> float:
    return float(np.abs(filtered[..., :3] - true[..., :3])[true[..., 3] > 0.9].mean())


def dance(noise: float) -> abc.Generator[Layer | None]:
    for t in range(6):
        yield layer(disc(50 + 4 * t, noise, t))


def test_jitter_becomes_less_in_motion() -> None:
    for t, (filtered, raw) in enumerate(zip(filter_temporal(dance(0.1)), dance(0.1), strict=True)):
        true = disc(50 + 4 * t)
        assert error(rgba_of(filtered), true) < (0.8 if 0 < t < 5 else 0.9) * error(rgba_of(raw), true)


def test_what_does_not_jitter_stays_as_it_is() -> None:
    for t, filtered in enumerate(filter_temporal(dance(0.0))):
        assert error(rgba_of(filtered), disc(50 + 4 * t)) < 0.02


def test_a_neighbor_that_shows_something_else_is_not_mixed_in() -> None:
    here, other = disc(64), disc(64)
    other[..., :3] *= -1
    made = averaged(here, other)
    assert error(made, here) < 0.02


def test_nobody_stays_nobody_and_is_no_neighbor() -> None:
    given = [layer(disc(64)), None, layer(disc(64, 0.1, 1))]
    filtered = list(filter_temporal(each for each in given))
    assert len(filtered) == 3
    assert all(one is other for one, other in zip(filtered, given, strict=True))


def test_where_nothing_is_painted_nothing_is_done() -> None:
    empty = np.zeros((SIDE, SIDE, 4), np.float32)
    np.testing.assert_array_equal(averaged(empty, disc(64)), empty)


def test_the_pictures_are_closed_with_it() -> None:
    source = dance(0.0)
    filtered = filter_temporal(source)
    next(filtered)
    filtered.close()
    with pytest.raises(StopIteration):
        next(source)


def test_large_pictures_are_moved_by_a_motion_found_in_small_ones() -> None:
    pictures = [np.asarray(cv2.resize(disc(50 + 4 * t, 0.1, t), (512, 512)), np.float32) for t in range(2)]
    true = np.asarray(cv2.resize(disc(50), (512, 512)), np.float32)
    assert error(averaged(*pictures), true) < 0.9 * error(pictures[0], true)
