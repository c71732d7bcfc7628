"""One half of the body stands as in the footage while the other dances, and both stay connected."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.errors import InputError
from dancenow.pose.retargeting.kept_half import keep_half, standing_frame
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.stick_dancers import FEET, dance

HIPS = [INDEX["right_hip"], INDEX["left_hip"]]
ARMS = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("elbow", "wrist")]
BONES = [(INDEX[f"{s}_{a}"], INDEX[f"{s}_{b}"]) for s in ("right", "left") for a, b in (("hip", "knee"), ("knee", "ankle"))]
BONES += [(INDEX["neck"], HIPS[0]), (INDEX["neck"], HIPS[1])]
TRUNK_AND_HEAD = [INDEX[name] for name in ("neck", "nose", "right_shoulder", "left_shoulder")]


def footage() -> PoseTrack:
    """Somebody who dances for two seconds and then stands still, a little to the right."""
    track = dance(1.6, 120, x_m=0.5)
    xy = track.pose.xy.copy()
    xy[60:] = xy[60]
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def moved(track: PoseTrack, keypoints: list[int]) -> float:
    """How far these keypoints move, in px."""
    return float(np.ptp(track.pose.xy[:, keypoints], axis=0).max())


def test_the_standing_pose_is_the_calmest_one() -> None:
    assert standing_frame(footage()) > 60
    never = footage()
    never = replace(
        never, pose=Pose(never.pose.xy, np.where(np.isin(np.arange(28), FEET), 0, 0.9)[None].repeat(120, 0).astype("f4"))
    )
    with pytest.raises(InputError, match="never shows the person standing upright"):
        standing_frame(never)


def test_kept_legs_stand_while_the_upper_body_dances() -> None:
    standing, dancing = footage(), dance(1.6, 90, x_m=-0.6, z_m=(4.5, 3.6), jump_m=0.3)
    kept = keep_half(dancing, standing, "lower")
    still = standing.pose.xy[standing_frame(standing)]
    np.testing.assert_allclose(kept.pose.xy[:, FEET], np.broadcast_to(still[FEET], (90, len(FEET), 2)), atol=1e-3)
    torso_px = float(np.linalg.norm(still[INDEX["neck"]] - still[HIPS].mean(axis=0)))
    assert moved(kept, HIPS) < 0.3 * torso_px
    assert moved(kept, ARMS) > 0.25 * torso_px
    relative, before = (
        (track.pose.xy[:, ARMS] - track.pose.xy[:, HIPS].mean(axis=1, keepdims=True)) for track in (kept, dancing)
    )
    assert np.corrcoef(relative[..., 1].ravel(), before[..., 1].ravel())[0, 1] > 0.95
    for start, end in BONES:
        lengths = np.linalg.norm(kept.pose.xy[:, start] - kept.pose.xy[:, end], axis=1)
        own = float(np.linalg.norm(still[start] - still[end]))
        assert (np.abs(lengths - own) < 0.3 * own).all(), "the body stays connected"


def test_a_kept_upper_body_rides_on_dancing_legs() -> None:
    standing, dancing = footage(), dance(1.6, 180, x_m=-0.6, z_m=(4.5, 3.6))
    kept = keep_half(dancing, standing, "upper")
    np.testing.assert_array_equal(kept.pose.xy[:, FEET], dancing.pose.xy[:, FEET])
    middle = kept.pose.xy[:, HIPS].mean(axis=1, keepdims=True)
    sizes = np.ptp(kept.pose.xy[:, TRUNK_AND_HEAD, 1], axis=1)
    held = (kept.pose.xy[:, [*ARMS, *TRUNK_AND_HEAD]] - middle) / sizes[:, None, None]
    assert np.ptp(held, axis=0).max() < 0.02
    assert sizes.max() > 1.1 * sizes.min(), "it grows as the dancer comes nearer"


def test_where_nobody_dances_nobody_stands() -> None:
    dancing = dance(1.6, 30)
    status, confidence = dancing.status.copy(), dancing.pose.confidence.copy()
    status[10:15], confidence[10:15] = FrameStatus.MISSING, 0
    gone = replace(dancing, status=status, pose=Pose(dancing.pose.xy, confidence, dancing.pose.depth))
    assert keep_half(gone, footage(), "none") is gone
    for half in ("lower", "upper"):
        kept = keep_half(gone, footage(), half)
        assert (kept.pose.confidence[10:15] == 0).all()
        assert (kept.pose.confidence[:10] > 0).all()
