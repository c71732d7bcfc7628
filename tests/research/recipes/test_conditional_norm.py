"""The multi-person generator: each person's norms change the image, and the mean person is a plain generator."""

import torch

from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS
from dancenow.research.recipes.conditional_norm import ConditionalGroupNorm, MultiIdentityGenerator

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1)


def multi_identity_generator() -> MultiIdentityGenerator:
    torch.manual_seed(0)
    generator = MultiIdentityGenerator(SMALL, 3)
    for module in generator.modules():
        if isinstance(module, ConditionalGroupNorm):
            torch.nn.init.normal_(module.gain, 1.0, 0.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.5)
    return generator


def test_each_person_has_their_own_image() -> None:
    generator, maps = multi_identity_generator(), torch.randn(1, NUM_CHANNELS, 16, 16).expand(3, -1, -1, -1)
    generator.set_identities(torch.tensor([0, 1, 1]))
    first, second, third = generator.shared(maps)
    assert (first - second).abs().max() > 1e-3
    torch.testing.assert_close(second, third)


def test_the_mean_of_equal_people_is_each_of_them() -> None:
    generator = multi_identity_generator()
    for module in generator.modules():
        if isinstance(module, ConditionalGroupNorm):
            module.gain.data[:] = module.gain.data[:1]
            module.bias.data[:] = module.bias.data[:1]
    maps = torch.randn(1, NUM_CHANNELS, 16, 16)
    generator.set_identities(torch.tensor([2]))
    mean_generator = generator.mean_generator()
    assert isinstance(mean_generator, Generator)
    torch.testing.assert_close(mean_generator(maps), generator.shared(maps))
