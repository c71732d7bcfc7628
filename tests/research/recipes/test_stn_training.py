"""The spatial transformer: the sampler agrees with the points, numpy with torch, and an own track teaches without labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.assets import TRANSFORMER
from dancenow.pose.retargeting import spatial_transformer as maps
from dancenow.pose.retargeting.registry import fit_retargeter
from dancenow.research.recipes.stn_network import LocalizationNet, draw_heatmaps, move_points, move_tensor
from dancenow.research.recipes.stn_training import WarpConfig, WarpTask, load_transformer, own_examples
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.loop import Clock
from helpers.stick_dancers import dance, mean_error

THETA = torch.tensor([[0.1, 0.15, 0.1, -0.05]])


def test_sampling_the_pose_tensor_moves_it_as_the_points_move() -> None:
    xy = torch.rand(1, 28, 2, generator=torch.manual_seed(0)) - torch.tensor([0.5, 1.0])
    seen = torch.ones(1, 28)
    moved = move_tensor(THETA, draw_heatmaps(xy, seen, 96))
    wanted = draw_heatmaps(move_points(THETA, xy), seen, 96)
    places = [torch.stack([m.flatten(2).argmax(-1) % 96, m.flatten(2).argmax(-1) // 96], -1) for m in (moved, wanted)]
    assert (places[0] - places[1]).abs().max() <= 1


def test_the_sampler_lets_gradients_through() -> None:
    theta = THETA.clone().requires_grad_()
    xy = torch.rand(1, 28, 2, generator=torch.manual_seed(0)) - torch.tensor([0.5, 1.0])
    maps_ = draw_heatmaps(xy, torch.ones(1, 28), 32)
    (move_tensor(theta, maps_) - maps_).square().sum().backward()
    assert theta.grad is not None
    assert (theta.grad.abs() > 0).all()


def test_numpy_computes_what_torch_trained(tmp_path: Path) -> None:
    examples = list(own_examples(dance(1.7, 90), 2, np.random.default_rng(0)))
    task = WarpTask(examples, WarpConfig(images_per_step=2), seed=3)
    for step in range(3):
        task.step(np.random.default_rng(step), 0.0)
    save_checkpoint(tmp_path / "stn.safetensors", task.model(Clock()))
    runs = maps.LocalizationNet({name: each.detach().numpy() for name, each in task.localization_net.state_dict().items()})
    theta = task.localization_net(*task._inputs).detach().numpy()
    np.testing.assert_allclose(np.stack([runs(each.inputs) for each in examples]), theta, atol=1e-6)
    assert load_transformer(tmp_path / "stn.safetensors").info.kind == "transformer"
    fitted = maps.fit_spatial_transformer(dance(1.75), dance(1.3), tmp_path / "stn.safetensors")
    assert fitted.kind == "stn"


def test_it_starts_as_no_change() -> None:
    examples = list(own_examples(dance(1.7, 60), 1, np.random.default_rng(0)))
    task = WarpTask(examples, WarpConfig(images_per_step=1), seed=0)
    assert torch.equal(task.localization_net(*task._inputs), torch.zeros(1, 4))
    assert isinstance(task.localization_net, LocalizationNet)


def test_an_own_track_teaches_without_labels() -> None:
    examples = list(own_examples(dance(1.7, 90), 6, np.random.default_rng(1)))
    task = WarpTask(examples, WarpConfig(images_per_step=6, learning_rate=5e-3), seed=0)
    before = task.error()
    for step in range(60):
        task.step(np.random.default_rng(step), 0.0)
    assert task.error() < 0.9 * before


def test_the_shipped_model_brings_a_tall_dance_to_a_small_body() -> None:
    tall, small = dance(1.75), dance(1.3)
    fitted = fit_retargeter("stn", tall, small)
    assert mean_error(fitted(tall.pose), small.pose) < 0.06
    assert "scale 0.7" in str(fitted)


def test_the_shipped_model_is_small() -> None:
    assert TRANSFORMER.stat().st_size < 400_000


def test_a_clip_has_one_transform() -> None:
    tall = dance(1.75)
    fitted = fit_retargeter("stn", tall, dance(1.3))
    whole = fitted(tall.pose)
    np.testing.assert_allclose(fitted(tall.pose[7]).xy, whole.xy[7], atol=1e-3)


@pytest.mark.parametrize("damage", [{"scale": 0.0}, {"scale": float("nan")}])
def test_a_damaged_saved_map_is_refused(damage: dict[str, float]) -> None:
    fitted = fit_retargeter("stn", dance(1.75), dance(1.3))
    with pytest.raises(ValueError, match="positive"):
        maps.SpatialTransformerRetargeter.from_json(fitted.to_json() | damage)
