"""Generator and discriminators: shapes, ranges, gradients, and losses with known values."""

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop.discriminator import Discriminator, DiscriminatorConfig
from dancenow.generators.crop.network import Generator, GeneratorConfig, generate_clips
from dancenow.metrics.images import ssim_map
from dancenow.networks import losses
from dancenow.networks.warping import canvas_to_canvas, composite, warp
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(SMALL)


def test_generator_gives_color_and_alpha_in_range(generator: Generator) -> None:
    out = generator(torch.randn(2, NUM_CHANNELS, 16, 16) * 20)
    assert out.shape == (2, 4, 64, 64)
    assert out[:, :3].abs().max() <= 1
    assert out[:, 3].min() >= 0
    assert out[:, 3].max() <= 1


def test_an_untrained_generator_has_no_checkerboard_artifacts(generator: Generator) -> None:
    out = generator(torch.randn(1, NUM_CHANNELS, 16, 16))
    torch.testing.assert_close(out[..., ::2, ::2], out[..., 1::2, 1::2])


def test_sizes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        GeneratorConfig(canvas_px=100)


def test_headers_of_older_versions_are_read_and_autoregressive_models_refused() -> None:
    header = {"canvas_px": 64, "width": 8, "blocks": 1, "previous": False, "fine": False, "shade": False}
    assert GeneratorConfig.from_json(header) == SMALL
    with pytest.raises(UserError, match="no longer supported; train it again"):
        GeneratorConfig.from_json({**header, "previous": True})


def test_only_the_last_frame_of_a_clip_has_gradients(generator: Generator) -> None:
    maps = torch.randn(1, 2, NUM_CHANNELS, 16, 16, requires_grad=True)
    generate_clips(generator, maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad[:, 0].abs().max() == 0
    assert maps.grad[:, 1].abs().max() > 0


def test_geometry_is_exact_under_mixed_precision() -> None:
    rgba = torch.rand(1, 4, 64, 64)
    before = torch.tensor([[[0.9371, 0, -301.37], [0, 0.9371, -97.21]]])
    now = torch.tensor([[[0.9402, 0, -305.11], [0, 0.9402, -96.03]]])
    plain = warp(rgba, canvas_to_canvas(before, now), 64)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = warp(rgba, canvas_to_canvas(before, now), 64)
    torch.testing.assert_close(mixed, plain)


def test_warp_with_the_identity_keeps_the_image() -> None:
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(warp(image, torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), 64), image, atol=1e-4, rtol=0)


def test_composite_is_plate_where_alpha_is_zero_and_color_where_it_is_one() -> None:
    rgba, plate = torch.rand(1, 4, 8, 8), torch.rand(1, 3, 8, 8)
    rgba[:, 3, :, :4], rgba[:, 3, :, 4:] = 0.0, 1.0
    made = composite(rgba, plate)
    torch.testing.assert_close(made[..., :4], plate[..., :4])
    torch.testing.assert_close(made[..., 4:], rgba[:, :3, :, 4:])


@pytest.mark.parametrize("frames", [1, 2])
def test_discriminator_has_an_output_at_every_scale(frames: int) -> None:
    discriminator = Discriminator(DiscriminatorConfig(frames=frames, width=8, scales=2))
    verdict = discriminator(torch.randn(2, 3 * frames, 64, 64), torch.randn(2, NUM_CHANNELS * frames, 16, 16))
    assert [s.shape[-1] for s in verdict.scores] == [8, 4]
    assert [len(f) for f in verdict.features] == [4, 4]
    with pytest.raises(ValueError, match="64 px"):
        discriminator(torch.randn(2, 3 * frames, 96, 96), torch.randn(2, NUM_CHANNELS * frames, 16, 16))


def test_losses_have_the_values_of_their_formulas() -> None:
    ones, zeros = [torch.ones(1, 1, 2, 2)], [torch.zeros(1, 1, 2, 2)]
    assert losses.lsgan_discriminator(ones, zeros) == 0
    assert losses.lsgan_discriminator(zeros, ones) == 1
    assert losses.lsgan_generator(ones) == 0
    assert losses.feature_matching([ones], [zeros]) == 1
    image, target = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    weight = torch.tensor([[[[1.0, 0], [0, 0]]]])
    assert losses.weighted_l1(image, target, weight) == 1
    target[..., 0, 0] = 1
    assert losses.weighted_l1(image, target, weight) == 0


def test_matte_prior_leaves_holes_in_the_plate_free() -> None:
    alpha, mask, known = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert losses.matte_prior(alpha, mask, known) == 0
    assert losses.matte_prior(alpha, mask, torch.ones_like(known)) == 1
    assert losses.matte_prior(alpha, torch.ones_like(mask), known) == 0


def test_alpha_where_nobody_can_be_has_a_slope_at_one() -> None:
    logit = torch.tensor([[[[6.0, 12.0, 6.0]]]], requires_grad=True)
    far = torch.tensor([[[[1.0, 1.0, 0.0]]]])
    losses.nobody_there(logit.sigmoid(), far).backward()
    assert logit.grad is not None
    assert logit.grad[0, 0, 0, 0] > 0.3
    assert logit.grad[0, 0, 0, 1] > 0.01
    assert logit.grad[0, 0, 0, 2] == 0
    assert losses.nobody_there(torch.ones(1, 1, 1, 3), far).isfinite()
    assert abs(float(losses.nobody_there(torch.zeros(1, 1, 1, 3), far))) < 1e-6


def test_structure_loss_is_one_minus_the_metric() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    other = np.clip(image + rng.normal(0, 40, image.shape), 0, 255).astype(np.uint8)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] / 127.5 - 1 for x in (image, other)]
    weight = torch.zeros(1, 1, 48, 48)
    weight[..., 8:-8, 8:-8] = 1  # away from the edge, where the two are mirrored differently
    expected = 1 - float(ssim_map(image, other)[8:-8, 8:-8].mean())
    assert float(losses.structure(tensors[0], tensors[1], weight)) == pytest.approx(expected, abs=1e-4)
    assert float(losses.structure(tensors[0], tensors[0], weight)) == pytest.approx(0, abs=1e-5)
