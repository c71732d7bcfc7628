"""LPIPS: its arithmetic against a convolution computed by hand, and its behavior with and without its published files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dancenow.errors import UserError
from dancenow.metrics import lpips
from dancenow.metrics.lpips import BACKBONE_FILE, FOLDER_VARIABLE, HEADS_FILE, LAYERS, MIN_SIDE_PX, SCALE, SHIFT, Lpips


def convolutions(metric: Lpips) -> list[nn.Conv2d]:
    return [module for module in metric.convolutions if isinstance(module, nn.Conv2d)]


@pytest.fixture
def metric() -> Lpips:
    """Random weights that pass a signal through; every channel counts a tenth."""
    torch.manual_seed(0)
    made = Lpips()
    for convolution in convolutions(made):
        assert convolution.bias is not None
        nn.init.kaiming_normal_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    for head in made.heads:
        nn.init.constant_(head, 0.1)
    return made


def picture(seed: int, side: int = 64) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_distance_is_zero_for_equal_images_and_symmetric(metric: Lpips) -> None:
    a, b = picture(1), picture(2)
    assert float(metric(a, a)) == 0
    assert float(metric(a, b)) > 0.01
    torch.testing.assert_close(metric(a, b), metric(b, a))


def test_distance_is_linear_in_its_heads_and_independent_per_image(metric: Lpips) -> None:
    a, b = torch.cat([picture(1), picture(3)]), torch.cat([picture(2), picture(4)])
    whole = metric(a, b)
    torch.testing.assert_close(whole[1:], metric(a[1:], b[1:]), rtol=1e-4, atol=1e-6)
    for head in metric.heads:
        head.mul_(3)
    torch.testing.assert_close(metric(a, b), 3 * whole)


def test_distance_of_orthogonal_features_is_the_sum_of_their_heads() -> None:
    """If one image activates only channel 4 and the other only channel 9, the distance is w4 + w9 at any magnitude."""
    metric = Lpips()
    one, other = torch.zeros(1, 64, 5, 7), torch.zeros(1, 64, 5, 7)
    one[:, 4], other[:, 9] = 6.0, 0.25
    metric.heads[0][4], metric.heads[0][9] = 0.3, 0.5
    rest = tuple(torch.ones(1, layer[2], 2, 2) for layer in LAYERS[1:])
    assert float(metric.compare((one, *rest), (other, *rest))) == pytest.approx(0.8)
    half = torch.cat([other[..., :5], one[..., 5:]], dim=-1)  # two of seven columns agree
    assert float(metric.compare((one, *rest), (half, *rest))) == pytest.approx(0.8 * 5 / 7)


def test_the_first_layer_convolves_the_shifted_and_scaled_image(metric: Lpips) -> None:
    image = picture(5)
    y, x, channel = 3, 6, 17
    scaled = (image[0].numpy() - np.array(SHIFT)[:, None, None]) / np.array(SCALE)[:, None, None]
    padded = np.pad(scaled, ((0, 0), (2, 2), (2, 2)))
    window = padded[:, 4 * y : 4 * y + 11, 4 * x : 4 * x + 11]
    expected = max(float((window * convolutions(metric)[0].weight[channel].numpy()).sum()), 0.0)
    assert float(metric.features(image)[0][0, channel, y, x]) == pytest.approx(expected, abs=1e-4)


def test_layers_have_alexnets_sizes_and_smaller_images_are_rejected(metric: Lpips) -> None:
    sizes = [tuple(f.shape[1:]) for f in metric.features(picture(1, 224))]
    assert sizes == [(64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13)]
    assert metric.features(picture(1, MIN_SIDE_PX))[-1].shape[-2:] == (1, 1)
    with pytest.raises(ValueError, match="31 px or more"):
        metric(picture(1, MIN_SIDE_PX - 1), picture(2, MIN_SIDE_PX - 1))


def published(folder: Path, metric: Lpips) -> None:
    """Files laid out as torchvision's and LPIPS's are."""
    backbone: dict[str, Tensor | None] = {}
    for convolution, layer in zip(convolutions(metric), LAYERS, strict=True):
        backbone |= {f"{layer[0]}.weight": convolution.weight, f"{layer[0]}.bias": convolution.bias}
    torch.save(backbone, folder / BACKBONE_FILE)
    heads = {f"lin{i}.model.1.weight": head.data[None, :, None, None] for i, head in enumerate(metric.heads)}
    torch.save(heads, folder / HEADS_FILE)


@pytest.fixture
def any_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept random weights in place of the published ones."""
    monkeypatch.setattr(lpips, "_BACKBONE_SHA256", "")
    monkeypatch.setattr(lpips, "_HEADS_SHA256", "")


@pytest.mark.usefixtures("any_content")
def test_files_in_the_named_folder_are_used(metric: Lpips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path, metric)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    loaded = Lpips.installed()
    assert loaded is not None
    torch.testing.assert_close(loaded(picture(1), picture(2)), metric(picture(1), picture(2)))


def test_without_the_files_there_is_no_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert Lpips.installed() is None


def test_errors_name_an_empty_folder_and_wrong_files(metric: Lpips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"holds no alexnet.* and no alex\.pth"):
        Lpips.installed()
    published(tmp_path, metric)
    with pytest.raises(UserError, match=r"instead of 7be5be79.*original"):
        Lpips.installed()


def test_files_of_another_kind_are_rejected(metric: Lpips, tmp_path: Path) -> None:
    published(tmp_path, metric)
    with pytest.raises(UserError, match=r"has no features\.0\.weight"):
        Lpips.from_files(tmp_path / HEADS_FILE, tmp_path / HEADS_FILE)
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(UserError, match="not a file of network weights"):
        Lpips.from_files(tmp_path / "text.pth", tmp_path / HEADS_FILE)
