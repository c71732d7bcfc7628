"""Estimating camera and floor from a person, and retargeting with them: a rigid person who steps and turns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dancenow.metrics.poses import foot_sliding, ground_error
from dancenow.pose.retargeting import camera_model
from dancenow.pose.retargeting.body_model import fit_body_model
from dancenow.pose.retargeting.foot_contact import bend_leg, footholds
from dancenow.pose.retargeting.registry import fit_retargeter
from dancenow.research.studio.scene import Camera
from dancenow.research.studio.tracks import project_track
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.stick_dancers import STANDING, mean_error

FPS = 24.0
NEAR, FAR = Camera((0.2, -4.2, 1.3), (0.0, 0.0, 1.0), 1.6), Camera((-0.3, -6.0, 0.8), (0.0, 0.0, 1.05), 2.2)


def stepping(nose_m: float, *, legs: float = 1.0, seed: int = 0, beats: int = 24) -> NDArray[np.float64]:
    """World positions [T,K,3] m: every half second a new facing, position and arm pose; the step takes a fifth of it.

    legs: leg length as a fraction of the usual one; steps and paths scale with it.
    """
    random = np.random.default_rng(seed)
    facing, at = random.uniform(-1.1, 1.1, beats), random.uniform(-0.35, 0.35, (beats, 2))
    swing = random.uniform(-1.5, 1.5, (beats, 2))
    time = np.arange(int(beats * FPS / 2)) / FPS * 2
    beat = np.minimum(time.astype(int), beats - 2)
    share = np.clip((time - beat - 0.6) / 0.4, 0, 1)

    def eased(values: NDArray[np.float64]) -> NDArray[np.float64]:
        along = share * share * (3 - 2 * share)
        step = (values[beat + 1] - values[beat]) * along.reshape((-1,) + (1,) * (values.ndim - 1))
        return np.asarray(values[beat] + step, np.float64)

    turn, position, arms = eased(facing), eased(at), eased(swing)
    points = np.zeros((len(time), len(INDEX), 3))
    for name, index in INDEX.items():
        aside, up = STANDING[name]
        up = up * legs if up < 0.56 and "wrist" not in name else up + 0.56 * (legs - 1)
        points[:, index] = [aside, 0.0, up]
    for s, side in enumerate(("right", "left")):
        hang = [INDEX[f"{side}_{part}"] for part in ("elbow", "wrist", "thumb", "index", "pinky")]
        shoulder = points[:, INDEX[f"{side}_shoulder"]].copy()
        along = points[:, hang] - shoulder[:, None]
        cos, sin = np.cos(arms[:, s])[:, None], np.sin(arms[:, s])[:, None]
        points[:, hang, 1] = cos * along[..., 1] + sin * along[..., 2]
        points[:, hang, 2] = shoulder[:, None, 2] + cos * along[..., 2] - sin * along[..., 1]
        points[:, INDEX[f"{side}_toe"], 1] = -0.12
        points[:, INDEX[f"{side}_heel"], 1] = 0.03
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y = points[..., 0].copy(), points[..., 1].copy()
    points[..., 0], points[..., 1] = cos * x - sin * y, sin * x + cos * y
    points *= nose_m
    points[..., :2] += position[:, None] * nose_m * legs
    return points


def track(points: NDArray[np.float64], camera: Camera) -> PoseTrack:
    return project_track(points, camera, 512, 512, FPS)


@pytest.mark.parametrize("camera", [NEAR, FAR])
def test_focal_length_tilt_and_height_of_the_camera_are_estimated_from_the_person(camera: Camera) -> None:
    figure = fit_body_model(track(stepping(1.6), camera))
    true_tilt = np.arcsin(-camera.axes()[2][2])
    assert figure.depth_reliable
    assert figure.camera.focal_px == pytest.approx(camera.focal * 512, rel=0.06)
    assert figure.camera.tilt_rad == pytest.approx(true_tilt, abs=np.radians(1.0))
    per_m = figure.parts_px["shin"] / (0.255 * 1.6)
    assert figure.camera.floor_px / per_m == pytest.approx(camera.position[2], abs=0.1)


def test_a_person_often_still_above_the_floor_does_not_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    points = stepping(1.6)
    points[..., 2] += 0.15 * np.sin(np.arange(len(points)) / 40)[:, None] ** 2  # like motion capture errors

    def wrong_m() -> float:
        figure = fit_body_model(track(points, NEAR))
        return abs(figure.camera.floor_px / figure.parts_px["shin"] * 0.255 * 1.6 - NEAR.position[2])

    weighed = wrong_m()
    monkeypatch.setattr(camera_model, "AIRBORNE_WEIGHT", (1.0, 1.0))
    assert weighed < 0.9 * wrong_m()


def test_the_stage_is_where_a_moving_camera_looks_on_average() -> None:
    seen = track(stepping(1.6), NEAR)
    right = seen.pose.xy + np.array([150.0, 0.0], np.float32)  # the reference view looks past them, to the left
    aside = replace(seen, pose=Pose(right, seen.pose.confidence, seen.pose.depth))

    def stage_x_px(aim_x_px: float | None) -> float:
        return fit_body_model(replace(aside, aim_px=None if aim_x_px is None else (aim_x_px, 255.5))).stage_x_px

    assert stage_x_px(255.5) == pytest.approx(stage_x_px(None))
    hips = float(aside.pose.xy[:, [INDEX["right_hip"], INDEX["left_hip"]], 0].mean()) - 255.5
    assert stage_x_px(None) < stage_x_px(420.0)
    assert stage_x_px(hips + 255.5) == pytest.approx(hips, abs=12)


def test_exaggerated_depth_is_marked_unreliable() -> None:
    seen = track(stepping(1.6), NEAR)
    exaggerated = Pose(seen.pose.xy, seen.pose.confidence, 3 * seen.pose.depth)
    figure = fit_body_model(PoseTrack(exaggerated, seen.time_s, seen.status, 512, 512, "other", ""))
    assert not figure.depth_reliable
    assert fit_body_model(seen).depth_reliable


def test_compressed_depth_is_scaled_to_a_constant_body_height() -> None:
    seen = track(stepping(1.6), NEAR)
    jitter = np.random.default_rng(0).normal(0, 2, seen.pose.xy.shape)
    heights_px = []
    for gain in (1.0, 0.75):
        pose = Pose((seen.pose.xy + jitter).astype(np.float32), seen.pose.confidence, np.float32(gain) * seen.pose.depth)
        model = fit_body_model(PoseTrack(pose, seen.time_s, seen.status, 512, 512, "other", ""))
        heights_px.append(model.height_px)
    assert model.depth_gain == pytest.approx(1 / 0.75, abs=0.1)
    assert heights_px[1] == pytest.approx(heights_px[0], rel=0.01)


def test_retargeting_to_another_body_and_camera_matches_the_true_track() -> None:
    source, footage = track(stepping(1.75), NEAR), track(stepping(1.45, legs=0.9, seed=1), FAR)
    truth = track(stepping(1.45, legs=0.9), FAR)
    moved = {kind: fit_retargeter(kind, source, footage)(source.pose) for kind in ("skeletal", "paper")}
    assert mean_error(moved["skeletal"], truth.pose) < 0.5 * mean_error(moved["paper"], truth.pose)
    result = PoseTrack(moved["skeletal"], truth.time_s, truth.status, 512, 512, "moved", "")
    # The feet of these people slide a little in the source, too.
    assert np.nanmean(foot_sliding(result, truth)) < 0.75 * np.nanmean(foot_sliding(truth, truth))
    assert np.nanmean(ground_error(result, truth)) < 0.06


@settings(deadline=None, max_examples=4, derandomize=True)
@given(seed=st.integers(0, 100), jitter_px=st.floats(0, 3), share=st.floats(0, 0.4))
def test_jitter_and_gaps_bring_no_nan_and_no_limb_longer_than_limbs_are(seed: int, jitter_px: float, share: float) -> None:
    random = np.random.default_rng(seed)
    source, footage = track(stepping(1.75), NEAR), track(stepping(1.45, seed=1), FAR)
    xy = source.pose.xy + random.normal(0, jitter_px, source.pose.xy.shape).astype(np.float32)
    confidence = source.pose.confidence * (random.random(source.pose.confidence.shape) >= share)
    disturbed = Pose(xy, confidence.astype(np.float32), source.pose.depth)
    moved = fit_retargeter("skeletal", source, footage)(disturbed)
    assert np.isfinite(moved.xy).all()
    height_px = fit_body_model(footage).height_px
    for a, b in (("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
        for side in ("right", "left"):
            ends = [INDEX[f"{side}_{end}"] for end in (a, b)]
            there = (confidence[:, ends] > 0).all(axis=1)
            length = np.linalg.norm(moved.xy[there, ends[0]] - moved.xy[there, ends[1]], axis=1)
            assert length.max() < 0.5 * height_px


def test_a_leg_nearly_keeps_its_length() -> None:
    random = np.random.default_rng(0)
    hip = random.normal(0, 1, (200, 3))
    knee = hip + random.normal(0, 1, (200, 3))
    ankle = knee + random.normal(0, 1, (200, 3))
    wanted = ankle + random.normal(0, 0.3, (200, 3))
    new_knee, reached = bend_leg(hip, knee, ankle, wanted)
    for a, b, c, d in ((hip, knee, hip, new_knee), (knee, ankle, new_knee, reached)):
        ratio = np.linalg.norm(c - d, axis=1) / np.linalg.norm(a - b, axis=1)
        assert (np.abs(ratio - 1) < 0.031).all()
    reach = np.linalg.norm(knee - hip, axis=1) + np.linalg.norm(ankle - knee, axis=1)
    far = np.linalg.norm(wanted - hip, axis=1)
    near = np.abs(np.linalg.norm(knee - hip, axis=1) - np.linalg.norm(ankle - knee, axis=1))
    possible = (far < 0.95 * reach) & (far > 1.1 * near)
    assert possible.sum() > 100
    np.testing.assert_allclose(reached[possible], wanted[possible], atol=1e-6)


def test_a_standing_foot_is_held_at_its_mean_position() -> None:
    places = np.zeros((30, 4, 3))
    places[:, 0, 0] = np.linspace(0, 1, 30)  # only in the world: the distance from the camera is uncertain
    stands = np.zeros((30, 4))
    stands[10:20, 0] = 1
    held = footholds(places, stands, np.zeros((30, 4, 2)), 30)
    assert np.ptp(held[10:20, 0, 0]) == 0
    assert held[15, 0, 0] == pytest.approx(places[10:20, 0, 0].mean())
    np.testing.assert_array_equal(held[:10], places[:10])


def test_feet_that_slide_in_the_image_slide_in_the_world_and_jitter_is_removed() -> None:
    random, way = np.random.default_rng(0), np.linspace(0, 0.3, 60)
    places, stands = np.zeros((60, 4, 3)), np.zeros((60, 4))
    stands[:, 0] = 1
    places[:, 0, 0] = way
    seen_at = 0.5 * places[..., :2]
    slid = footholds(places, stands, seen_at, 30)
    assert np.ptp(slid[:, 0, 0]) > 0.6 * 0.3
    jittering = random.normal(0, 0.01, (60, 4, 3))
    held = footholds(jittering, stands, jittering[..., :2], 30)
    assert held[:, 0].std(axis=0).max() < 0.1 * jittering[:, 0].std(axis=0).min()
