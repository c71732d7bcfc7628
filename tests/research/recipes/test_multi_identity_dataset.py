"""A crowd gives what its stores would give one by one, and everybody once more in a mirror."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from dancenow.generators.crop.dataset import Augmentation, Clip, mirror_clips
from dancenow.research.recipes.multi_identity_dataset import MultiIdentityDataset
from helpers.crop_stores import a_store

CPU = torch.device("cpu")
STILL = Augmentation(0.0, 0.0, 0.0)


def assert_same(one: Clip, other: Clip) -> None:
    for name in present(one):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=2e-4, rtol=1e-4)


def present(clip: Clip) -> list[str]:
    return [each.name for each in fields(Clip) if getattr(clip, each.name) is not None]


def row_of(clip: Clip, row: int) -> Clip:
    return Clip(**{name: getattr(clip, name)[row : row + 1] for name in present(clip)})


def test_a_crowd_shows_what_its_stores_show() -> None:
    stores = [a_store(seed) for seed in range(3)]
    shown = MultiIdentityDataset(stores, CPU).show(np.array([2, 0]))
    for row, person in enumerate((2, 0)):
        store = stores[person]
        alone = store.take(np.arange(store.length)[None], store.centered[None], CPU)
        assert_same(row_of(shown, row), alone)


def test_everybody_is_there_once_more_in_a_mirror() -> None:
    crowd = MultiIdentityDataset([a_store(seed, runs=1) for seed in range(2)], CPU)
    assert len(crowd) == 4
    both = crowd.draw(np.array([0, 2]), np.random.default_rng(0), STILL, crowd.length)
    turned = mirror_clips(both, np.array([True, False]))
    assert_same(row_of(turned, 0), row_of(turned, 1))


def test_all_people_need_the_same_canvas() -> None:
    with pytest.raises(ValueError, match="same canvas"):
        MultiIdentityDataset([a_store(0), a_store(1, canvas_px=128)], CPU)
