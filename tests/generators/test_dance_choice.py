"""The choice of pictures for a whole dance does not depend on how many frames are looked at together."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.generators.references import dance_choice, reference_choice
from dancenow.generators.references.body_parts import NUM_PARTS
from dancenow.generators.references.dance_choice import DanceChoice, DanceDistances
from dancenow.generators.references.reference_choice import SteadyChoice, choose_over_time
from dancenow.types import FrameStatus, PoseTrack
from helpers.drawn_world import dancer_track


class _Given(DanceDistances):
    """Distances that are given."""

    def __init__(self, distances: NDArray[np.float32], track: PoseTrack) -> None:
        self._track, self._number, self._kept = track, -1, distances[:0]
        self._given: NDArray[np.float32] = distances

    def _compute(self, frames: slice) -> NDArray[np.float32]:
        return np.array(self._given[frames], np.float32)


def _distances(frames: int, pictures: int) -> NDArray[np.float32]:
    steps = np.random.default_rng(1).normal(0, 0.3, (frames, NUM_PARTS, pictures))
    return np.asarray(np.abs(steps.cumsum(axis=0)), np.float32)


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_the_path_is_the_same_in_blocks(pictures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    distances, time_s = _distances(50, pictures), np.arange(50) / 30
    at_once = choose_over_time(distances, time_s, slots=2)
    for block in (1, 7, 49, 50):
        monkeypatch.setattr(reference_choice, "_BLOCK", block)
        for path, expected in zip(choose_over_time(distances, time_s, slots=2), at_once, strict=True):
            np.testing.assert_array_equal(path, expected)


def test_a_few_frames_fade_as_the_whole_dance_does() -> None:
    time_s = np.arange(40) / 30
    choice = SteadyChoice.of(choose_over_time(_distances(40, 4), time_s, slots=1)[0], time_s)
    pictures, weights = choice.faded(np.arange(40))
    for wanted in (np.array([0]), np.array([3, 4, 5]), np.array([1, 20, 39])):
        some, kept = choice.faded(wanted)
        np.testing.assert_array_equal(some, pictures[wanted])
        np.testing.assert_array_equal(kept, weights[wanted])


def test_frames_without_anybody_show_no_picture_and_shots_are_chosen_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dance_choice, "_BLOCK", 8)
    track = replace(dancer_track(40), cuts=(15,))
    track.status[[0, 1, 20]] = FrameStatus.MISSING
    distances = _distances(40, 4)
    pictures, weights = DanceChoice(_Given(distances, track), track, slots=2)[np.arange(40)]
    assert not weights[[0, 1, 20]].any()
    np.testing.assert_allclose(weights[track.status == FrameStatus.MEASURED].sum(axis=2), 1, atol=1e-6)
    after = replace(track.part(15, 40), cuts=())
    alone, _ = DanceChoice(_Given(distances[15:], after), after, slots=2)[np.arange(25)]
    np.testing.assert_array_equal(pictures[15:], alone)


def test_distances_are_those_of_their_frames_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dance_choice, "_BLOCK", 8)
    distances = _distances(21, 3)
    read = _Given(distances, dancer_track(21))
    for wanted in (np.arange(21), np.array([7, 8]), np.array([2, 9, 20])):
        np.testing.assert_array_equal(read[wanted], distances[wanted])
