"""Perceptual distance: its algebra on a trunk with random weights, its ranking on the pretrained one."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance

PUBLISHED_MEANS = [3.04917, 6.30347, 6.5288, 5.15739, 1.56369]


@pytest.fixture(scope="module")
def trunk() -> EfficientNetTrunk:
    """A trunk with random weights that pass a signal through all its stages."""
    torch.manual_seed(0)
    trunk = EfficientNetTrunk()
    for parameter in trunk.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.uniform_(parameter, -0.1, 0.1)
    return trunk


def pictures(count: int = 2, height: int = 48, width: int = 64, seed: int = 1) -> Tensor:
    coarse = torch.rand(count, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return functional.interpolate(coarse, (height, width), mode="bilinear")


@pytest.mark.parametrize(("height", "width"), [(64, 64), (37, 50), (16, 90)])
def test_features_have_a_shape_per_stride_at_any_size(trunk: EfficientNetTrunk, height: int, width: int) -> None:
    shapes = [tuple(f.shape) for f in trunk.features(pictures(1, height, width))]
    strides, channels = (2, 4, 8, 16, 32), (16, 24, 40, 112, 320)
    assert shapes == [(1, c, -(-height // s), -(-width // s)) for s, c in zip(strides, channels, strict=True)]


def test_padding_is_that_of_tensorflow(trunk: EfficientNetTrunk) -> None:
    image = pictures(1, 8, 9)
    # SAME at stride 2 and kernel 3: one row after an even side, one on both ends of an odd one.
    expected = functional.conv2d(functional.pad(image, (1, 1, 0, 1)), trunk.stem.weight, trunk.stem.bias, stride=2)
    torch.testing.assert_close(trunk.stem(image), expected)


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_distance_is_zero_to_itself_positive_to_others_and_symmetric(trunk: EfficientNetTrunk, depth: int) -> None:
    distance = PerceptualDistance(trunk, depth)
    a, b = pictures(seed=1), pictures(seed=2)
    assert distance(a, a).tolist() == [0.0, 0.0]
    there, back = distance(a, b), distance(b, a)
    assert there.shape == (2,)
    assert (there > 0).all()
    assert (there <= 4).all()
    torch.testing.assert_close(there, back)


def test_each_image_of_a_batch_is_independent(trunk: EfficientNetTrunk) -> None:
    distance = PerceptualDistance(trunk)
    a, b = pictures(3, seed=1), pictures(3, seed=2)
    alone = torch.cat([distance(a[i : i + 1], b[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(distance(a, b), alone, rtol=1e-4, atol=1e-6)


def test_gradient_reaches_the_image_and_neither_the_reference_nor_the_weights(trunk: EfficientNetTrunk) -> None:
    distance = PerceptualDistance(trunk, 3)
    image, reference = pictures(seed=1).requires_grad_(), pictures(seed=2).requires_grad_()
    distance(image, reference).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().sum() > 0
    assert reference.grad is None
    assert all(parameter.grad is None for parameter in distance.parameters())


def test_gradient_is_finite_on_a_black_image(trunk: EfficientNetTrunk) -> None:
    image = torch.full((1, 3, 32, 32), -1.0, requires_grad=True)
    PerceptualDistance(trunk)(image, pictures(1, 32, 32)).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


def test_weight_selects_where_it_counts_and_its_scale_is_free(trunk: EfficientNetTrunk) -> None:
    distance = PerceptualDistance(trunk, 2)
    reference = pictures(1, 64, 64)
    image = reference.clone()
    image[..., :24] = -image[..., :24]  # only the left differs; the two stages see less than 16 px around
    left, right = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    left[..., :24], right[..., 48:] = 1, 1
    assert float(distance(image, reference, left)) > 2 * float(distance(image, reference))
    assert float(distance(image, reference, right)) < 1e-6
    torch.testing.assert_close(distance(image, reference, 7 * left), distance(image, reference, left))
    torch.testing.assert_close(distance(image, reference, torch.ones_like(left)), distance(image, reference))


def test_cached_reference_features_give_the_same_distance(trunk: EfficientNetTrunk) -> None:
    distance = PerceptualDistance(trunk, 4)
    a, b = pictures(seed=1), pictures(seed=2)
    kept = distance.reference_features(b)
    torch.testing.assert_close(distance.compare(distance.features(a), kept), distance(a, b))


def test_depth_outside_the_trunk_is_rejected(trunk: EfficientNetTrunk) -> None:
    with pytest.raises(ValueError, match="1 to 5, got 6"):
        PerceptualDistance(trunk, 6)


@pytest.fixture(scope="module")
def pretrained() -> PerceptualDistance:
    return PerceptualDistance()


def drawn_figure() -> Tensor:
    """[1,3,128,128]: a striped figure before a shaded wall, with edges, texture and flat parts."""
    image = np.linspace(90, 150, 128)[None, :, None].repeat(128, 0).repeat(3, 2).astype(np.uint8)
    cv2.circle(image, (64, 30), 14, (220, 180, 150), -1)
    cv2.rectangle(image, (46, 46), (82, 90), (40, 60, 160), -1)
    for y in range(48, 90, 6):
        cv2.line(image, (46, y), (82, y), (230, 230, 80), 2)
    cv2.rectangle(image, (50, 90), (60, 122), (30, 30, 30), -1)
    cv2.rectangle(image, (68, 90), (78, 122), (30, 30, 30), -1)
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.slow
def test_pretrained_trunk_reproduces_published_features(pretrained: PerceptualDistance) -> None:
    """Mean absolute features of a ramp, from an unfolded implementation of the same network in float64."""
    ramp = torch.linspace(-1, 1, 64)[None, None, None, :].expand(1, 3, 64, 64)
    means = [float(f.abs().mean()) for f in pretrained.features(ramp)]
    assert means == pytest.approx(PUBLISHED_MEANS, rel=1e-4)


@pytest.mark.slow
def test_pretrained_distance_is_larger_for_blur_than_for_brightness_of_equal_error(pretrained: PerceptualDistance) -> None:
    image = drawn_figure()
    blurred = functional.avg_pool2d(functional.pad(image, (3, 3, 3, 3), mode="replicate"), 7, 1)
    brighter = image + (blurred - image).square().mean().sqrt()
    assert float(pretrained(blurred, image)) > 2 * float(pretrained(brighter, image))


@pytest.mark.slow
def test_pretrained_distance_grows_with_blur_and_with_noise(pretrained: PerceptualDistance) -> None:
    image = drawn_figure()
    blurs = [functional.avg_pool2d(functional.pad(image, (r, r, r, r), mode="replicate"), 2 * r + 1, 1) for r in (0, 1, 2, 4)]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    noisy = [image + level * noise for level in (0, 0.02, 0.05, 0.1, 0.2)]
    for pictures_by_damage in (blurs, noisy):
        distances = [float(pretrained(picture, image)) for picture in pictures_by_damage]
        assert distances == sorted(distances)
        assert distances[0] < 1e-9 < distances[1]


@pytest.mark.slow
def test_minimizing_the_distance_approaches_the_reference(pretrained: PerceptualDistance) -> None:
    reference = drawn_figure()
    image = torch.zeros_like(reference).requires_grad_()
    distance = PerceptualDistance(pretrained.trunk, 3)
    optimizer = torch.optim.Adam([image], 0.02)
    before = float(reference.square().mean())
    for _ in range(25):
        optimizer.zero_grad()
        distance(image, reference).sum().backward()
        optimizer.step()
    assert float(functional.mse_loss(image.detach(), reference)) < 0.85 * before


@pytest.mark.slow
def test_pooled_distinguishes_images_more_than_damage(pretrained: PerceptualDistance) -> None:
    figure = drawn_figure()
    described = pretrained.pooled(torch.cat([figure, (figure + 0.02).clamp(-1, 1), figure.flip(2)]))
    assert described.shape == (3, 1280)
    assert (described[0] - described[1]).norm() < 0.5 * (described[0] - described[2]).norm()
