"""Pretraining of the face network: degraded images are refined, the weights are reused, close-ups show faces."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.face.landmark_maps import NUM_MAPS
from dancenow.face.landmarks import FaceNetworks
from dancenow.face.network import FaceNetwork, FaceNetworkConfig
from dancenow.face.pretrained_init import FACE_KIND, PretrainedFace
from dancenow.progress import ignore_progress
from dancenow.research.recipes.face_pretraining_task import FacePretrainingConfig, FacePretrainingTask, degrade_faces
from dancenow.research.recipes.face_renders import CloseupConfig, closeups_of
from dancenow.storage.checkpoint import load_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, train_loop
from helpers.base_process import noise_faces
from helpers.face_world import untrained_distance

CPU = torch.device("cpu")
DISTANCE = untrained_distance()
CONFIG = FacePretrainingConfig(FaceNetworkConfig(48, 8, 1), faces_per_step=2)


def task() -> FacePretrainingTask:
    return FacePretrainingTask(noise_faces(), CONFIG, seed=0, perceptual=DISTANCE, device=CPU)


def test_degrading_a_face_removes_detail_but_keeps_its_shape() -> None:
    face = torch.zeros(1, 3, 48, 48)
    face[..., 16:32, 16:32] = 0.8
    face[..., ::2] += 0.1
    result = degrade_faces(face, CONFIG, np.random.default_rng(0))
    assert result.shape == face.shape
    assert result.abs().max() <= 1
    assert result[..., 20:28, 20:28].mean() > result[..., :8, :8].mean() + 0.4
    fine = [(x[..., 1:] - x[..., :-1]).abs().median() for x in (face, result)]
    assert fine[1] < fine[0]


def test_pretrained_weights_initialize_any_canvas_size(tmp_path: Path) -> None:
    path = tmp_path / "face_base.safetensors"
    train_loop(task(), path, Budget(images=6), resume=False, config=LoopConfig(), on_progress=ignore_progress)
    base = PretrainedFace.of_checkpoint(load_checkpoint(path, FACE_KIND), "x")
    network = FaceNetwork(FaceNetworkConfig(64, 8, 1))
    base.load_into(network)
    assert network.leave.weight.abs().max() > 0
    with pytest.raises(ValueError, match="width 8 and 1 blocks"):
        base.load_into(FaceNetwork(FaceNetworkConfig(64, 12, 1)))


def test_resumed_pretraining_equals_uninterrupted_pretraining() -> None:
    whole, broken = task(), task()
    for i in range(4):
        whole.step(np.random.default_rng(i), i / 4)
    for i in range(2):
        broken.step(np.random.default_rng(i), i / 4)

    again = task()
    again.restore(broken.state(Clock(1.0, 4)))
    for i in range(2, 4):
        again.step(np.random.default_rng(i), i / 4)
    for one, other in zip(whole.average.parameters(), again.average.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
@pytest.mark.pretrained
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("anny", "warp")), reason="faces are rendered by the studio extra"
)
def test_close_ups_show_a_face_where_its_landmarks_are() -> None:
    result = closeups_of(CloseupConfig(people=1, images=4, beats=8, fps=4.0), 0, FaceNetworks())
    assert result.image.shape == (4, 72, 72, 3)
    assert result.maps.shape == (4, NUM_MAPS, 72, 72)
    assert len({image.tobytes() for image in result.image}) == 4
    changed = np.abs(result.usual.astype(int) - result.image).max(axis=3) > 8
    assert changed.any(axis=(1, 2)).sum() >= 3  # another expression
    assert changed.mean() < 0.1  # of the same head
    for maps in result.maps:
        rows, columns = np.nonzero(maps.max(axis=0) > 128)
        assert 0.2 * 72 < np.ptp(rows) < 0.8 * 72  # a head fills two thirds of its close-up
        assert abs(rows.mean() - 36) < 18
        assert abs(columns.mean() - 36) < 18
