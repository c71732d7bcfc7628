"""A foot on the ground has a soft shadow under it, a raised one has none."""

import numpy as np

from dancenow.rendering.contact_shadow import contact_shadow
from dancenow.skeleton import INDEX
from dancenow.types import Pose
from helpers.drawn_world import SIZE_PX, dancer_track

POSE = dancer_track(8).pose[3]
GROUND_PX = float(POSE.xy[:, 1].max())


def shadow_of(pose: Pose) -> np.ndarray:
    found = contact_shadow(pose, GROUND_PX, 84.0, (SIZE_PX, SIZE_PX + 10))
    assert found is not None
    assert found.shape == (SIZE_PX + 10, SIZE_PX, 4)
    assert not found[..., :3].any()
    return found[..., 3]


def at_foot(alpha: np.ndarray, side: str) -> int:
    x, y = POSE.xy[[INDEX[f"{side}_heel"], INDEX[f"{side}_toe"]]].mean(axis=0).round().astype(int)
    return int(alpha[y - 2 : y + 3, x - 2 : x + 3].max())


def test_standing_feet_have_a_faint_shadow_and_nothing_else_has() -> None:
    alpha = shadow_of(POSE)
    for side in ("right", "left"):
        assert 30 < at_foot(alpha, side) < 120
    assert not alpha[: round(GROUND_PX) - 12].any()


def test_a_raised_foot_has_no_shadow() -> None:
    xy = POSE.xy.copy()
    for part in ("ankle", "heel", "toe"):
        xy[INDEX[f"left_{part}"], 1] -= 12
    alpha = shadow_of(Pose(xy, POSE.confidence))
    x = round(float(POSE.xy[INDEX["left_toe"], 0]))
    assert at_foot(alpha, "right") > 30
    assert alpha[:, x:].max() < 20
    gone = Pose(POSE.xy - np.array([0, 30], np.float32), POSE.confidence)
    assert contact_shadow(gone, GROUND_PX, 84.0, (SIZE_PX, SIZE_PX)) is None
