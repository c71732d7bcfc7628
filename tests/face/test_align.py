"""Canonical faces stay level and of one size at any rotation; expressions transfer to another face."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.face.align import (
    NeutralFace,
    canonical_transforms,
    fit_similarity,
    level_landmarks,
    normalize_expression,
    project_rotated,
)
from dancenow.face.face_model import LANDMARK_MODEL
from dancenow.face.face_tracking import face_boxes
from dancenow.face.head import HEAD_MODEL
from dancenow.face.landmark_maps import MAPS, draw_face_maps
from dancenow.skeleton import HEAD_KEYPOINTS
from helpers.faces import mouthing, turning

COUNT = 60
TALK = 0.05 * (1 - np.cos(np.linspace(0, 6 * np.pi, COUNT)))


def test_fit_similarity_recovers_a_known_transform() -> None:
    points = np.random.default_rng(0).normal(size=(9, 2))
    matrix = np.array([[1.5, -0.7, 12.0], [0.7, 1.5, -3.0]])
    found = fit_similarity(points, points @ matrix[:, :2].T + matrix[:, 2], np.linspace(0.1, 1, 9))
    assert np.allclose(found, matrix)


def test_canonical_faces_are_level_and_of_one_size_at_any_rotation() -> None:
    yaw, pitch, roll = (amount * np.sin(np.linspace(0, 4, COUNT) + phase) for amount, phase in ((0.8, 0), (0.3, 1), (0.4, 2)))
    for height_px in (40.0, 90.0):
        track = turning(yaw, pitch, roll, height_px=height_px)
        faces = face_boxes(track)
        transforms = canonical_transforms(faces, track.pose, size_px=128)
        there = np.einsum("tab,tnb->tna", transforms[:, :, :2], track.pose.xy[:, HEAD_KEYPOINTS]) + transforms[:, None, :, 2]
        wanted = project_rotated(HEAD_MODEL, yaw, pitch) * 128 * 2 / 3 + 63.5
        assert np.linalg.norm(there - wanted, axis=2).mean() < 3.0
        inverse = np.linalg.inv(np.concatenate([transforms, np.tile([[[0, 0, 1]]], (COUNT, 1, 1))], axis=1))
        back = np.einsum("tab,tnb->tna", inverse[:, :2, :2], there) + inverse[:, None, :2, 2]
        assert np.allclose(back, track.pose.xy[:, HEAD_KEYPOINTS], atol=1e-3)


def test_intermittent_landmarks_do_not_make_the_canonical_face_jump() -> None:
    track = turning(np.zeros(COUNT))
    faces = mouthing(track, np.zeros(COUNT))
    confidence = np.where(np.arange(COUNT) % 20 < 10, 1, 0).astype(np.float32)
    # The mesh is a tenth of the head above where the keypoints have it.
    lifted = (faces.landmarks - np.array([0, 6], np.float32)) * (confidence > 0)[:, None, None]
    faces = replace(faces, landmarks=lifted.astype(np.float32), landmark_confidence=confidence)
    transforms = canonical_transforms(faces, track.pose)
    steps = np.abs(np.diff(transforms[:, 1, 2]))
    assert 5 < np.ptp(transforms[:, 1, 2]) < 20
    assert steps.max() < 4


def test_the_targets_face_takes_the_sources_expression() -> None:
    narrow = LANDMARK_MODEL * [0.85, 1.08, 1.0]
    source = mouthing(turning(0.3 * np.sin(np.linspace(0, 5, COUNT))), TALK)
    target = mouthing(turning(0.5 * np.sin(np.linspace(0, 9, COUNT))), np.zeros(COUNT), narrow)
    dance = face_boxes(turning(0.3 * np.sin(np.linspace(0, 5, COUNT)), height_px=90.0))
    faces = normalize_expression(source, target, dance)
    assert np.array_equal(faces.to_canvas, dance.to_canvas)
    assert (faces.landmark_confidence > 0).all()
    gap = np.linalg.norm(faces.landmarks[:, 66] - faces.landmarks[:, 62], axis=1) / 90
    assert np.corrcoef(gap, TALK)[0, 1] > 0.98
    assert np.corrcoef(faces.expression[:, 0], TALK)[0, 1] > 0.98
    closed = np.flatnonzero(TALK < 0.002)
    ours, own = level_landmarks(faces)[closed], NeutralFace.of(target).at(faces.expression[closed, 6])
    assert np.abs(ours - own).max() < 0.03, "at rest it is the target's face"
    assert np.abs(ours - NeutralFace.of(source).at(faces.expression[closed, 6])).max() > 0.03


def test_without_target_landmarks_the_model_face_is_used() -> None:
    source = mouthing(turning(np.zeros(COUNT)), TALK)
    unknown = face_boxes(turning(np.zeros(COUNT)))
    faces = normalize_expression(source, unknown, unknown)
    gap = np.linalg.norm(faces.landmarks[:, 66] - faces.landmarks[:, 62], axis=1)
    assert np.corrcoef(gap, TALK)[0, 1] > 0.98
    assert normalize_expression(unknown, source, unknown) is unknown


def test_a_source_of_another_length_is_rejected() -> None:
    with pytest.raises(UserError, match="one video"):
        normalize_expression(
            face_boxes(turning(np.zeros(4))), face_boxes(turning(np.zeros(5))), face_boxes(turning(np.zeros(5)))
        )


def test_lips_are_drawn_at_their_position() -> None:
    track = turning(np.zeros(5))
    faces = mouthing(track, np.zeros(5))
    maps = draw_face_maps(faces, 2, track.pose[2])
    assert maps.shape == (len(MAPS), 128, 128)
    assert 0.95 < maps.max() <= 1
    lips, place = maps[MAPS.index("outer_lips")], faces.canvas_landmarks()[2, 48:60]
    assert (lips[tuple(np.rint(place).astype(int).T[::-1])] > 0.5).all()
    assert lips[:70].max() == 0
    nose = np.unravel_index(maps[MAPS.index("nose")].argmax(), (128, 128))
    assert abs(nose[1] - 63.5) < 16
    ignore_progress = draw_face_maps(face_boxes(track), 2, track.pose[2])
    assert ignore_progress[: MAPS.index("nose")].max() == 0
    assert ignore_progress[-5:].max() > 0.9
