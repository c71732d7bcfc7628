"""Fill the holes of an image smoothly, as a membrane that is harmonic (Laplace's equation) where the image is unknown."""

import cv2
import numpy as np
from numpy.typing import NDArray


def fill_smoothly(image_rgb: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill the pixels of image_rgb, uint8 [H,W,3], that are not `known`, bool [H,W], as a membrane (Laplace, multigrid)."""
    if known.all() or not known.any():
        return image_rgb
    filled = interpolate_membrane(image_rgb.astype(np.float32), known.astype(np.float32))
    return np.where(known[..., None], image_rgb, np.clip(np.rint(filled), 0, 255).astype(np.uint8))


def interpolate_membrane(image: NDArray[np.float32], known: NDArray[np.float32], sweeps: int = 30) -> NDArray[np.float32]:
    """Keep `image`, float32 [H,W,3], where `known` (1); solve Laplace's equation elsewhere, coarse to fine, by Jacobi steps."""
    height, width = known.shape
    if min(height, width) <= 2:
        weight = known[..., None]
        mean = (image * weight).sum(axis=(0, 1)) / max(float(known.sum()), 1e-6)
        return np.asarray(np.where(weight > 0, image, mean), np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    fraction = np.asarray(cv2.resize(known, half, interpolation=cv2.INTER_AREA), np.float32)
    small = cv2.resize(image * known[..., None], half, interpolation=cv2.INTER_AREA) / np.maximum(fraction, 1e-6)[..., None]
    coarse = interpolate_membrane(small.astype(np.float32), (fraction > 0).astype(np.float32), sweeps)
    unknown = known[..., None] == 0
    finer = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    result = np.asarray(np.where(unknown, finer, image), np.float32)
    around = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    for _ in range(sweeps):
        smoothed = np.asarray(cv2.filter2D(result, -1, around, borderType=cv2.BORDER_REPLICATE), np.float32)
        result = np.asarray(np.where(unknown, smoothed, result), np.float32)
    return result
