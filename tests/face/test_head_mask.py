"""A refined face changes the person and not the background beside the head, and its detail ends softly."""

import numpy as np

from dancenow.face.face_tracking import face_boxes
from dancenow.face.head_mask import covered_by_person, fade_detail, head_outline
from helpers.faces import turning


def test_the_outline_follows_the_heads_rotation_and_ends_before_the_window() -> None:
    level, tilted = (face_boxes(turning(np.zeros(1), roll=np.array([roll]))) for roll in (0.0, np.pi / 4))
    correlation = []
    for faces in (level, tilted):
        mask = head_outline(faces, 0)
        assert mask[faces.size_px // 2, faces.size_px // 2] == 1
        assert max(mask[0].max(), mask[:, 0].max(), mask[-1].max(), mask[:, -1].max()) < 0.02
        assert np.abs(np.diff(mask, axis=0)).max() < 0.1, "no edge is visible"
        rows, columns = np.nonzero(mask > 0.99)
        correlation.append(abs(float(np.corrcoef(rows, columns)[0, 1])))
    assert correlation[0] < 0.02 < 0.1 < correlation[1]


def test_the_background_beside_the_head_is_not_touched() -> None:
    faces = face_boxes(turning(np.zeros(1)))
    background = np.random.default_rng(0).integers(0, 256, (500, 400, 3)).astype(np.uint8)
    frame = background.copy()
    frame[70:130, 180:220] = 128  # a head 60 px high at (200, 100)
    mask = covered_by_person(frame, background, faces, 0)
    scale, shift = faces.to_canvas[0, 0, 0], faces.to_canvas[0, :, 2]
    inside, beside = (np.rint(scale * np.array(place) + shift).astype(int) for place in ([200, 100], [235, 100]))
    assert mask[inside[1], inside[0]] > 0.999
    assert mask[beside[1], beside[0]] < 0.01
    assert covered_by_person(background, background, faces, 0).max() == 0


def test_fine_detail_ends_before_the_rim_and_stays_on_the_face() -> None:
    checks = np.float32(20) * (1 - 2 * (np.indices((128, 128)).sum(axis=0) % 2))
    change = np.repeat(checks[..., None], 3, axis=2)
    faded = fade_detail(change)
    np.testing.assert_allclose(faded[32:96, 32:96], change[32:96, 32:96], atol=1e-3)
    assert np.abs(faded[0]).max() < 1
