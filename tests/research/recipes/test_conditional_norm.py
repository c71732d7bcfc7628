"""The multi-person generator: each person's norms change the image, and the mean person is a plain generator."""

import torch

from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS
from dancenow.research.recipes.conditional_norm import ManyGenerator, ManyNorm

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1)


def many() -> ManyGenerator:
    torch.manual_seed(0)
    made = ManyGenerator(SMALL, 3)
    for module in made.modules():
        if isinstance(module, ManyNorm):
            torch.nn.init.normal_(module.gain, 1.0, 0.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.5)
    return made


def test_each_person_has_a_picture_of_their_own() -> None:
    made, maps = many(), torch.randn(1, NUM_CHANNELS, 16, 16).expand(3, -1, -1, -1)
    made.show(torch.tensor([0, 1, 1]))
    first, second, third = made.shared(maps)
    assert (first - second).abs().max() > 1e-3
    torch.testing.assert_close(second, third)


def test_the_mean_of_equal_people_is_each_of_them() -> None:
    made = many()
    for module in made.modules():
        if isinstance(module, ManyNorm):
            module.gain.data[:] = module.gain.data[:1]
            module.bias.data[:] = module.bias.data[:1]
    maps = torch.randn(1, NUM_CHANNELS, 16, 16)
    made.show(torch.tensor([2]))
    anybody = made.anybody()
    assert isinstance(anybody, Generator)
    torch.testing.assert_close(anybody(maps), made.shared(maps))
