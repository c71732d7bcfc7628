"""Random expressions: mouth, eyelids and brows move within their ranges, and the head stays in place."""

import numpy as np

from dancenow.face.expression import measure_expression
from dancenow.face.expression_augmentation import BROW_RAISE, MOUTH_OPENING, randomize_expressions
from dancenow.face.face_track import EXPRESSION, PARTS
from dancenow.types import FloatArray
from helpers.faces import HEIGHT_PX, mouthing, turning


def faces(count: int = 40, yaw: float = 0.0) -> FloatArray:
    return mouthing(turning(np.full(count, yaw)), np.linspace(0, 0.05, count)).landmarks


def test_mouth_openings_cover_their_range() -> None:
    moved = randomize_expressions(faces(), np.random.default_rng(0))
    opening = measure_expression(moved)[:, EXPRESSION.index("mouth_opening")]
    assert opening.min() < MOUTH_OPENING[0] + 0.02
    assert 0.8 * MOUTH_OPENING[1] < opening.max() < 1.2 * MOUTH_OPENING[1]
    width = measure_expression(moved)[:, EXPRESSION.index("mouth_width")]
    assert np.ptp(width) > 0.2 * width.max()


def test_the_head_stays_and_brows_and_eyelids_move() -> None:
    before = faces(yaw=0.5)
    moved = randomize_expressions(before, np.random.default_rng(1))
    still = [*range(PARTS["nose_bridge"].start, PARTS["nostrils"].stop), 36, 39, 42, 45, 0, 1, 2, 14, 15, 16]
    np.testing.assert_allclose(moved[:, still], before[:, still], atol=1e-3)
    rise = (before - moved)[:, PARTS["left_brow"], 1] / HEIGHT_PX
    assert BROW_RAISE[0] * 1.2 < rise.min() < 0 < rise.max() < BROW_RAISE[1] * 1.2
    lids = measure_expression(moved)[:, EXPRESSION.index("left_eye_opening")]
    assert lids.min() < 0.5 * np.median(lids)  # some faces blink
    assert (np.abs(lids - np.median(lids)) < 1e-3).mean() > 0.5  # most do not


def test_the_same_seed_gives_the_same_faces() -> None:
    one, other = (randomize_expressions(faces(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
