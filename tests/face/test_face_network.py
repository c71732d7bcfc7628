"""Face networks: an untrained one adds nothing, all weights get gradients, impossible sizes are rejected."""

import pytest
import torch

from dancenow.face.cyclegan_network import FaceCycle
from dancenow.face.landmark_maps import NUM_MAPS
from dancenow.face.network import FaceNetwork, FaceNetworkConfig, refine_face

SMALL = FaceNetworkConfig(48, 8, 1)


def faces(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return 2 * torch.rand(count, 3, 48, 48, generator=random) - 1, torch.rand(count, NUM_MAPS, 48, 48, generator=random)


def test_an_untrained_network_changes_nothing() -> None:
    face, maps = faces()
    torch.testing.assert_close(refine_face(FaceNetwork(SMALL), face, maps), face, rtol=0, atol=0)


def test_the_output_stays_in_the_value_range() -> None:
    network, (face, maps) = FaceNetwork(SMALL), faces()
    torch.nn.init.constant_(network.leave.bias, 30.0)  # type: ignore[arg-type]
    assert refine_face(network, face, maps).max() == 1


def test_every_weight_gets_a_gradient_after_the_first_step() -> None:
    network, (face, maps) = FaceNetwork(SMALL), faces()
    torch.nn.init.normal_(network.leave.weight)
    network(face, maps).square().mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still


def test_an_untrained_cycle_changes_nothing() -> None:
    cycle, (source, source_maps) = FaceCycle(SMALL), faces()
    target, target_maps = source.flip(0), source_maps.flip(0)
    output = cycle(source, source_maps, target, target_maps)
    for each in (output.target, output.reconstructed_source, output.identity_source):
        torch.testing.assert_close(each, source, rtol=0, atol=0)
    for each in (output.source, output.reconstructed_target, output.identity_target):
        torch.testing.assert_close(each, target, rtol=0, atol=0)


@pytest.mark.parametrize("config", [{"canvas_px": 40}, {"canvas_px": 32}, {"width": 2}, {"blocks": -1}])
def test_impossible_sizes_are_rejected(config: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FaceNetworkConfig(**config)
