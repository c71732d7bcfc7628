"""Pixel-wise differences of two images, SSIM and PSNR; and the Fréchet distance of two sets of images.

SSIM follows Wang, Bovik, Sheikh and Simoncelli (2004) with its constants; the Fréchet distance is that of Heusel et al. (2017).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

SSIM_WINDOW_PX: Final = 11
SSIM_SIGMA_PX: Final = 1.5
SSIM_K1: Final = 0.01
SSIM_K2: Final = 0.03
LEVELS: Final = 255.0
PSNR_CEILING_DB: Final = 100.0
"""Stands for the infinite PSNR of equal images, so that means and JSON stay finite."""


def ssim_map(image_rgb: ImageRGB, reference_rgb: ImageRGB) -> NDArray[np.float32]:
    """Structural similarity around every pixel, float32 [H,W]: in [-1, 1], 1 = equal, higher is better.

    With local means m, variances v and covariance c under a Gaussian window of 11x11 px, sigma 1.5 px (mirrored at the
    edge), and C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2:
        (2 m_a m_b + C1) (2 c + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2)),
    the mean over the three channels. The SSIM of a region is the mean of the map over it. Source: Wang et al. 2004, eq. 13.
    """
    _require_same_shape(image_rgb, reference_rgb)
    # Centered on the middle of the range the squares are smaller, and float32 keeps the variances accurate enough.
    a, b = (image.astype(np.float32) - 128 for image in (image_rgb, reference_rgb))
    mean_a, mean_b = _blur(a), _blur(b)
    variances = _blur(a * a + b * b) - mean_a * mean_a - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + 128, mean_b + 128
    c1, c2 = (SSIM_K1 * LEVELS) ** 2, (SSIM_K2 * LEVELS) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    per_channel = luminance * (2 * covariance + c2) / (variances + c2)
    similarity: NDArray[np.float32] = per_channel @ np.full(3, 1 / 3, np.float32)  # a mean, five times as fast
    return similarity


def psnr_db(image_rgb: ImageRGB, reference_rgb: ImageRGB) -> float:
    """Peak signal-to-noise ratio in dB: from 0, higher is better, 100 stands for the infinity of equal images.

    10 log10(255^2 / mean over pixels and channels of (a - b)^2). Source: the textbook definition, as in Wang et al. 2004.
    """
    _require_same_shape(image_rgb, reference_rgb)
    mean_square = cv2.norm(image_rgb, reference_rgb, cv2.NORM_L2SQR) / image_rgb.size
    return min(10 * float(np.log10(LEVELS**2 / mean_square)), PSNR_CEILING_DB) if mean_square > 0 else PSNR_CEILING_DB


def sharpness(image_rgb: ImageRGB) -> float:
    """Amount of fine detail in an image, levels of 0..255, from 0: the mean absolute Laplacian of its luma.

    Noise counts as detail, so the value is neither good nor bad by itself: compare it with that of the real image in the same
    region. Source: the energy of the Laplacian in autofocus (Subbarao et al. 1993), absolute instead of squared.
    """
    luma = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT)).mean())


def frechet_distance(features: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Fréchet distance between two sets of descriptors [N,D] and [M,D] as Gaussians: from 0, lower is better.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) with means m and covariances S. Biased upward for few samples, so compare
    only sets of the same sizes, together with the ideal. Source: Heusel et al. 2017, eq. 6, on other features.
    """
    if min(len(features), len(reference)) < 2:
        raise ValueError("the Fréchet distance needs at least two descriptors on each side")
    a, b = (np.asarray(values, np.float64) for values in (features, reference))
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    # tr (S_a S_b)^(1/2) is the sum of the singular values of a b^T, which is N x M instead of D x D.
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(float(((mean_a - mean_b) ** 2).sum() + (a * a).sum() + (b * b).sum() - 2 * shared), 0.0)


def _blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
    size = (SSIM_WINDOW_PX, SSIM_WINDOW_PX)
    return cv2.GaussianBlur(image, size, SSIM_SIGMA_PX, borderType=cv2.BORDER_REFLECT).astype(np.float32, copy=False)


def _require_same_shape(image_rgb: ImageRGB, reference_rgb: ImageRGB) -> None:
    if image_rgb.shape != reference_rgb.shape:
        raise ValueError(f"images must have the same size, got {image_rgb.shape} and {reference_rgb.shape}")
