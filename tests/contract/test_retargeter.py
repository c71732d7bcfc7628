"""Contract of every retargeter: what transfer relies on for each kind."""

import json
from typing import get_args

import numpy as np
import pytest

from dancenow.pose.retargeting.registry import Retargeter, RetargetingKind, fit_retargeter, load_retargeter
from dancenow.types import Pose, PoseTrack

KINDS: tuple[RetargetingKind, ...] = get_args(RetargetingKind)
FRAMES = 40


def track(seed: int, scale: float, shift: tuple[float, float], width_px: int = 640, height_px: int = 480) -> PoseTrack:
    """A person of random keypoints who drifts; one keypoint and one frame are missing."""
    random = np.random.default_rng(seed)
    body = np.random.default_rng(0).uniform(-1, 1, (1, 28, 2)) * [40, 100]
    drift = random.normal(0, 4, (FRAMES, 1, 2)).cumsum(0) * [1, 0.5]
    xy = ((body + drift + random.normal(0, 1, (FRAMES, 28, 2))) * scale + shift).astype(np.float32)
    confidence = np.full((FRAMES, 28), 0.8, np.float32)
    confidence[:, 25], confidence[11] = 0, 0
    depth = random.normal(0, 30, (FRAMES, 28)).astype(np.float32)
    status = np.zeros(FRAMES, np.uint8)
    return PoseTrack(Pose(xy, confidence, depth), np.arange(FRAMES) / 25, status, width_px, height_px, "random", "0" * 64)


@pytest.fixture
def source() -> PoseTrack:
    return track(1, 1.0, (300, 250))


@pytest.fixture(params=KINDS)
def retargeter(request: pytest.FixtureRequest, source: PoseTrack) -> Retargeter:
    return fit_retargeter(request.param, source, track(2, 1.7, (500, 700), 1080, 1920))


def test_it_implements_the_protocol(retargeter: Retargeter) -> None:
    assert isinstance(retargeter, Retargeter)
    assert retargeter.kind in KINDS


def test_a_track_keeps_its_shape_and_confidence_and_stays_finite(retargeter: Retargeter, source: PoseTrack) -> None:
    mapped = retargeter(source.pose)
    assert mapped.xy.shape == source.pose.xy.shape
    np.testing.assert_array_equal(mapped.confidence, source.pose.confidence)
    assert np.isfinite(mapped.xy).all()


def test_a_single_pose_gives_a_single_pose(retargeter: Retargeter, source: PoseTrack) -> None:
    mapped = retargeter(source.pose[3])
    assert mapped.xy.shape == (28, 2)


def test_the_same_input_gives_the_same_output_and_is_not_changed(retargeter: Retargeter, source: PoseTrack) -> None:
    before = source.pose.xy.copy()
    first, second = retargeter(source.pose), retargeter(source.pose)
    np.testing.assert_array_equal(first.xy, second.xy)
    np.testing.assert_array_equal(source.pose.xy, before)


def test_depth_is_scaled_with_the_body(retargeter: Retargeter, source: PoseTrack) -> None:
    mapped = retargeter(source.pose)
    # Parts of a random body may scale by different factors, so this holds for the whole body only.
    present = source.pose.confidence.any(axis=1)
    spread = np.ptp(mapped.xy[present, :, 1], axis=1) / np.ptp(source.pose.xy[present, :, 1], axis=1)
    grown = mapped.depth[present].std(axis=1) / source.pose.depth[present].std(axis=1)
    assert np.median(grown / spread) == pytest.approx(1, rel=0.25)


def test_a_saved_and_loaded_retargeter_gives_the_same_poses(retargeter: Retargeter, source: PoseTrack) -> None:
    loaded = load_retargeter(json.loads(json.dumps(retargeter.to_json())))
    assert loaded.kind == retargeter.kind
    np.testing.assert_array_equal(loaded(source.pose).xy, retargeter(source.pose).xy)
    assert str(loaded) == str(retargeter)


def test_prints_one_sentence_that_starts_with_its_kind(retargeter: Retargeter) -> None:
    sentence = str(retargeter)
    assert sentence.startswith(f"{retargeter.kind}: ")
    assert "\n" not in sentence


def test_the_inverse_if_any_restores_the_poses(retargeter: Retargeter, source: PoseTrack) -> None:
    inverse = retargeter.inverse()
    if inverse is None:
        pytest.skip(f"{retargeter.kind} has no inverse")
    back = inverse(retargeter(source.pose))
    assert np.abs(back.xy - source.pose.xy).mean() < 2


def test_a_track_without_a_person_is_accepted(retargeter: Retargeter) -> None:
    empty = Pose(np.zeros((5, 28, 2), np.float32), np.zeros((5, 28), np.float32))
    assert np.isfinite(retargeter(empty).xy).all()


def test_the_old_name_of_a_kind_works_with_a_warning(source: PoseTrack) -> None:
    target = track(2, 1.7, (500, 700), 1080, 1920)
    with pytest.warns(DeprecationWarning, match="'bones' is now 'skeletal'"):
        old = fit_retargeter("bones", source, target)  # type: ignore[arg-type]
    assert old == fit_retargeter("skeletal", source, target)
    saved = {**old.to_json(), "kind": "bones"}  # as the previous version saved it
    assert load_retargeter(saved) == old


def test_a_skeletal_retargeter_of_the_previous_version_is_read(source: PoseTrack) -> None:
    fitted = fit_retargeter("skeletal", source, track(2, 1.7, (500, 700), 1080, 1920))
    saved = fitted.to_json()
    for body in (saved["source"], saved["target"]):
        camera = body.pop("camera")
        for axis in ("x", "y"):
            camera[f"middle_{axis}_px"] = camera.pop(f"center_{axis}_px")
        body |= {"view": camera, "sound": body.pop("depth_reliable"), "size_doubt": body.pop("size_uncertainty")}
    assert load_retargeter(json.loads(json.dumps({**saved, "kind": "bones"}))) == fitted
