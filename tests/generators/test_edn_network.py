"""Whole-frame generators: their inputs, and how each frame depends on the previous one."""

import pytest
import torch

from dancenow.generators.edn.network import Conditioning, EdnGenerator, EdnNetworkConfig
from dancenow.pose.letterbox import Letterbox

BOX = Letterbox.of_frame(64, 64, 64)


def generator(conditioning: Conditioning = "stick", temporal: bool = True) -> EdnGenerator:
    torch.manual_seed(0)
    return EdnGenerator(EdnNetworkConfig(conditioning, temporal, longer_px=64, width=1 / 16))


@pytest.mark.parametrize(
    ("conditioning", "temporal", "channels"),
    [("stick", True, 6), ("stick", False, 3), ("heatmaps", True, 36), ("heatmaps", False, 18)],
)
def test_the_generator_sees_the_channels_of_the_papers(conditioning: Conditioning, temporal: bool, channels: int) -> None:
    network = generator(conditioning, temporal)
    maps = network.draw(torch.rand(1, 28, 2) * 64, torch.ones(1, 28), BOX)
    past = network.first_past(maps)
    assert maps.shape[1] + past.shape[1] == channels
    image = network(maps, past)
    assert image.shape == (1, 3, 64, 64)
    assert image.abs().max() <= 1


def test_the_first_frame_has_no_previous_image() -> None:
    network = generator()
    assert network.first_past(torch.rand(1, 3, 64, 64)).abs().max() == 0


def test_with_heatmaps_the_past_is_the_previous_pose() -> None:
    network = generator("heatmaps")
    maps, image = torch.rand(2, 18, 64, 64), torch.rand(2, 3, 64, 64)
    assert torch.equal(network.next_past(maps, image), maps)
    assert torch.equal(network.first_past(maps), maps)


@pytest.mark.parametrize("conditioning", ["stick", "heatmaps"])
def test_training_generates_two_frames_one_after_the_other(conditioning: Conditioning) -> None:
    network = generator(conditioning)
    maps = torch.rand(1, network.config.clip_frames, network.config.map_channels, 64, 64)
    generated = network.generate_clip(maps)
    if conditioning == "stick":
        first = network(maps[:, 0], torch.zeros(1, 3, 64, 64))
        second = network(maps[:, 1], first)
    else:
        first, second = network(maps[:, 1], maps[:, 0]), network(maps[:, 2], maps[:, 1])
    torch.testing.assert_close(generated, torch.stack([first, second], dim=1))


def test_widths_scale_all_layers() -> None:
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in EdnGenerator(EdnNetworkConfig(width=w)).parameters()) for w in (1.0, 0.5, 0.25)]
    assert sizes[0] / sizes[1] == pytest.approx(4, rel=0.02)
    assert sizes[1] / sizes[2] == pytest.approx(4, rel=0.02)


def test_sizes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        EdnNetworkConfig(longer_px=300)
    with pytest.raises(ValueError, match="width"):
        EdnNetworkConfig(width=0)
    with pytest.raises(ValueError, match="conditioning"):
        EdnNetworkConfig(conditioning="smoke")  # type: ignore[arg-type]
