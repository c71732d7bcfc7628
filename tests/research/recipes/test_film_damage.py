"""Rendered pictures are damaged as film is: softer and noisier, and still of the same person in the same place."""

import numpy as np
import pytest

from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.research.recipes import film_damage
from dancenow.research.recipes.film_damage import damage_pictures
from helpers.crop_stores import a_store


@pytest.fixture
def clean() -> ReferenceSet:
    """Six pictures of smooth noise; the person is a square in the middle."""
    crops = a_store(0, runs=6, length=1)
    alpha = np.zeros((*crops.image.shape[:3], 1), np.uint8)
    quarter = crops.image.shape[1] // 4
    alpha[:, quarter:-quarter, quarter:-quarter] = 255
    rgba = np.concatenate([crops.image, alpha], axis=3)
    return ReferenceSet(rgba, crops.pose, np.arange(len(rgba), dtype=np.float64), 1.0, "0" * 64, np.ones(len(rgba), np.bool_))


def test_some_people_are_filmed_and_some_are_not(clean: ReferenceSet) -> None:
    is_filmed = [damage_pictures(clean, np.random.default_rng(seed)) is not clean for seed in range(40)]
    assert 0.3 < np.mean(is_filmed) < 0.9


def test_damage_is_drawn_by_the_seed_and_keeps_the_person(clean: ReferenceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_damage, "_FILMED", 1.0)
    filmed, again = (damage_pictures(clean, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(filmed.rgba, again.rgba)
    solid = clean.rgba[..., 3] > 0
    assert 0 < np.abs(filmed.rgba[..., :3].astype(int) - clean.rgba[..., :3])[solid].mean() < 25
    middle = filmed.rgba.shape[1] // 2
    assert (filmed.rgba[:, middle, middle, 3] == 255).all()
    assert (filmed.rgba[:, :2, :2, 3] < 60).all()


def test_motion_blurs_along_its_line_and_the_matte_with_it(clean: ReferenceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_damage, "_LONGEST_BLUR", 0.2)
    moved = film_damage._move(clean.rgba[0], np.random.default_rng(0))
    edge = moved[..., 3]
    assert ((edge > 20) & (edge < 235)).any()
    np.testing.assert_allclose(moved.astype(float).sum(), clean.rgba[0].astype(float).sum(), rtol=0.05)
