"""The guided filter: smooth an image so that its edges follow those of a color image (He, Sun and Tang, 2010).

Values may be weighted by how far they are to be trusted, so that reliable ones spread along the image into doubtful regions.
The linear coefficients may be computed on a smaller grid (fast guided filter, He and Sun, 2015).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def guided_coefficients(guide: Array, values: Array, weight: Array, *, radius_px: float, epsilon: float) -> Array:
    """Fit `values` [h,w] as locally linear functions of `guide` [h,w,3]: float32 [h,w,4], three slopes and an offset.

    weight: [h,w] >= 0, how far each value is trusted. radius_px: half of the window. epsilon: the variance of the guide below
    which a window counts as flat. The filtered image is slopes * guide + offset, also of a guide of higher resolution.
    """
    side = 2 * max(1, round(radius_px)) + 1
    trust = weight[..., None] + np.float32(1e-4)

    def mean(image: NDArray[Any]) -> Array:
        """The mean over the windows, [h,w,C]."""
        blurred = cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred if blurred.ndim == 3 else blurred[..., None], np.float32)

    per_weight = 1 / mean(trust)
    weighted, value = guide * trust, values[..., None]
    center, center_value = mean(weighted) * per_weight, mean(trust * value) * per_weight
    joint = mean(weighted * value) * per_weight - center * center_value
    squares = mean(weighted * guide) * per_weight - center * center
    # red * green, green * blue, blue * red
    turned, turned_center = guide[..., [1, 2, 0]], center[..., [1, 2, 0]]
    products = mean(weighted * turned) * per_weight - center * turned_center
    slope = _solve(squares + np.float32(epsilon), products, joint)
    middle = np.asarray(cv2.transform(slope * center, np.ones((1, 3), np.float32)), np.float32)
    return mean(np.dstack([slope, center_value[..., 0] - middle]))


def _solve(squares: NDArray[Any], products: NDArray[Any], joint: NDArray[Any]) -> Array:
    """Solve S x = joint for symmetric positive 3x3 matrices: squares = rr, gg, bb; products = rg, gb, br; all [h,w,3]."""
    rr, gg, bb = cv2.split(squares)
    rg, gb, rb = cv2.split(products)
    # The adjugate, because numpy.linalg.solve is slow on many small systems.
    a, b, c = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    d, e, f = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    per_determinant = 1 / np.maximum(rr * a + rg * b + rb * c, np.float32(1e-12))
    x, y, z = cv2.split(joint)
    solved = (a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z)
    return np.asarray(np.dstack([each * per_determinant for each in solved]), np.float32)
