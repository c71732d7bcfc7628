"""A half body dances as a half body: no floating trunk, no stumps, no legs that nobody has seen, and nothing drops or jumps."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.retargeting.incomplete_bodies import complete_body
from dancenow.pose.retargeting.registry import RetargetingKind, fit_retargeter, retarget
from dancenow.pose.visible_extent import PARTS, Extent, drop_unseen, visible_extent
from dancenow.rendering.transfer_warnings import body_warnings
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.stick_dancers import FEET, LEGS, dance, mean_error

KNEES_CUT, ANKLES_CUT, HIPS_CUT = 300, 365, 240
"""Lower edges of the frame that cut `dance(1.7)` between hips and knees, above the ankles, and above the hips."""
HIPS = [INDEX["right_hip"], INDEX["left_hip"]]


def cropped(track: PoseTrack, height_px: int, guess: float = 0.02) -> PoseTrack:
    """The track as a detector sees it in a frame of that height: what lies below is a wild guess of low confidence."""
    xy, confidence = track.pose.xy.copy(), track.pose.confidence.copy()
    below = xy[..., 1] > height_px
    xy[below] += np.abs(np.random.default_rng(0).normal(0, 30, xy[below].shape))
    confidence[below] = guess
    return drop_unseen(replace(track, pose=Pose(xy, confidence, track.pose.depth), height_px=height_px))


def moved(source: PoseTrack, target: PoseTrack, kind: RetargetingKind = "auto") -> PoseTrack:
    body = complete_body(source, target)
    return retarget(body, fit_retargeter(kind, body, target), target)


@pytest.mark.parametrize(
    ("height_px", "extent"),
    [(480, Extent.FULL), (ANKLES_CUT, Extent.KNEES_UP), (KNEES_CUT, Extent.WAIST_UP), (HIPS_CUT, Extent.HEAD_AND_SHOULDERS)],
)
def test_the_extent_is_what_the_frame_shows(height_px: int, extent: Extent) -> None:
    track = cropped(dance(1.7), height_px)
    assert visible_extent(track).extent == extent
    assert (track.pose.confidence[:, visible_extent(track).hidden] == 0).all()


def test_a_few_lucky_guesses_do_not_make_feet() -> None:
    track = cropped(dance(1.7), KNEES_CUT)
    confidence = track.pose.confidence.copy()
    confidence[::10, FEET] = 0.5
    assert visible_extent(replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))).extent == Extent.WAIST_UP


def test_a_whole_body_is_left_alone() -> None:
    source, target = dance(1.7), dance(1.4)
    assert drop_unseen(source) is source
    assert complete_body(source, target) is source


@pytest.mark.parametrize("height_px", [ANKLES_CUT, KNEES_CUT, HIPS_CUT])
@pytest.mark.parametrize("kind", ["auto", "paper", "skeletal"])
def test_a_half_body_makes_a_whole_target_stand_on_its_ground(height_px: int, kind: RetargetingKind) -> None:
    whole, target = dance(1.7), dance(1.5, z_m=(4.2, 4.2))
    result = moved(cropped(whole, height_px), target, kind)
    assert (result.pose.confidence > 0.5).all(), "nothing is missing"
    truth = moved(whole, target, kind).pose
    upper = [INDEX[name] for name in ("neck", "nose", "right_elbow", "left_elbow")]
    assert mean_error(result.pose, truth, upper) < 0.08
    assert mean_error(result.pose, truth, FEET) < 0.12
    soles = result.pose.xy[:, [INDEX["right_heel"], INDEX["left_heel"]], 1]
    assert np.ptp(soles) < 0.06 * np.ptp(truth.xy[0, :, 1]), "the feet keep still"


def test_leaning_does_not_make_the_body_drop() -> None:
    """The trunk seems shorter while it bends forward; the hips stay where they are."""
    source, target = cropped(dance(1.7), KNEES_CUT), dance(1.7)
    xy = source.pose.xy.copy()
    share = np.sin(np.linspace(0, np.pi, 30))[:, None]
    above = [i for i in range(xy.shape[1]) if i not in (*LEGS, *HIPS)]
    hips_y = xy[30:60, HIPS, 1].mean(axis=1, keepdims=True)
    xy[30:60, above, 1] += 0.5 * share * (hips_y - xy[30:60, above, 1])
    result = moved(replace(source, pose=Pose(xy, source.pose.confidence, source.pose.depth)), target)
    hips = result.pose.xy[:, HIPS, 1].mean(axis=1)
    assert np.ptp(hips) < 0.03 * np.ptp(target.pose.xy[0, :, 1])


def test_feet_that_are_cut_off_for_a_moment_stay_where_they_are() -> None:
    whole, target = dance(1.7), dance(1.5)
    xy, confidence = whole.pose.xy.copy(), whole.pose.confidence.copy()
    xy[40:60, FEET, 1] += 150  # below the frame
    confidence[40:60, FEET] = 0.1
    cut = drop_unseen(replace(whole, pose=Pose(xy, confidence, whole.pose.depth)))
    result = moved(cut, target)
    assert (result.pose.confidence[40:60, FEET] > 0.5).all()
    assert mean_error(result.pose, moved(whole, target).pose, FEET) < 0.04
    assert any("feet are cut off" in each for each in body_warnings(cut, target))


@pytest.mark.parametrize("source_height_px", [480, KNEES_CUT])
def test_a_half_target_shows_neither_legs_nor_the_end_of_its_trunk(source_height_px: int) -> None:
    target = cropped(dance(1.5), 330)
    source = cropped(dance(1.7, jump_m=0.5, z_m=(4.5, 6.5)), source_height_px)
    result = moved(source, target)
    assert (result.pose.confidence[:, [*PARTS["knees"], *PARTS["feet"]]] == 0).all()
    hips = result.pose.xy[:, HIPS, 1].mean(axis=1)
    shown = target.pose.xy[:, HIPS, 1].mean(axis=1)
    assert hips.min() > np.median(shown) - 3, "the trunk never rises out of the frame's lower edge"
    assert abs(np.median(hips) - np.median(shown)) < 40


def test_frames_without_anybody_stay_empty() -> None:
    source = cropped(dance(1.7), KNEES_CUT)
    confidence, status = source.pose.confidence.copy(), source.status.copy()
    confidence[:20], status[:20] = 0, FrameStatus.MISSING
    late = replace(source, pose=Pose(source.pose.xy, confidence, source.pose.depth), status=status)
    result = moved(late, dance(1.5))
    assert (result.pose.confidence[:20] == 0).all()
    assert (result.pose.confidence[20:] > 0.5).all()


def test_a_headless_source_gets_a_head() -> None:
    whole = dance(1.7)
    confidence = whole.pose.confidence.copy()
    confidence[:, list(PARTS["head"])] = 0
    headless = replace(whole, pose=Pose(whole.pose.xy, confidence, whole.pose.depth))
    result, truth = moved(headless, dance(1.5)), moved(whole, dance(1.5))
    assert mean_error(result.pose, truth.pose, list(PARTS["head"])) < 0.05
    (warning,) = body_warnings(headless, whole)
    assert "head" in warning


@pytest.mark.parametrize(("source_px", "target_px", "said"), [
    (480, 480, ()),
    (KNEES_CUT, 480, ("from the waist up: its legs",)),
    (HIPS_CUT, 480, ("as head and shoulders: its trunk and legs",)),
    (ANKLES_CUT, 480, ("from the knees up: the feet",)),
    (480, KNEES_CUT, ("target's footage shows them only from the waist up",)),
    (KNEES_CUT, KNEES_CUT, ("target's footage shows them only from the waist up",)),
])  # fmt: skip
def test_one_sentence_says_what_will_be_missing(source_px: int, target_px: int, said: tuple[str, ...]) -> None:
    warnings = body_warnings(cropped(dance(1.7), source_px), cropped(dance(1.7), target_px))
    assert len(warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, warnings, strict=True))


def test_sitting_and_lying_keep_size_and_floor() -> None:
    """A body that lies down in the second half, and one that sits throughout; depth is unknown in both."""
    standing, target = dance(1.7), dance(1.5, z_m=(4.2, 4.2))
    expected = moved(standing, target).pose.xy
    xy = standing.pose.xy.copy()
    hips = xy[:, HIPS].mean(axis=1, keepdims=True)
    turned = np.stack([xy[..., 1] - hips[..., 1], 0.5 * (hips[..., 0] - xy[..., 0])], axis=-1)
    floor = xy[:, [INDEX["right_heel"]], 1]
    xy[45:] = (turned + np.stack([hips[..., 0], floor - 20], axis=-1))[45:]
    lying = moved(replace(standing, pose=Pose(xy, standing.pose.confidence, standing.pose.depth)), target).pose.xy
    heel = INDEX["right_heel"]
    assert np.abs(lying[50:, heel, 1] - expected[50:, heel, 1]).max() < 25
    assert np.ptp(lying[60, :, 0]) == pytest.approx(np.ptp(expected[60, :, 1]), rel=0.1), "as long as the body is tall"
    seated = standing.pose.xy.copy()
    upper = [i for i in range(seated.shape[1]) if i not in LEGS]
    seated[:, upper, 1] += 60
    sitting = moved(replace(standing, pose=Pose(seated, standing.pose.confidence, standing.pose.depth)), target).pose.xy
    torso = [np.linalg.norm(each[30, INDEX["neck"]] - each[30, HIPS].mean(axis=0)) for each in (sitting, expected)]
    assert torso[0] == pytest.approx(torso[1], rel=0.1)
    assert sitting[30, heel, 1] == pytest.approx(expected[30, heel, 1], abs=15)
