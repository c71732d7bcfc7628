"""The fine stage of a generator: it adds detail to the coarse image, and nothing before training."""

import pytest
import torch

from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

CONFIG = GeneratorConfig(canvas_px=128, width=8, blocks=1, fine=True)


def test_an_untrained_fine_stage_changes_nothing_and_a_trained_one_does() -> None:
    torch.manual_seed(0)
    generator, maps = Generator(CONFIG), torch.randn(1, NUM_CHANNELS, 32, 32)
    fine = generator(maps)
    generator.refining = False
    coarse = generator(maps)
    assert fine.shape == (1, 4, 128, 128)
    torch.testing.assert_close(fine, coarse)
    generator.refining = True
    assert generator.fine is not None
    with torch.no_grad():
        for parameter in generator.fine.parameters():
            parameter.add_(0.1)
    assert (generator(maps) - coarse).abs().max() > 1e-3


def test_the_coarse_stage_works_at_half_the_canvas() -> None:
    """Its weights have the shapes of a generator of half the size, so trained ones can be reused."""
    half = Generator(GeneratorConfig(canvas_px=64, width=8, blocks=1)).state_dict()
    whole = Generator(CONFIG).state_dict()
    assert {name: value.shape for name, value in half.items()} == {
        name: value.shape for name, value in whole.items() if not name.startswith("fine.")
    }


def test_a_fine_canvas_has_to_be_divisible() -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        GeneratorConfig(canvas_px=96, fine=True)
