"""Heads look where the footage shows them: unseen views give way to the nearest seen ones, and everything else stays."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.retargeting.head_views import turn_heads
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX
from dancenow.types import Pose, PoseTrack
from helpers.drawn_world import dancer_track

TORSO_PX = 25.0


def looking(yaw_rad: float | NDArray[np.float64], tilt_rad: float = 0.0, source: str = "0") -> PoseTrack:
    """A dancer whose head is turned to the left of the picture and tilted clockwise."""
    track = dancer_track(48)
    yaw = np.broadcast_to(np.asarray(yaw_rad, np.float64), (48,))[:, None]
    # x, y and distance before the middle of the head, in torso lengths.
    x, y, ahead = np.array([[0, 0.1, 0.28], [-0.1, 0, 0.2], [0.1, 0, 0.2], [-0.17, 0.05, 0], [0.17, 0.05, 0]]).T
    across = x * np.cos(yaw) - ahead * np.sin(yaw)
    middle = track.pose.xy[:, HEAD_KEYPOINTS].mean(axis=1, keepdims=True)
    shape = np.stack([across, np.broadcast_to(y, across.shape)], axis=-1)
    cos, sin = np.cos(tilt_rad), np.sin(tilt_rad)
    turned = shape @ np.array([[cos, sin], [-sin, cos]])
    xy = track.pose.xy.copy()
    xy[:, HEAD_KEYPOINTS] = middle + TORSO_PX * turned
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth), source_sha256=source * 64)


def face_of(track: PoseTrack) -> NDArray[np.float32]:
    face = track.pose.xy[:, HEAD_KEYPOINTS]
    return np.asarray(face - face.mean(axis=1, keepdims=True))


def test_a_head_that_the_footage_never_shows_looks_where_it_does() -> None:
    footage, dance = looking(0.9), looking(0.1, source="1")
    turned, fraction = turn_heads(dance, footage)
    assert fraction > 0.95
    np.testing.assert_allclose(face_of(turned), face_of(footage), atol=0.4)
    others = [index for index in range(dance.pose.xy.shape[1]) if index not in HEAD_KEYPOINTS]
    np.testing.assert_array_equal(turned.pose.xy[:, others], dance.pose.xy[:, others])


def test_a_turned_head_keeps_its_tilt() -> None:
    footage, dance = looking(0.6), looking(0.0, tilt_rad=0.4, source="1")
    turned, _ = turn_heads(dance, footage)
    right, left = (turned.pose.xy[:, INDEX[f"{side}_eye"]] for side in ("right", "left"))
    tilt = np.arctan2(*(left - right).T[::-1])
    np.testing.assert_allclose(tilt, 0.4, atol=0.1)


def test_a_lowered_head_rises_to_where_the_footage_has_it() -> None:
    footage, dance = looking(0.9), looking(0.1, source="1")
    xy = dance.pose.xy.copy()
    xy[:, HEAD_KEYPOINTS, 1] += 3
    lowered = replace(dance, pose=Pose(xy, dance.pose.confidence, dance.pose.depth))
    turned, _ = turn_heads(lowered, footage)
    above_px = (turned.pose.xy - turned.pose.xy[:, [INDEX["neck"]]])[:, HEAD_KEYPOINTS].mean(axis=1)
    expected_px = (footage.pose.xy - footage.pose.xy[:, [INDEX["neck"]]])[:, HEAD_KEYPOINTS].mean(axis=1)
    np.testing.assert_allclose(above_px, expected_px, atol=0.3)


def test_seen_views_stay() -> None:
    footage, dance = looking(np.linspace(-0.7, 0.7, 48)), looking(0.3, source="1")
    turned, fraction = turn_heads(dance, footage)
    assert fraction == 0
    np.testing.assert_allclose(turned.pose.xy, dance.pose.xy, atol=0.02)


def test_the_back_of_a_head_gets_no_face() -> None:
    footage, dance = looking(0.0), looking(3.0, source="1")
    turned, fraction = turn_heads(dance, footage)
    assert fraction == 0
    np.testing.assert_allclose(turned.pose.xy, dance.pose.xy, atol=0.02)


def test_the_same_video_stays_as_it_is() -> None:
    track = looking(0.5)
    assert turn_heads(track, track)[0] is track


def test_heads_turn_smoothly() -> None:
    footage, dance = looking(0.5), looking(np.linspace(0.5, -1.4, 48), source="1")
    turned, fraction = turn_heads(dance, footage)
    assert 0.1 < fraction < 0.9
    steps = np.abs(np.diff(face_of(turned), axis=0)).max()
    assert steps < 0.05 * TORSO_PX


def test_unknown_heads_change_nothing() -> None:
    footage, dance = looking(0.9), looking(0.0, source="1")
    hidden = footage.pose.confidence.copy()
    hidden[:, HEAD_KEYPOINTS] = 0
    unknown = replace(footage, pose=Pose(footage.pose.xy, hidden, footage.pose.depth))
    assert turn_heads(dance, unknown) == (dance, 0.0)
    assert turn_heads(replace(dance, pose=Pose(dance.pose.xy, hidden, dance.pose.depth)), footage)[1] == 0


def test_a_body_without_shoulders_is_no_error() -> None:
    dance, nobody = looking(0.0, source="1"), np.zeros((48, looking(0.0).pose.xy.shape[1]), np.float32)
    legs = replace(dance, pose=Pose(dance.pose.xy, nobody, dance.pose.depth))
    assert turn_heads(legs, looking(0.9))[1] == 0
    assert turn_heads(dance, replace(legs, source_sha256="2" * 64)) == (dance, 0.0)
