"""Images survive the way to the canvas and back, whatever the kernel."""

import numpy as np
import pytest

from dancenow.metrics.images import sharpness
from dancenow.pose.person_crop import window
from dancenow.research.recipes.canvas_resampling import KERNELS, Kernel, through_canvas


def textured(side_px: int = 96) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    y, x = np.mgrid[:side_px, :side_px]
    gray = 127 + 60 * np.sin(x / 3.1) + 60 * np.sin(y / 4.3 + x / 7)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_image_comes_back_from_the_canvas(kernel: Kernel) -> None:
    image = textured()
    back = through_canvas(image, window(np.array([47.3, 48.8]), 80.0, 64), kernel)
    inside = (slice(16, -16), slice(16, -16))
    assert np.abs(back[inside].astype(int) - image[inside]).mean() < 12
    assert 0.5 < sharpness(back[inside]) / sharpness(image[inside]) < 1.3
