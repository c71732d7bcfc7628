"""Where a face is refined: in the views that the footage shows, nowhere suddenly, and not where the source shows no face."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import YAW, FaceTrack, Reason
from dancenow.face.face_tracking import face_boxes
from dancenow.face.refinement_weights import coverage_weights, fade_over_time, source_weights
from helpers.faces import turning

Array = NDArray[np.float64]
TIME_S = np.arange(60) / 30


def heads(yaw: Array, pitch: Array | float = 0.0) -> FaceTrack:
    """Faces of a person who holds the head at these angles, rad."""
    still = face_boxes(turning(np.zeros(len(yaw))))
    expression = still.expression.copy()
    expression[:, YAW], expression[:, YAW + 1], expression[:, YAW + 2] = yaw, pitch, 0
    return replace(still, expression=expression, landmark_confidence=np.ones(len(yaw), np.float32))


def at(*yaw: float) -> FaceTrack:
    return heads(np.array(yaw))


def test_a_view_missing_in_the_footage_is_not_refined() -> None:
    seen = heads(np.linspace(0.4, 0.6, 20))
    shown = coverage_weights(at(0.5, 0.62, 0.2, -0.5), seen)
    assert shown[0] == shown[1] == shown[2] == 1
    assert shown[3] == 0
    assert 0 < coverage_weights(at(0.05), seen)[0] < 1
    nothing = replace(seen, reason=np.full_like(seen.reason, Reason.MISSING))
    assert (coverage_weights(at(0.5, -0.5), nothing) == 1).all()


def test_a_bowed_head_is_refined_only_after_footage_of_bowed_heads() -> None:
    bowed = heads(np.zeros(10), 0.5)
    assert coverage_weights(bowed, heads(np.zeros(100)))[0] == 0
    assert coverage_weights(bowed, heads(np.zeros(100), np.linspace(0, 0.6, 100)))[0] == 1


def test_a_pitch_that_no_landmarks_tell_does_not_matter() -> None:
    by_pose = replace(heads(np.zeros(10), 0.5), landmark_confidence=np.zeros(10, np.float32))
    assert coverage_weights(by_pose, heads(np.zeros(100)))[0] == 1


def test_a_profile_is_refined_only_after_footage_of_profiles() -> None:
    assert coverage_weights(at(1.5), heads(np.zeros(100)))[0] == 0
    assert coverage_weights(at(1.5), heads(np.linspace(-1.6, 1.6, 100)))[0] == 1


def test_one_frame_is_not_yet_a_view_of_the_footage() -> None:
    yaw = np.zeros(100)
    yaw[50] = 1.2
    assert coverage_weights(at(1.2), heads(yaw))[0] == 0


def test_a_face_that_the_source_does_not_show_is_not_painted() -> None:
    faces = face_boxes(turning(np.zeros(10)))
    reason = faces.reason.copy()
    reason[:3] = Reason.HIDDEN
    np.testing.assert_array_equal(source_weights(faces, replace(faces, reason=reason)), [0] * 3 + [1] * 7)
    dark = replace(faces, reason=np.full_like(reason, Reason.HIDDEN))
    assert (source_weights(faces, dark) == 1).all(), "no face is found anywhere, which says nothing about one frame"


def test_weights_change_slowly_and_never_exceed_what_is_allowed() -> None:
    allowed = np.ones(60, np.float32)
    allowed[20:35] = 0
    faded = fade_over_time(allowed, TIME_S)
    assert (faded <= allowed + 1e-6).all()
    assert np.abs(np.diff(faded)).max() < 0.6
    assert faded[0] == faded[-1] == 1
    assert (faded[20:35] == 0).all()
    assert ((faded > 0) & (faded < 1)).any()


def test_a_head_at_the_limit_does_not_flicker() -> None:
    limit = np.where(np.arange(60) % 6 < 3, 0.0, 0.3).astype(np.float32)
    limit[:10] = 1
    faded = fade_over_time(limit, TIME_S)
    assert faded[0] == 1
    assert (faded[15:] == 0).all()
