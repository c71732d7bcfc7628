"""Rare poses get larger weights, independent of the position in the frame."""

import numpy as np

from dancenow.pose.pose_rarity import MAX_WEIGHT, MIN_WEIGHT, rarity
from dancenow.skeleton import INDEX
from dancenow.types import Pose
from helpers.bodies import swaying_track


def test_a_single_kick_weighs_more_than_standing() -> None:
    track = swaying_track(240)
    xy = track.pose.xy.copy()
    for name in ("right_ankle", "right_heel", "right_toe", "right_knee"):
        xy[100:112, INDEX[name]] += (-120, -150)
    weights = rarity(Pose(xy, track.pose.confidence))
    assert weights[100:112].min() > 1.5 * np.median(weights)
    assert np.isclose(weights.mean(), 1.0)


def test_position_does_not_matter_and_weights_are_bounded() -> None:
    track = swaying_track(240, noise_px=2.0)
    wander = (np.arange(240) * 2.0)[:, None, None].astype(np.float32)
    moved = Pose(track.pose.xy + wander, track.pose.confidence)
    np.testing.assert_allclose(rarity(moved), rarity(track.pose), rtol=1e-2)
    assert rarity(moved).max() / rarity(moved).min() <= MAX_WEIGHT / MIN_WEIGHT + 1e-9


def test_missing_keypoints_and_short_clips_are_accepted() -> None:
    track = swaying_track(60)
    confidence = track.pose.confidence.copy()
    confidence[20:30] = 0
    assert np.isfinite(rarity(Pose(track.pose.xy, confidence))).all()
    assert (rarity(track.pose[:5]) == 1).all()
