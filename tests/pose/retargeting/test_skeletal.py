"""Skeletal retargeting of stick figures: the target's limb lengths, the source's directions, planted feet, no outliers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dancenow.pose.retargeting.body_model import fit_body_model
from dancenow.pose.retargeting.joints import HIPS, NUM_JOINTS, TREE
from dancenow.pose.retargeting.registry import GlobalScaleRetargeter, fit_retargeter, load_retargeter
from dancenow.pose.retargeting.skeletal import SkeletalRetargeter
from dancenow.skeleton import INDEX, MIRROR
from dancenow.types import Pose, PoseTrack
from helpers.stick_dancers import FEET, LEGS, UPPER, Camera, dance, mean_error, track_of, without

ARMS = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("elbow", "wrist", "thumb", "index", "pinky")]
HANDS = [INDEX["right_wrist"], INDEX["left_wrist"]]


def bones(source: PoseTrack, target: PoseTrack) -> SkeletalRetargeter:
    fitted = fit_retargeter("skeletal", source, target)
    assert isinstance(fitted, SkeletalRetargeter)
    return fitted


def with_arms(track: PoseTrack, longer: float) -> PoseTrack:
    """The same person with another arm length."""
    xy = track.pose.xy.copy()
    for side in ("right", "left"):
        own = [k for k in ARMS if k in [INDEX[f"{side}_{part}"] for part in ("elbow", "wrist", "thumb", "index", "pinky")]]
        shoulder = xy[:, INDEX[f"{side}_shoulder"]][:, None]
        xy[:, own] = shoulder + longer * (xy[:, own] - shoulder)
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def with_pose(track: PoseTrack, xy: np.ndarray) -> PoseTrack:
    return replace(track, pose=Pose(xy.astype(np.float32), track.pose.confidence, track.pose.depth))


@pytest.mark.parametrize("longer", [0.85, 1.15])
def test_skeletal_uses_the_targets_arm_length_and_the_paper_does_not(longer: float) -> None:
    tall, small = dance(1.75), with_arms(dance(1.3), longer)
    by_bones, by_paper = (fit_retargeter(kind, tall, small)(tall.pose) for kind in ("skeletal", "paper"))
    assert mean_error(by_bones, small.pose, ARMS) < 0.75 * mean_error(by_paper, small.pose, ARMS)
    assert mean_error(by_bones, small.pose, LEGS) < 0.02


def test_limb_directions_are_those_of_the_source() -> None:
    tall, small = dance(1.75), with_arms(dance(1.3), 1.2)
    mapped = fit_retargeter("skeletal", tall, small)(tall.pose)
    for a, b in (("right_elbow", "right_wrist"), ("left_shoulder", "left_elbow"), ("neck", "nose")):
        before, after = (pose.xy[:, INDEX[b]] - pose.xy[:, INDEX[a]] for pose in (tall.pose, mapped))
        angles = np.arctan2(before[:, 1], before[:, 0]) - np.arctan2(after[:, 1], after[:, 0])
        assert np.abs(np.degrees((angles + np.pi) % (2 * np.pi) - np.pi)).max() < 4


@settings(deadline=None, max_examples=6, derandomize=True)
@given(height=st.floats(1.2, 2.0), x_m=st.floats(-0.6, 0.6), jump_m=st.floats(0, 0.5))
def test_a_dancer_mapped_to_themselves_stays(height: float, x_m: float, jump_m: float) -> None:
    track = dance(height, x_m=x_m, jump_m=jump_m)
    assert (
        mean_error(fit_retargeter("skeletal", track, track)(track.pose), track.pose) < 0.012
    )  # arms of varying length disturb sizes


def test_a_standing_foot_does_not_slide_and_stands_on_the_targets_ground() -> None:
    tall, small = dance(1.8), dance(1.2, x_m=0.1)
    mapped = fit_retargeter("skeletal", tall, small)(tall.pose)
    right = mapped.xy[:, [INDEX["right_heel"], INDEX["right_toe"]]]
    assert np.ptp(right, axis=0).max() < 0.5
    np.testing.assert_allclose(mapped.xy[:, FEET, 1].max(axis=1), small.pose.xy[:, FEET, 1].max(), atol=2)


def test_jump_height_scales_with_leg_length() -> None:
    tall, small = dance(1.8, jump_m=0.5), dance(1.2)
    mapped, still = fit_retargeter("skeletal", tall, small)(tall.pose), fit_retargeter("skeletal", tall, small)(dance(1.8).pose)
    leap = (still.xy - mapped.xy)[:, INDEX["neck"], 1]
    true_leap = (dance(1.2).pose.xy - dance(1.2, jump_m=0.5 * 1.2 / 1.8).pose.xy)[:, INDEX["neck"], 1]
    assert true_leap.max() > 40
    np.testing.assert_allclose(leap, true_leap, atol=6)


def test_hands_that_touch_stay_together() -> None:
    tall, small = dance(1.75), with_arms(dance(1.3), 0.7)
    xy = tall.pose.xy.copy()
    meet = xy[:, HANDS].mean(axis=1)
    for side in ("right", "left"):
        away = meet - xy[:, INDEX[f"{side}_wrist"]]
        for part, share in (("elbow", 0.5), ("wrist", 1.0), ("thumb", 1.0), ("index", 1.0), ("pinky", 1.0)):
            xy[:, INDEX[f"{side}_{part}"]] += share * away
    clapping = with_pose(tall, xy)
    mapped = bones(tall, small)(clapping.pose)
    apart = np.linalg.norm(mapped.xy[:, HANDS[0]] - mapped.xy[:, HANDS[1]], axis=1)
    assert apart.max() < 0.03 * fit_body_model(small).height_px


@settings(deadline=None, max_examples=10, derandomize=True)
@given(seed=st.integers(0, 2**31), share=st.floats(0.02, 0.7), nonsense=st.sampled_from([-1.0, 0.0, 5000.0]))
def test_missing_joints_bring_no_nan_and_no_limb_flies(seed: int, share: float, nonsense: float) -> None:
    tall, small = dance(1.75, jump_m=0.2), with_arms(dance(1.3), 1.1)
    fitted, whole = bones(tall, small), bones(tall, small)(tall.pose)
    random = np.random.default_rng(seed)
    gone = random.random(tall.pose.confidence.shape) < share
    gone[20:30, random.random(28) < share] = True
    gone[40:44] = True
    xy, confidence = tall.pose.xy.copy(), tall.pose.confidence.copy()
    xy[gone], confidence[gone] = nonsense, 0
    mapped = fitted(Pose(xy, confidence, tall.pose.depth))
    assert np.isfinite(mapped.xy).all()
    np.testing.assert_array_equal(mapped.confidence, confidence)
    off = np.linalg.norm(mapped.xy - whole.xy, axis=-1)[~gone] / fit_body_model(small).height_px
    assert off.max() < 0.5
    assert np.median(off) < 0.12


@pytest.mark.parametrize("hidden", ["source", "target", "both"])
def test_half_bodies_are_placed_by_their_hips(hidden: str) -> None:
    tall, small = dance(1.75, 600), dance(1.3, 600, x_m=0.5)
    source = without(tall, LEGS) if hidden in ("source", "both") else tall
    target = without(small, LEGS) if hidden in ("target", "both") else small
    fitted = fit_retargeter("skeletal", source, target)
    assert "feet are not seen" in str(fitted)
    assert mean_error(fitted(source.pose), small.pose, UPPER) < 0.12


def test_a_person_seen_from_behind_is_retargeted() -> None:
    tall, small = dance(1.75), dance(1.3)
    back = tall.pose.xy[:, MIRROR].copy()  # seen from behind, left and right swap
    mapped = bones(tall, small)(Pose(back, tall.pose.confidence, tall.pose.depth))
    front = bones(tall, small)(tall.pose)
    assert mean_error(Pose(mapped.xy[:, MIRROR].copy(), mapped.confidence), front) < 0.02


def test_leaving_the_frame_does_not_change_other_frames() -> None:
    tall, small = dance(1.75), dance(1.3)
    leaving = without(tall, list(range(14, 28)) + LEGS, slice(50, 90))
    mapped, whole = bones(tall, small)(leaving.pose), bones(tall, small)(tall.pose)
    body = [INDEX[name] for name in ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")]
    assert mean_error(mapped[50:], whole[50:], body) < 0.03


def test_the_summary_contains_scale_shift_and_body_differences() -> None:
    sentence = str(fit_retargeter("skeletal", dance(1.8), with_arms(dance(0.9), 1.3)))
    assert "scale 0.5" in sentence
    assert "-> (320, " in sentence
    assert "bodies differ by" in sentence
    assert "most in the" in sentence


def test_auto_selects_paper_without_legs_and_skeletal_with_them() -> None:
    half = without(dance(1.75), [*LEGS, INDEX["right_knee"], INDEX["left_knee"]])
    assert isinstance(fit_retargeter("auto", half, dance(1.3)), GlobalScaleRetargeter)
    assert isinstance(fit_retargeter("auto", dance(1.75), dance(1.3)), SkeletalRetargeter)


def test_longer_legs_take_longer_steps() -> None:
    walk, small = dance(1.75, 120, z_m=(3.5, 6.5)), dance(1.3, 120, z_m=(3.5, 6.5))
    level = Camera()
    truth = dance(1.3, 120, camera=level, z_m=(3.5, 6.5))
    mapped = fit_retargeter("skeletal", walk, small)(walk.pose)
    assert mean_error(mapped, truth.pose) < 0.08
    assert np.isfinite(fit_body_model(track_of(mapped, level)).height_px)


def test_a_short_part_of_the_source_keeps_its_position_in_the_room() -> None:
    """Both cameras show the center of the room; a part performed off-center is off-center for the target, too."""
    whole, small = dance(1.75, 600), dance(1.3, 600)
    sway = 80 * np.sin(np.arange(600) / 95)[:, None]
    for track in (whole, small):
        track.pose.xy[..., 0] += np.float32(sway)
    part = replace(
        whole, pose=whole.pose[120:192], time_s=whole.time_s[120:192] - whole.time_s[120], status=whole.status[120:192]
    )
    aside = float(np.median(part.pose.xy[:, INDEX["neck"], 0])) - 320
    placed = {
        kind: fit_retargeter(kind, part, small)(part.pose).xy[:, INDEX["neck"], 0] - 320 for kind in ("skeletal", "paper")
    }
    assert abs(aside) > 60
    assert np.median(placed["skeletal"]) > 0.4 * aside
    assert abs(np.median(placed["paper"])) < 0.2 * aside


def test_motion_across_a_wide_frame_fits_into_a_narrow_one() -> None:
    wide = dance(1.2)
    xy = wide.pose.xy + np.array([700, 0], np.float32)
    wide = replace(wide, pose=Pose(xy, wide.pose.confidence, wide.pose.depth), width_px=2000)
    narrow = replace(dance(1.3), width_px=640)
    hips = fit_retargeter("skeletal", wide, narrow)(wide.pose).xy[:, INDEX["right_hip"], 0]
    assert (hips > 0).all()
    assert (hips < 640).all()


def test_the_person_stays_far_enough_for_the_feet_to_be_in_the_frame() -> None:
    coming, small = dance(1.75, 120, z_m=(6.0, 2.5), camera=Camera(height_px=900)), dance(1.3)
    mapped = fit_retargeter("skeletal", coming, small)(coming.pose)
    assert mapped.xy[:, FEET, 1].max() < 1.05 * small.height_px


def test_every_joint_follows_its_parent() -> None:
    placed = {HIPS}
    for joint, parent, _ in TREE:
        assert parent in placed
        placed.add(joint)
    assert placed == set(range(NUM_JOINTS))


def test_with_the_same_camera_the_position_in_the_frame_is_kept() -> None:
    source, footage = dance(1.75, x_m=0.7), dance(1.5, x_m=-0.5)
    truth = dance(1.5, x_m=0.7)
    known, unknown, other = (fit_retargeter("skeletal", source, footage, same) for same in (True, None, False))
    assert mean_error(known(source.pose), truth.pose, FEET) < 0.03
    assert mean_error(other(source.pose), truth.pose, FEET) > 0.3
    assert mean_error(unknown(source.pose), truth.pose, FEET) > mean_error(known(source.pose), truth.pose, FEET)
    assert "the same camera" in str(known)
    assert "the same camera" not in str(other)
    assert load_retargeter(json.loads(json.dumps(known.to_json()))) == known
