"""The recipe that measures how well poses follow the motion."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.research.recipes.pose_motion import motion_errors
from dancenow.types import Pose, PoseTrack
from helpers.bodies import swaying_track


def _moved(track: PoseTrack, by_px: np.ndarray) -> PoseTrack:
    xy = (track.pose.xy + by_px).astype(np.float32)
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def test_a_constant_offset_is_an_error_of_the_position_alone() -> None:
    exact = swaying_track(60)
    errors = motion_errors(_moved(exact, np.array([3.0, 4.0])), exact)
    assert errors["position"] == pytest.approx(5.0, abs=1e-3)
    assert errors["step, all"] == pytest.approx(0.0, abs=1e-3)


def test_jitter_is_an_error_of_every_step() -> None:
    exact = swaying_track(60)
    shaken = np.where(np.arange(60) % 2, 1.0, -1.0)[:, None, None] * np.array([1.0, 0.0])
    errors = motion_errors(_moved(exact, shaken), exact)
    for name in ("all", "slow", "fast"):
        assert errors[f"step, {name}"] == pytest.approx(2.0, abs=1e-3)
