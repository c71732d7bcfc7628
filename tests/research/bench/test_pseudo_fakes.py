"""True clips made untrue by hand."""

import numpy as np
import pytest

from dancenow.research.bench.pseudo_fakes import PRETENCES, out_of_order, through_a_lattice
from dancenow.types import ImageRGB


@pytest.fixture
def frames() -> list[ImageRGB]:
    """A bright square that wanders over something coarse."""
    room = np.random.default_rng(0).integers(60, 120, (12, 12, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    clip = [room.copy() for _ in range(30)]
    for number, frame in enumerate(clip):
        frame[30:60, 10 + 2 * number : 30 + 2 * number] = 220
    return clip


@pytest.mark.parametrize("name", PRETENCES)
def test_a_pretence_is_as_long_and_as_large_and_the_same_from_the_same_seed(name: str, frames: list[ImageRGB]) -> None:
    shown, index = PRETENCES[name](frames, np.random.default_rng(1))
    assert len(shown) == len(index) == 30
    assert all(frame.shape == (96, 96, 3) and frame.dtype == np.uint8 for frame in shown)
    again, _ = PRETENCES[name](frames, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(shown, again, strict=True))


def test_frames_out_of_order_are_true_ones_that_stand_still_or_jump(frames: list[ImageRGB]) -> None:
    shown, index = out_of_order(frames, np.random.default_rng(2))
    assert all(np.array_equal(frame, frames[i]) for frame, i in zip(shown, index, strict=True))
    steps = np.abs(np.diff(index))
    assert (steps == 0).any()
    assert ((steps == 0) | (steps > 3)).all()


def test_a_lattice_changes_every_frame_a_little(frames: list[ImageRGB]) -> None:
    shown, index = through_a_lattice(frames, np.random.default_rng(3))
    assert index.tolist() == list(range(30))
    change = np.abs(np.stack(shown).astype(int) - np.stack(frames)).mean(axis=(1, 2, 3))
    assert change.min() > 1
    assert change.max() < 40
