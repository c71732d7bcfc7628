"""The edges of cut-outs: their background is not copied."""

import numpy as np
import pytest

from dancenow.generators.references.cut_out_edges import with_inner_colors, without_edge


@pytest.fixture
def disc() -> np.ndarray:
    """A red disc of 24 px on green, whose edge is mixed over 2 px."""
    y, x = np.mgrid[:64, :64]
    alpha = (24.5 - np.hypot(x - 32, y - 32)).clip(0, 2) / 2
    color = alpha[..., None] * np.array([255, 0, 0]) + (1 - alpha[..., None]) * np.array([0, 255, 0])
    return np.dstack([color, 255 * alpha]).round().astype(np.uint8)


def test_a_cut_out_without_its_edge_shows_no_background(disc: np.ndarray) -> None:
    inner = without_edge(disc, 2.0)
    shown = inner[..., 3] > 127
    assert 0.6 < shown.sum() / (disc[..., 3] > 0).sum() < 0.95
    assert disc[..., 1][shown].max() < 10
    np.testing.assert_array_equal(inner[..., :3], disc[..., :3])


def test_inner_colors_reach_the_edge_and_alpha_stays(disc: np.ndarray) -> None:
    spread = with_inner_colors(disc, 2.0)
    np.testing.assert_array_equal(spread[..., 3], disc[..., 3])
    shown = disc[..., 3] > 0
    assert disc[..., 1][shown].max() > 100
    assert spread[..., 1][shown].max() < 10
    assert spread[..., 0][shown].min() > 245


def test_of_somebody_thinner_than_the_edge_the_colors_stay() -> None:
    line = np.zeros((16, 16, 4), np.uint8)
    line[8] = 255
    np.testing.assert_array_equal(with_inner_colors(line, 3.0), line)
