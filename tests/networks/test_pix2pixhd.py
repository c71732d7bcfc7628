"""The published networks have the published sizes."""

import pytest
import torch
from torch import nn

from dancenow.generators.edn.network import EdnGenerator, EdnNetworkConfig
from dancenow.networks.pix2pixhd import GlobalGenerator, LocalEnhancer, MultiScalePatchGAN, PatchGAN


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_published_global_generator_has_182_million_parameters() -> None:
    with torch.device("meta"):
        assert round(parameters(GlobalGenerator(inputs=6)) / 1e6) == 182
        assert round(parameters(EdnGenerator(EdnNetworkConfig())) / 1e6) == 182


def test_the_global_generator_has_the_published_layers() -> None:
    with torch.device("meta"):
        network = GlobalGenerator(inputs=6)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 512, 1024, *[1024] * 18, 512, 256, 128, 64, 3]
    assert [c.kernel_size[0] for c in convolutions] == [7, *[3] * 26, 7]
    assert [c.stride[0] for c in convolutions] == [1, *[2] * 4, *[1] * 18, *[2] * 4, 1]
    norms = [m for m in network.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert len(norms) == len(convolutions) - 1
    assert not any(m.affine or m.track_running_stats for m in norms)


def test_the_local_enhancer_has_the_published_layers() -> None:
    with torch.device("meta"):
        network = LocalEnhancer(inputs=6)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [c.out_channels for c in convolutions] == [32, 64, *[64] * 6, 32, 3]


def test_the_enhancer_makes_a_picture_of_twice_the_size_from_what_the_global_generator_saw() -> None:
    torch.manual_seed(0)
    whole, x = GlobalGenerator(6, 4), torch.rand(1, 6, 96, 64)
    enhancer = LocalEnhancer(6, 4)
    picture = enhancer(x, whole)
    assert picture.shape == (1, 3, 96, 64)
    assert whole(x[..., ::2, ::2]).shape == (1, 3, 48, 32)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.1)
    assert (enhancer(x, whole) - picture).abs().max() > 1e-4


@pytest.mark.parametrize("inputs", [6, 12])
def test_every_score_judges_a_patch_of_70_px(inputs: int) -> None:
    torch.manual_seed(0)
    discriminator = PatchGAN(inputs, 4)
    for layer in discriminator.layers:
        assert isinstance(layer, nn.Sequential)
        for i, part in enumerate(layer):
            if isinstance(part, nn.InstanceNorm2d):  # it looks at the whole picture
                layer[i] = nn.Identity()
    x = torch.rand(1, inputs, 160, 160, requires_grad=True)
    scores, features = discriminator(x)
    assert [f.shape[1] for f in features] == [4, 8, 16, 32]
    scores[0, 0, 9, 9].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 70


def test_discriminators_judge_every_scale_apart() -> None:
    discriminator = MultiScalePatchGAN(12, 4, scales=3)
    scores, features = discriminator([torch.rand(1, 6, 128, 96), torch.rand(1, 6, 128, 96)])
    assert [tuple(score.shape[2:]) for score in scores] == [(14, 10), (6, 4), (2, 1)]
    assert [len(each) for each in features] == [4, 4, 4]
    scores[1].sum().backward()
    assert [all(p.grad is not None for p in one.parameters()) for one in discriminator.scales] == [False, True, False]
