"""Rare views of a head count more in training, within limits; frames of a long video are weighed quickly."""

import numpy as np

from dancenow.face.dataset import usable_faces
from dancenow.face.face_tracking import face_boxes
from dancenow.face.views import distances, rarity_weights, views_of
from helpers.faces import turning


def test_distances_are_angles() -> None:
    faces = face_boxes(turning(np.array([0.0] * 20 + [0.5] * 20)))
    between = distances(views_of(faces), views_of(faces))
    assert between[0, 0] < 1e-3
    assert abs(between[5, 35] - 0.5) < 0.1


def test_a_profile_weighs_more_than_a_frontal_face_but_not_without_limit() -> None:
    views = np.zeros((500, 3), np.float32)
    views[100:105, 0] = 1.2
    weights = rarity_weights(views)
    assert abs(weights.mean() - 1) < 1e-6
    assert 2 < weights[100] / weights[0] <= 4
    np.testing.assert_allclose(rarity_weights(np.zeros((50, 3), np.float32)), 1)


def test_the_frames_chosen_for_training_hold_the_rare_views() -> None:
    yaw = np.zeros(400)
    yaw[200:220] = 1.0
    faces = face_boxes(turning(yaw))
    chosen = usable_faces(faces, np.ones(400, bool), 60)
    turned = int(((chosen >= 200) & (chosen < 220)).sum())
    assert turned > 6, "evenly spread over time there would be three"
    assert 55 <= len(chosen) <= 60
    assert chosen[0] < 10
    assert chosen[-1] > 390


def test_a_long_video_is_weighed() -> None:
    views = np.random.default_rng(0).normal(0, 0.3, (100_000, 3)).astype(np.float32)
    assert len(rarity_weights(views)) == 100_000
