"""ST-LPIPS: its published weights against numbers of the authors' own code, and what a perceptual distance has to do."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dancenow.errors import UserError
from dancenow.metrics.lpips import load_tensors
from dancenow.metrics.st_lpips import Backbone, StLpips

# Of `stlpips_pytorch.stlpips.LPIPS(net=..., variant="shift_tolerant")`, version 0.0.2, for (a, b), (a, c) and (b, c).
PUBLISHED: dict[Backbone, tuple[float, float, float]] = {
    "alex": (0.02760336548, 0.27513518929, 0.26376825571),
    "vgg": (0.14228573442, 0.42190605402, 0.34929716587),
}


def images() -> tuple[Tensor, Tensor, Tensor]:
    """Waves, squares and a ramp; the same shifted by 3 px; its negative. [1,3,96,80] in [-1,1]."""
    y, x = np.mgrid[:96, :80]
    channels = (127.5 + 127.5 * np.sin(0.11 * x + 0.05 * y), 255.0 * ((x // 8 + y // 8) % 2), 255.0 * x / 79)
    a = np.stack(channels, -1)
    return to_tensor(a), to_tensor(np.roll(a, 3, axis=1)), to_tensor(255.0 - a)


def to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def alex() -> StLpips:
    return StLpips.pretrained("alex")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_values_are_those_of_the_published_code(backbone: Backbone) -> None:
    metric, (a, b, c) = StLpips.pretrained(backbone), images()
    found = [float(metric(*pair)) for pair in ((a, b), (a, c), (b, c))]
    assert found == pytest.approx(PUBLISHED[backbone], rel=1e-4)


@pytest.mark.slow
def test_equal_images_have_distance_zero_and_order_does_not_matter(alex: StLpips) -> None:
    a, b, _ = images()
    assert float(alex(a, a)) == 0
    torch.testing.assert_close(alex(a, b), alex(b, a))


@pytest.mark.slow
def test_more_blur_and_more_noise_are_farther(alex: StLpips) -> None:
    image = images()[0]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    blurred = [functional.avg_pool2d(image, size, 1, size // 2, count_include_pad=False) for size in (3, 7, 13)]
    for damaged in (blurred, [image + amount * noise for amount in (0.02, 0.1, 0.4)]):
        distances = [float(alex(image, each)) for each in damaged]
        assert distances == sorted(distances)
        assert distances[0] > 0


@pytest.mark.slow
def test_a_small_shift_counts_less_than_a_blur(alex: StLpips) -> None:
    """What the metric is made for: of a smooth picture one pixel to the side hardly anything is seen."""
    image = functional.interpolate(
        torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)), (97, 97), mode="bicubic"
    )
    image = image.clamp(0, 1) * 2 - 1
    shifted, still = image[..., 1:], image[..., :-1]
    blurred = functional.avg_pool2d(still, 9, 1, 4, count_include_pad=False)
    assert float(alex(still, shifted)) < 0.5 * float(alex(still, blurred))


def test_small_images_are_rejected_and_the_smallest_is_measured() -> None:
    metric = StLpips()
    assert metric(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)).shape == (1,)
    with pytest.raises(ValueError, match="ST-LPIPS needs images of 32 px or more"):
        metric(torch.zeros(1, 3, 31, 40), torch.zeros(1, 3, 31, 40))


def test_a_weight_file_with_code_in_it_is_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "run"),)

    for name, content in (("plain.pth", None), ("zip.pth", {"weight": Code()})):
        if content is None:
            (tmp_path / name).write_bytes(pickle.dumps(Code(), protocol=2))
        else:
            torch.save(content, tmp_path / name)
        with pytest.raises(UserError, match="not a file of network weights"):
            load_tensors(tmp_path / name)
    assert not (tmp_path / "run").exists()
