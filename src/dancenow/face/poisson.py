"""The membrane of Poisson image editing (Perez, Gangnet and Blake, 2003) on a rectangle, solved with sine transforms.

Pasting an image's gradients into another image adds a harmonic surface that interpolates the difference along the rim. On a
rectangle, sines are eigenvectors of the Laplacian, so two pairs of small matrix products give the exact solution.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray


def membrane(rim: FloatArray) -> FloatArray:
    """Interpolate the rim of `rim` [H,W,C] by a harmonic surface (five-point Laplacian 0) in its interior: float32 [H,W,C].

    The interior of `rim` is ignored. H and W are 3 or more.
    """
    height, width = rim.shape[0] - 2, rim.shape[1] - 2
    right = np.zeros((height, width, rim.shape[2]), np.float32)
    right[0] -= rim[0, 1:-1]
    right[-1] -= rim[-1, 1:-1]
    right[:, 0] -= rim[1:-1, 0]
    right[:, -1] -= rim[1:-1, -1]
    (down, rows), (across, columns) = _sines(height), _sines(width)
    channels = np.moveaxis(right, 2, 0)
    spectrum = down @ channels @ across / (rows[:, None] + columns[None])
    result = rim.astype(np.float32, copy=True)
    result[1:-1, 1:-1] = np.moveaxis(down @ spectrum @ across, 0, 2)
    return result


@lru_cache(maxsize=16)
def _sines(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The orthonormal sine transform [count,count], its own inverse, and the eigenvalues [count] of the second difference."""
    index = np.arange(1, count + 1)
    angle = np.pi * index / (count + 1)
    sines = np.sqrt(2 / (count + 1)) * np.sin(angle[:, None] * index[None])
    return sines.astype(np.float32), (2 * np.cos(angle) - 2).astype(np.float32)
