"""What is said of cuts, fades and titles in a source."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dancenow.media.shots import Shot
from dancenow.media.source import VideoSource
from dancenow.rendering.transfer_warnings import cut_warnings
from dancenow.types import FrameStatus, PoseTrack, VideoInfo
from helpers.drawn_world import FPS, dancer_track


def source_of(*shots: Shot) -> VideoSource:
    source = VideoSource(Path("dance.mp4"), VideoInfo(128, 128, Fraction(FPS), 96, 4.0, False, 0), Fraction(0))
    source.__dict__["shots"] = shots
    return source


def track_without(start: int, stop: int) -> PoseTrack:
    track = dancer_track(96)
    status = track.status.copy()
    status[start:stop] = FrameStatus.MISSING
    return replace(track, status=status)


def test_nothing_is_said_without_a_cut() -> None:
    assert cut_warnings(source_of(Shot(0, 96)), track_without(90, 96)) == ()


def test_the_cut_and_the_time_without_dance_are_told() -> None:
    source = source_of(Shot(0, 24, "card"), Shot(24, 36, "transition"), Shot(36, 72), Shot(72, 96))
    assert cut_warnings(source, track_without(0, 36)) == (
        "In the source there are 2 cuts (at 1.2, 3.0 s): the dance goes on, and each camera view is fitted on its own.",
        "Fades, titles and blank frames are not dance: 1.5 s of the result show the background alone.",
    )


def test_a_dancer_who_stands_still_is_no_title() -> None:
    track = dancer_track(96)
    (said,) = cut_warnings(source_of(Shot(0, 48), Shot(48, 96, "card")), track)
    assert "a cut (at 2.0 s)" in said
    assert np.all(track.status == FrameStatus.MEASURED)
