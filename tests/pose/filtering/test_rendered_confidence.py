"""What hid a limb of the dancer does not hide it in the result."""

from dataclasses import replace

import numpy as np

from dancenow.pose.filtering.confidence import show_hidden_limbs
from dancenow.pose.pipeline import PosePipeline
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.drawn_world import dancer_track


def unsure(confidence: float, *names: str) -> PoseTrack:
    """A dance whose named keypoints the detector hardly saw."""
    track = dancer_track(4)
    values = track.pose.confidence.copy()
    values[:, [INDEX[name] for name in names]] = confidence
    return replace(track, pose=Pose(track.pose.xy, values, track.pose.depth))


def test_a_hidden_foot_is_shown_and_a_head_is_as_sure_as_before() -> None:
    names = ("right_ankle", "right_toe", "nose", "left_hip")
    before = unsure(0.4, *names)
    after = show_hidden_limbs(before).pose.confidence
    ankle, toe, nose, hip = (INDEX[name] for name in names)
    assert (after[:, [ankle, toe]] == 1).all()
    assert (after[:, [nose, hip]] == np.float32(0.4)).all()


def test_a_guess_stays_a_guess_and_what_is_missing_stays_missing() -> None:
    ankle = INDEX["right_ankle"]
    steps = [show_hidden_limbs(unsure(value, "right_ankle")).pose.confidence[0, ankle] for value in (0.0, 0.01, 0.1, 0.3)]
    assert steps[0] == 0
    assert steps[1] < 0.05
    assert (np.diff(steps) > 0).all()


def test_a_renderer_gets_them() -> None:
    shown = PosePipeline.create().for_rendering(unsure(0.4, "left_wrist"))
    assert (shown.pose.confidence[:, INDEX["left_wrist"]] == 1).all()
