"""Pseudo-fakes made from real clips."""

import numpy as np
import pytest

from dancenow.research.bench.pseudo_fakes import PSEUDO_FAKES, add_upsampling_artifacts, shuffle_frames
from dancenow.types import ImageRGB

MATTES = [np.pad(np.full((30, 20), 255, np.uint8), ((30, 36), (10 + 2 * n, 66 - 2 * n))) for n in range(30)]


@pytest.fixture
def frames() -> list[ImageRGB]:
    """A bright square that moves over a coarse texture."""
    room = np.random.default_rng(0).integers(60, 120, (12, 12, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    clip = [room.copy() for _ in range(30)]
    for number, frame in enumerate(clip):
        frame[30:60, 10 + 2 * number : 30 + 2 * number] = 220
    return clip


@pytest.mark.parametrize("name", PSEUDO_FAKES)
def test_a_pseudo_fake_keeps_length_and_size_and_is_reproducible(name: str, frames: list[ImageRGB]) -> None:
    fakes, index = PSEUDO_FAKES[name](frames, MATTES, np.random.default_rng(1))
    assert len(fakes) == len(index) == 30
    assert all(frame.shape == (96, 96, 3) and frame.dtype == np.uint8 for frame in fakes)
    again, _ = PSEUDO_FAKES[name](frames, MATTES, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(fakes, again, strict=True))


def test_shuffled_frames_are_real_ones_that_repeat_or_jump(frames: list[ImageRGB]) -> None:
    fakes, index = shuffle_frames(frames, MATTES, np.random.default_rng(2))
    assert all(np.array_equal(frame, frames[i]) for frame, i in zip(fakes, index, strict=True))
    steps = np.abs(np.diff(index))
    assert (steps == 0).any()
    assert ((steps == 0) | (steps > 3)).all()


def test_upsampling_artifacts_change_every_frame_a_little(frames: list[ImageRGB]) -> None:
    fakes, index = add_upsampling_artifacts(frames, MATTES, np.random.default_rng(3))
    assert index.tolist() == list(range(30))
    change = np.abs(np.stack(fakes).astype(int) - np.stack(frames)).mean(axis=(1, 2, 3))
    assert change.min() > 1
    assert change.max() < 40
