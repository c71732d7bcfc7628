"""The paper's map on stick figures with known truth: another body on the same path, seen by the same camera."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dancenow.errors import UserError
from dancenow.pose.body_statistics import BodyStatistics, body_statistics, sole_y, standing_line
from dancenow.pose.retargeting.registry import GlobalScaleRetargeter, fit_global_scale, fit_retargeter, load_retargeter
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.stick_dancers import FEET, LEGS, UPPER, Camera, dance, mean_error, track_of, without

NEAR_AND_FAR = (3.5, 6.5)

heights_m = st.floats(1.2, 2.0)
places_m = st.floats(-0.8, 0.8)
depths_m = st.tuples(st.floats(3.0, 7.0), st.floats(3.0, 7.0))
quick = settings(deadline=None, max_examples=25, derandomize=True)


def paper(source: PoseTrack, target: PoseTrack) -> GlobalScaleRetargeter:
    fitted = fit_retargeter("paper", source, target)
    assert isinstance(fitted, GlobalScaleRetargeter)
    return fitted


@pytest.mark.parametrize("z_m", [(4.5, 4.5), NEAR_AND_FAR], ids=["in place", "to and fro"])
def test_poses_of_one_body_become_those_of_another(z_m: tuple[float, float]) -> None:
    tall, small = dance(1.75, z_m=z_m, jump_m=0.3), dance(1.3, z_m=z_m)
    truth = dance(1.3, z_m=z_m, jump_m=0.3 * 1.3 / 1.75)
    assert mean_error(tall.pose, truth.pose) > 0.1
    assert mean_error(fit_retargeter("paper", tall, small)(tall.pose), truth.pose) < 0.02


@pytest.mark.parametrize("z_m", [(4.5, 4.5), NEAR_AND_FAR], ids=["in place", "to and fro"])
def test_cameras_may_differ(z_m: tuple[float, float]) -> None:
    phone = Camera(1080, 1920, 1500.0, 1.0)
    tall, small = dance(1.75, z_m=z_m), dance(1.3, z_m=z_m, camera=phone)
    mapped = fit_retargeter("paper", tall, small)(tall.pose)
    # The position may be any where the target has stood; body and gait must fit exactly.
    assert mean_error(mapped, small.pose) < 0.02


@quick
@given(height=heights_m, x_m=places_m, z_m=depths_m, jump_m=st.floats(0, 0.5))
def test_a_dancer_mapped_to_themselves_stays(height: float, x_m: float, z_m: tuple[float, float], jump_m: float) -> None:
    track = dance(height, x_m=x_m, z_m=z_m, jump_m=jump_m)
    mapped = fit_retargeter("paper", track, track)(track.pose)
    np.testing.assert_allclose(mapped.xy, track.pose.xy, atol=1e-3)
    np.testing.assert_allclose(mapped.depth, track.pose.depth, rtol=1e-6)


@quick
@given(source=heights_m, target=heights_m, z_source=depths_m, z_target=depths_m, line=st.floats(200, 470))
def test_feet_on_the_ground_land_on_the_targets_ground(
    source: float, target: float, z_source: tuple[float, float], z_target: tuple[float, float], line: float
) -> None:
    track = dance(source, z_m=z_source)
    fitted = paper(track, dance(target, z_m=z_target))
    xy = track.pose.xy.copy()
    xy[:, FEET, 1] = line
    mapped = fitted.apply(Pose(xy, track.pose.confidence), np.full(len(track), line))
    expected = fitted.to_target_ground(np.array([line]))[0]
    np.testing.assert_allclose(mapped.xy[:, FEET, 1], expected, atol=1e-3)


@pytest.mark.parametrize("z_m", [(4.5, 4.5), NEAR_AND_FAR], ids=["in place", "to and fro"])
def test_the_ground_line_is_that_of_the_target(z_m: tuple[float, float]) -> None:
    tall, small = dance(1.75, z_m=z_m), dance(1.3, z_m=z_m, x_m=0.4)
    stood, stands = body_statistics(small), fit_retargeter("paper", tall, small)(tall.pose)
    after = body_statistics(track_of(stands, Camera()))
    assert after.ground_near_px == pytest.approx(stood.ground_near_px, abs=3)
    assert after.ground_far_px == pytest.approx(stood.ground_far_px, abs=3)
    assert after.hip_x_px == pytest.approx(stood.hip_x_px, abs=1)
    assert after.height_px == pytest.approx(stood.height_px, rel=0.01)


@quick
@given(source=heights_m, target=heights_m, z_source=depths_m, z_target=depths_m)
def test_the_map_can_be_undone(
    source: float, target: float, z_source: tuple[float, float], z_target: tuple[float, float]
) -> None:
    track = dance(source, z_m=z_source, jump_m=0.3)
    fitted = paper(track, dance(target, z_m=z_target))
    line = fitted.ground_line(track.pose)
    mapped = fitted.apply(track.pose, line)
    back = fitted.inverse().apply(mapped, fitted.to_target_ground(line))
    np.testing.assert_allclose(back.xy, track.pose.xy, atol=2e-2)
    np.testing.assert_allclose(back.depth, track.pose.depth, rtol=1e-4)
    # Without being told the ground line the inverse finds it again, and so nearly the same poses; but not where the map has
    # taken travel away: what little is left of it would be enlarged again with its errors.
    places = [view.far_px / view.height_px for view in (fitted.source, fitted.target)]
    if places[1] > 0.7 * places[0]:
        assert mean_error(fitted.inverse()(mapped), track.pose) < 0.01


@quick
@given(z_source=depths_m, z_target=depths_m, enlargement=st.sampled_from([0.5, 2.0, 3.0]))
def test_the_resolution_of_the_source_does_not_matter(
    z_source: tuple[float, float], z_target: tuple[float, float], enlargement: float
) -> None:
    source, target = dance(1.75, z_m=z_source, jump_m=0.2), dance(1.4, z_m=z_target)
    camera = Camera(round(640 * enlargement), round(480 * enlargement), 700 * enlargement)
    enlarged = dance(1.75, z_m=z_source, jump_m=0.2, camera=camera)
    one, other = fit_retargeter("paper", source, target)(source.pose), fit_retargeter("paper", enlarged, target)(enlarged.pose)
    np.testing.assert_allclose(one.xy, other.xy, atol=2e-2)


@quick
@given(source=heights_m, target=heights_m, z_source=depths_m, z_target=depths_m)
def test_nearer_in_the_source_is_nearer_in_the_target_and_never_smaller(
    source: float, target: float, z_source: tuple[float, float], z_target: tuple[float, float]
) -> None:
    fitted = paper(dance(source, z_m=z_source), dance(target, z_m=z_target))
    lines = np.linspace(-500, 1500, 400)
    assert (np.diff(fitted.to_target_ground(lines)) > 0).all()
    assert (fitted.scale_at(lines) > 0).all()


@quick
@given(travel=st.floats(0.0, 0.3))
def test_a_little_more_travel_changes_the_map_a_little(travel: float) -> None:
    def body(travel: float, height_px: float) -> BodyStatistics:
        near, far_height = 400.0, height_px * (1 - travel)
        far = near - travel * height_px
        return BodyStatistics(640, 480, 30.0, True, far, near, height_px, far_height, height_px, 80.0, 320.0, 250.0)

    one, other = (fit_global_scale(body(t, 280.0), body(t, 200.0)) for t in (travel, travel + 1e-4))
    lines = np.linspace(300, 420, 25)
    np.testing.assert_allclose(one.to_target_ground(lines), other.to_target_ground(lines), atol=0.3)
    np.testing.assert_allclose(one.scale_at(lines), other.scale_at(lines), rtol=5e-3)


def test_a_jump_stays_a_jump() -> None:
    tall, small = dance(1.75, z_m=NEAR_AND_FAR, jump_m=0.5), dance(1.3, z_m=NEAR_AND_FAR)
    still = dance(1.75, z_m=NEAR_AND_FAR)
    fitted = paper(tall, small)
    leap = (fitted(still.pose).xy - fitted(tall.pose).xy)[:, INDEX["neck"], 1]
    scale = fitted.scale_at(fitted.ground_line(tall.pose))
    true_leap = scale * (still.pose.xy - tall.pose.xy)[:, INDEX["neck"], 1]
    assert true_leap.max() > 30
    np.testing.assert_allclose(leap, true_leap, atol=4)


def test_the_same_pose_is_mapped_the_same_alone_when_nobody_travels() -> None:
    tall, small = dance(1.75, jump_m=0.4), dance(1.3)
    fitted = fit_retargeter("paper", tall, small)
    whole = fitted(tall.pose)
    for frame in (0, 45, 89):
        np.testing.assert_allclose(fitted(tall.pose[frame]).xy, whole.xy[frame], atol=1e-3)


def test_a_target_at_a_fixed_distance_stays_near_its_ground_line_and_size() -> None:
    tall, small = dance(1.75, z_m=NEAR_AND_FAR), dance(1.3)
    mapped = paper(tall, small)(tall.pose)
    body, source_track = body_statistics(small), body_statistics(tall)
    line_px = standing_line(sole_y(mapped, 0.05 * body.height_px), tall.fps)
    travelled = (source_track.ground_near_px - source_track.ground_far_px) / source_track.height_px * body.height_px
    assert np.ptp(line_px) < 0.5 * travelled
    assert np.abs(line_px - body.ground_near_px).max() < 0.5 * travelled
    heights = line_px - mapped.xy[:, INDEX["nose"], 1]
    assert heights.min() > 0.8 * np.median(heights)


@pytest.mark.parametrize("hidden", ["source", "target", "both"])
def test_without_feet_torso_and_hips_are_used_and_it_says_so(hidden: str) -> None:
    tall, small = dance(1.75), dance(1.3, x_m=0.5)
    source = without(tall, LEGS) if hidden in ("source", "both") else tall
    target = without(small, LEGS) if hidden in ("target", "both") else small
    fitted = fit_retargeter("paper", source, target)
    assert "feet are not seen" in str(fitted)
    mapped = fitted(source.pose)
    assert mean_error(mapped, small.pose, UPPER) < 0.02


def test_ankles_alone_give_the_same_ground_as_whole_feet() -> None:
    tall, small = dance(1.75), dance(1.3)
    soles = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("heel", "toe")]
    eighteen = without(tall, soles)
    mapped = fit_retargeter("paper", eighteen, small)(eighteen.pose)
    assert mean_error(mapped, small.pose, UPPER) < 0.04


def test_frames_without_feet_or_without_a_person_do_not_change_the_others() -> None:
    tall, small = dance(1.75, z_m=NEAR_AND_FAR), dance(1.3, z_m=NEAR_AND_FAR)
    gaps = without(without(tall, LEGS, slice(30, 50)), list(range(len(INDEX))), slice(60, 63))
    whole, holed = fit_retargeter("paper", tall, small)(tall.pose), fit_retargeter("paper", gaps, small)(gaps.pose)
    assert np.isfinite(holed.xy).all()
    present = np.r_[0:30, 50:60, 63:90]
    assert mean_error(holed[present], whole[present]) < 0.02
    assert mean_error(holed[30:50], whole[30:50], UPPER) < 0.02


def test_a_few_outlier_frames_do_not_change_the_map() -> None:
    tall, small = dance(1.75, 150), dance(1.3, 150)
    xy = tall.pose.xy.copy()
    xy[20] += [200, 60]
    xy[90] *= 1.5
    wild = track_of(Pose(xy, tall.pose.confidence, tall.pose.depth), Camera())
    calm, moved = fit_retargeter("paper", tall, small)(tall.pose), fit_retargeter("paper", wild, small)(tall.pose)
    assert mean_error(moved, calm) < 0.01


def test_repeating_the_motion_does_not_change_the_statistics() -> None:
    once, twice = body_statistics(dance(1.6, 60)), body_statistics(dance(1.6, 120))
    assert twice.height_px == pytest.approx(once.height_px, rel=0.01)
    assert twice.ground_near_px == pytest.approx(once.ground_near_px, abs=1)


def test_saved_statistics_give_the_same_map() -> None:
    tall, small = dance(1.75, z_m=NEAR_AND_FAR), dance(1.3, z_m=NEAR_AND_FAR)
    kept = BodyStatistics.from_json(json.loads(json.dumps(body_statistics(small).to_json())))
    assert fit_retargeter("paper", tall, kept) == fit_retargeter("paper", tall, small)


@pytest.mark.parametrize("change", [{"height_px": None}, {"height_px": float("nan")}, {"unknown": 1.0}])
def test_damaged_statistics_are_refused(change: dict[str, float | None]) -> None:
    saved = body_statistics(dance(1.7)).to_json() | change
    with pytest.raises(UserError, match="damaged"):
        BodyStatistics.from_json(saved)


@pytest.mark.parametrize("saved", [{}, {"kind": "later"}, {"kind": "paper", "source": {}}])
def test_damaged_maps_are_refused(saved: dict[str, object]) -> None:
    with pytest.raises(UserError, match="damaged"):
        load_retargeter(saved)


def test_a_track_without_a_torso_is_refused_with_the_remedy() -> None:
    legs_only = without(dance(1.7), [INDEX["neck"], INDEX["right_hip"]])
    with pytest.raises(UserError, match="film the whole body"):
        body_statistics(legs_only)


def test_the_summary_contains_scale_and_shift() -> None:
    half = fit_retargeter("paper", dance(1.8), dance(0.9))
    assert "scale 0.500" in str(half)
    assert "near to" in str(fit_retargeter("paper", dance(1.8, z_m=NEAR_AND_FAR), dance(0.9, z_m=(4.5, 6.5))))


def test_the_standing_line_bridges_jumps_and_follows_walks() -> None:
    walk = np.linspace(400, 300, 120)
    jumping = walk.copy()
    jumping[50:62] -= 60 * np.sin(np.linspace(0, np.pi, 12))
    line = standing_line(jumping, 30.0)
    np.testing.assert_allclose(line, walk, atol=12)
    np.testing.assert_allclose(standing_line(walk, 30.0)[20:-20], walk[20:-20], atol=1)
    assert sole_y(dance(1.7).pose, 0.0).shape == (90,)


def test_statistics_match_the_true_body() -> None:
    body = body_statistics(dance(1.75))
    # Nose to ankle of the stick figure is 0.955 of 1.75 m; 700 px focal length at 4.5 m.
    assert body.height_px == pytest.approx(0.955 * 1.75 * 700 / 4.5, rel=0.02)
    assert body.ground_near_px == pytest.approx(240 + 1.3 * 700 / 4.5, abs=1)
    assert body.depth_travel < 0.02
    travelling = body_statistics(dance(1.75, z_m=NEAR_AND_FAR))
    assert travelling.height_far_px / travelling.height_near_px == pytest.approx(3.7 / 6.2, rel=0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        body.height_px = 1.0  # type: ignore[misc]


def test_without_normalization_no_statistics_are_needed() -> None:
    unseen = without(dance(1.75), UPPER + LEGS)
    with pytest.raises(UserError, match="shoulders"):
        fit_retargeter("paper", unseen, unseen)
    assert fit_retargeter("none", unseen, unseen)(unseen.pose) is unseen.pose
