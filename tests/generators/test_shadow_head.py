"""The shadow head: it darkens the plate, and learns where alpha is zero."""

import torch

from dancenow.generators.crop.network import Generator, GeneratorConfig, composite_shadow
from dancenow.networks.warping import composite
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

CONFIG = GeneratorConfig(canvas_px=64, width=8, blocks=1, shade=True)


def test_a_shadow_darkens_the_plate_and_not_the_person() -> None:
    rgba = torch.tensor([0.4, -0.2, 0.8, 0.0]).reshape(1, 4, 1, 1).repeat(1, 1, 1, 2)
    rgba[..., 3, :, 1] = 1.0
    plate = torch.full((1, 1, 3, 1, 2), 0.5)
    image = composite(composite_shadow(rgba, torch.full((1, 1, 1, 2), 0.25))[:, None], plate)[0, 0]
    light = (plate[0, 0, :, 0, 0] + 1) * 0.75 - 1
    torch.testing.assert_close(image[:, 0, 0], light, atol=1e-3, rtol=0)
    torch.testing.assert_close(image[:, 0, 1], rgba[0, :3, 0, 1], atol=1e-3, rtol=0)


def test_a_shadow_is_learned_where_alpha_is_zero() -> None:
    torch.manual_seed(0)
    generator, maps = Generator(CONFIG), torch.randn(1, NUM_CHANNELS, 16, 16)
    plate, real = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    real[..., 48:, :32] = -0.4
    with torch.no_grad():
        generator.get_parameter("leave.1.weight").zero_()
        generator.get_parameter("leave.1.bias")[-4:] = -20.0  # alpha is zero everywhere
        generator.get_parameter("shade.body.1.bias").fill_(-0.01)  # and no shadow at the start
    assert generator.shade is not None
    optimizer = torch.optim.Adam(generator.shade.parameters(), 1e-2)
    for _ in range(150):
        generated = composite(generator(maps)[:, None], plate[:, None])[:, 0]
        loss = (generated - real).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    dark = generated[0].mean(dim=0)
    assert dark[52:, :28].mean() < -0.3
    assert dark[:40].abs().mean() < 0.03
