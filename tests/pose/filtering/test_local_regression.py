"""Local parabolas over time: exact for parabolas, and what they leave of noise."""

import numpy as np
import pytest

from dancenow.pose.filtering.local_regression import local_parabola, local_parabola_with_noise, nan_median, nearest_in

TIMES_S = np.arange(60) / 30 + 0.004 * np.random.default_rng(0).uniform(-1, 1, 60)
"""A camera's, not quite even."""


def test_a_parabola_stays_as_it_is() -> None:
    values = (3 * TIMES_S**2 - 2 * TIMES_S + 1)[:, None, None]
    smoothed = local_parabola(values, np.ones((60, 1)), TIMES_S, 0.1)
    np.testing.assert_allclose(smoothed[8:-8], values[8:-8], atol=0.01)


def test_every_frame_and_keypoint_may_have_a_width_of_its_own() -> None:
    values = np.random.default_rng(1).normal(size=(60, 2, 3))
    weight = np.random.default_rng(2).uniform(0.5, 1, (60, 2))
    both = local_parabola(values, weight, TIMES_S, np.stack([np.full(60, 0.03), np.full(60, 0.12)], axis=1))
    for keypoint, sigma_s in enumerate((0.03, 0.12)):
        alone = local_parabola(values[:, [keypoint]], weight[:, [keypoint]], TIMES_S, sigma_s)
        np.testing.assert_allclose(both[:, [keypoint]], alone, atol=0.02)


@pytest.mark.parametrize("sigma_s", [0.035, 0.1, 0.2])
def test_the_noise_that_is_left_is_known(sigma_s: float) -> None:
    values = np.random.default_rng(3).normal(size=(60, 4000, 1))
    smoothed, left = local_parabola_with_noise(values, np.ones((60, 4000)), TIMES_S, sigma_s)
    np.testing.assert_allclose(smoothed.std(axis=(1, 2)), left[:, 0], rtol=0.06)


def test_medians_do_not_count_what_is_unknown() -> None:
    values = np.array([[3.0, np.nan, 1.0, 2.0], [np.nan, np.nan, np.nan, np.nan], [4.0, 1.0, np.nan, np.nan]])
    np.testing.assert_array_equal(nan_median(values), [2.0, np.nan, 2.5])


def test_the_nearest_of_increasing_values_is_found_and_the_smaller_of_two_as_near() -> None:
    increasing, wanted = np.array([0.0, 1.0, 4.0, 6.0]), np.array([-3.0, 0.4, 0.5, 0.6, 2.5, 3.0, 5.0, 9.0])
    expected = np.abs(wanted[:, None] - increasing).argmin(axis=1)
    np.testing.assert_array_equal(nearest_in(increasing, wanted), expected)
    np.testing.assert_array_equal(nearest_in(increasing[:1], wanted), np.zeros(8))
