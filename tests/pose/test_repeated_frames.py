"""Repeated frames are found, and a person does not move between them."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.repeated_frames import RepeatedFrameFinder
from dancenow.pose.filtering.repeated_frames import filter_without_repeats
from dancenow.pose.filtering.smoothing import SmoothConfig, damp_jitter
from dancenow.types import Frame, Pose, PoseTrack
from helpers.bodies import swaying_track

NARROW = SmoothConfig(sigma_s=0.03)
FILMED = 48
SHOWN = np.sort(np.concatenate([np.arange(FILMED), np.arange(3, FILMED, 4)]))
"""Which frame of a film of 24 frames a second each frame of a video of 30 shows."""
REPEATED = tuple(int(i) for i in np.flatnonzero(np.diff(SHOWN) == 0) + 1)


def found_in(shown: NDArray[np.int64], speed_px: float) -> tuple[int, ...]:
    rng, finder = np.random.default_rng(0), RepeatedFrameFinder()
    for index, number in enumerate(shown.tolist()):
        image = np.full((120, 160, 3), 90, np.uint8)
        cv2.circle(image, (round(20 + speed_px * number), 60), 16, (230, 210, 40), -1, cv2.LINE_AA)
        noisy = np.clip(image + rng.normal(0, 0.7, image.shape), 0, 255).astype(np.uint8)
        finder.take(Frame(noisy, index, Fraction(index, 30)))
    return finder.found()


def test_repeated_frames_are_found_and_a_pause_is_none() -> None:
    assert found_in(SHOWN, 2.5) == REPEATED
    assert found_in(np.arange(FILMED), 2.5) == ()
    assert found_in(SHOWN, 0.0) == (), "where nothing moves, repetitions mean nothing"


def film() -> tuple[PoseTrack, PoseTrack]:
    """A fast sway, exactly, and the same with repeated frames."""
    truth = swaying_track(FILMED, fps=24.0)
    sway = 40 * np.sin(np.arange(FILMED) / 2.5).astype(np.float32)
    moved = truth.pose.xy + sway[:, None, None] * np.array([1, 0], np.float32)
    truth = replace(truth, pose=Pose(moved, truth.pose.confidence, truth.pose.depth))
    times = np.arange(len(SHOWN)) / 30.0
    return truth, replace(truth, pose=truth.pose[SHOWN], status=truth.status[SHOWN], time_s=times, repeated=REPEATED)


def test_smoothing_moves_nobody_between_frames_that_are_the_same() -> None:
    truth, track = film()

    def largest_error_px(smoothed: PoseTrack) -> float:
        return float(np.abs(smoothed.pose.xy - truth.pose.xy[SHOWN])[6:-6].max())

    smoothed = filter_without_repeats(track, lambda frames: damp_jitter(frames, NARROW))
    again = np.array(REPEATED)
    np.testing.assert_array_equal(smoothed.pose.xy[again], smoothed.pose.xy[again - 1])
    assert largest_error_px(smoothed) < 0.6 * largest_error_px(damp_jitter(track, NARROW))
    assert (smoothed.time_s == track.time_s).all()


def test_parts_and_selections_know_their_repetitions() -> None:
    _, track = film()
    first = REPEATED[0]
    assert track.part(first - 1, first + 7).repeated == (1, REPEATED[1] - first + 1)
    assert track.part(first, first + 5).repeated == (), "what it repeats is not in the part"
    assert track.select(np.array([first - 1, first, first + 1])).repeated == (1,)
    assert track.select(np.array([first - 2, first, first + 2])).repeated == ()
