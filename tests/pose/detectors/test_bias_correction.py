"""Bias correction: NumPy inference equals the trained torch model, is mirror-symmetric, and skips missing keypoints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.assets import CORRECTOR
from dancenow.pose.detectors import bias_correction
from dancenow.pose.detectors.bias_correction import Motion, correct_bias, motion_of
from dancenow.pose.filtering.smoothing import smooth
from dancenow.research.recipes import bias_network as networks
from dancenow.research.recipes.bias_training import CorrectionConfig, CorrectionTask, Example, example_of
from dancenow.research.studio.scene import ROOMS
from dancenow.research.studio.tracks import identity_keypoints, project_track
from dancenow.skeleton import INDEX, LIMBS, MIRROR, NUM_KEYPOINTS
from dancenow.storage.checkpoint import read_info, save_checkpoint
from dancenow.training.loop import Clock
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.stick_dancers import dance


def detected(track: PoseTrack, seed: int = 0) -> PoseTrack:
    """Simulate a biased detector: everything too low, depth five times too large, and a little jitter."""
    rng = np.random.default_rng(seed)
    xy = track.pose.xy + np.array([0, 4]) + rng.normal(0, 0.5, track.pose.xy.shape)
    depth = 5 * track.pose.depth + rng.normal(0, 3, track.pose.depth.shape)
    return replace(track, pose=Pose(xy.astype(np.float32), track.pose.confidence, depth.astype(np.float32)))


def examples(count: int = 3) -> list[Example]:
    return [example_of(detected(each, i), each) for i, each in enumerate(dance(1.5 + 0.1 * i, 60) for i in range(count))]


SMALL = CorrectionConfig(clips_per_step=2, frames=40)


def test_numpy_inference_equals_the_trained_torch_model(tmp_path: Path) -> None:
    task = CorrectionTask(examples(), SMALL, seed=1)
    for step in range(3):
        task.step(np.random.default_rng(step), 0.0)
    save_checkpoint(tmp_path / "c.safetensors", task.model(Clock(images=3)))
    motion = examples(1)[0].motion
    network = task.average.half().float().eval()
    with torch.no_grad():
        wanted = network(torch.from_numpy(motion.keypoints)[None], torch.from_numpy(motion.limbs)[None])[0].numpy()
    ran = bias_correction.load_corrector(tmp_path / "c.safetensors")._run(motion)
    assert np.abs(wanted).max() > 1e-4
    np.testing.assert_allclose(ran, wanted, atol=1e-5)
    assert read_info(tmp_path / "c.safetensors").kind == networks.KIND


def test_an_untrained_network_changes_nothing() -> None:
    network = networks.BiasCorrectionNetwork()
    change = network(torch.randn(1, 20, NUM_KEYPOINTS, 6), torch.rand(1, len(LIMBS)))
    assert torch.equal(change, torch.zeros(1, 20, NUM_KEYPOINTS, 3))


def test_training_removes_a_bias() -> None:
    task = CorrectionTask(examples(), replace(SMALL, learning_rate=3e-3, hidden_fractions=(0.0,)), seed=0)
    terms = [task.step(np.random.default_rng(step), step / 60)["place"] for step in range(60)]
    assert np.mean(terms[-5:]) < 0.5 * np.mean(terms[:5])


def test_examples_shorter_than_a_clip_are_refused() -> None:
    with pytest.raises(ValueError, match="100 frames"):
        CorrectionTask(examples(1), CorrectionConfig(frames=100), seed=0)


def test_without_detection_error_the_truth_is_the_motion_itself() -> None:
    exact = dance(1.7, 60)
    example = example_of(exact, exact)
    np.testing.assert_allclose(example.motion.keypoints[..., :2], example.truth[..., :2], atol=2e-3)


def test_a_mirror_image_is_corrected_alike() -> None:
    track = detected(dance(1.7, 60))
    flipped = replace(
        track,
        pose=Pose(
            np.where([True, False], track.width_px - 1 - track.pose.xy, track.pose.xy)[:, MIRROR].astype(np.float32),
            track.pose.confidence[:, MIRROR],
            track.pose.depth[:, MIRROR],
        ),
    )
    one, other = correct_bias(smooth(track), track).pose, correct_bias(smooth(flipped), flipped).pose
    np.testing.assert_allclose(track.width_px - 1 - other.xy[:, MIRROR, 0], one.xy[..., 0], atol=0.02)
    np.testing.assert_allclose(other.xy[:, MIRROR, 1], one.xy[..., 1], atol=0.02)
    np.testing.assert_allclose(other.depth[:, MIRROR], one.depth, atol=0.02)


def test_correction_in_chunks_equals_correction_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    track = detected(dance(1.7, 200))
    whole = correct_bias(smooth(track), track)
    monkeypatch.setattr(bias_correction, "_BLOCK", 32)
    np.testing.assert_allclose(correct_bias(smooth(track), track).pose.xy, whole.pose.xy, atol=1e-3)


@pytest.mark.parametrize("fps", [15.0, 24.0, 60.0])
def test_size_and_rate_of_the_video_do_not_matter_much(fps: float) -> None:
    def middle_change(rate: float, scale: float) -> np.ndarray:
        track = dance(1.7, round(3 * rate), fps=rate)
        pose = Pose(track.pose.xy * np.float32(scale), track.pose.confidence, 5 * track.pose.depth * np.float32(scale))
        track = replace(track, pose=pose, width_px=round(640 * scale), height_px=round(480 * scale))
        change = correct_bias(smooth(track), track).pose.xy - smooth(track).pose.xy
        return np.asarray(change[round(1.5 * rate)] / scale)

    assert np.abs(middle_change(30.0, 1.0) - middle_change(fps, 2.0)).max() < 1.5


def test_missing_keypoints_stay_missing() -> None:
    track = detected(dance(1.7, 90))
    confidence = track.pose.confidence.copy()
    confidence[30:80] = 0
    confidence[:, INDEX["left_toe"]] = 0
    status = track.status.copy()
    status[30:80] = FrameStatus.MISSING
    measured = replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth), status=status)
    smoothed = smooth(measured)
    found = correct_bias(smoothed, measured)
    absent = smoothed.pose.confidence == 0
    assert absent[40:70].all()
    np.testing.assert_array_equal(found.pose.confidence, smoothed.pose.confidence)
    np.testing.assert_array_equal(found.pose.xy[absent], smoothed.pose.xy[absent])
    np.testing.assert_array_equal(found.status, smoothed.status)
    assert np.isfinite(found.pose.xy).all()
    assert np.abs(found.pose.xy - smoothed.pose.xy)[~absent].max() < 0.25 * np.ptp(track.pose.xy[0, :, 1])


def test_low_frame_rates_and_poses_without_a_trunk_are_unchanged() -> None:
    slow = dance(1.7, 30, fps=8.0)
    assert correct_bias(slow, slow) is slow
    track = dance(1.7, 30)
    confidence = track.pose.confidence.copy()
    confidence[:, [INDEX[name] for name in ("neck", "right_hip", "left_hip")]] = 0
    trunkless = replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))
    assert correct_bias(trunkless, trunkless) is trunkless


def test_the_network_receives_body_sizes() -> None:
    track = dance(1.7, 60)
    motion = motion_of(track, track)
    assert isinstance(motion, Motion)
    assert motion.keypoints.shape == (60, NUM_KEYPOINTS, 6)
    assert 0.2 < np.abs(motion.keypoints[..., :2]).max() < 2
    assert (motion.limbs > 0).all()


def test_the_shipped_network_takes_depth_to_its_size() -> None:
    assert read_info(CORRECTOR).kind == networks.KIND
    exact = project_track(identity_keypoints("dov", "spark", seconds=6.0), ROOMS["loft"].camera, 512, 512)
    track = detected(exact)
    off = np.abs(correct_bias(smooth(track), track).pose.depth - exact.pose.depth).mean()
    assert off < 0.2 * np.abs(track.pose.depth - exact.pose.depth).mean()
    assert off < 0.6 * np.abs(exact.pose.depth).mean()
