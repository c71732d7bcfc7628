"""Composites a person onto the background."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import Crop, ImageRGB, Plate

VEIL: Final = 0.03


def compose(rgba: NDArray[np.float32], crop: Crop, plate: Plate) -> ImageRGB:
    """Put a canvas over the plate.

    Alpha that is almost 0 or 1 becomes so: a veil of 2% would show where the window ends, and where nothing is painted nothing
    has to be computed.

    Args:
        rgba: float32 [S,S,4], colour in [-1,1] and alpha in [0,1].

    Returns:
        uint8 [H,W,3]; only what the painted part of the window covers is touched.
    """
    out = plate.image_rgb.copy()
    alpha = np.clip((rgba[..., 3:] - np.float32(VEIL)) * np.float32(1 / (1 - 2 * VEIL)), 0.0, 1.0)
    shrink = 1.0 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    blur_px = 0.4 * math.sqrt(shrink**2 - 1) if shrink > 1.5 else 0.0
    left, top, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    # As far as the blur and the cubic reach, alpha spreads over its surroundings.
    reach_px = math.ceil(4 * blur_px) + 3
    x0, y0 = max(left - reach_px, 0), max(top - reach_px, 0)
    x1, y1 = min(left + width + reach_px, crop.size), min(top + height + reach_px, crop.size)
    covered = _covered(crop, (x0, y0, x1, y1), out.shape)
    if not width or covered is None:
        return out
    rows, columns = covered
    painted, opaque = rgba[y0:y1, x0:x1, :3], alpha[y0:y1, x0:x1]
    premultiplied = np.concatenate([(painted + 1) * np.float32(127.5) * opaque, opaque], axis=2)
    if blur_px:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), blur_px)
    linear = crop.to_frame[:, :2]
    shift = crop.to_frame[:, 2] + linear @ [x0, y0] - [columns.start, rows.start]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    # Zero outside: the canvas fades out at its rim instead of smearing its last pixels.
    part = cv2.warpAffine(premultiplied, np.column_stack([linear, shift]), size, flags=cv2.INTER_CUBIC)
    through = cv2.merge([1.0 - np.clip(part[..., 3], 0.0, 1.0)] * 3)
    seen_through = cv2.multiply(out[rows, columns], through, dtype=cv2.CV_32F)
    mixed = cv2.add(seen_through, cv2.cvtColor(part, cv2.COLOR_RGBA2RGB))
    out[rows, columns] = cv2.convertScaleAbs(np.maximum(mixed, 0, out=mixed))  # rounds, and ends at 255
    return out


def _covered(crop: Crop, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the frame that a part of the canvas covers, its x0, y0, x1, y1; None if it lies beside the frame."""
    x0, y0, x1, y1 = box
    corners = np.array([[x, y] for x in (x0 - 0.5, x1 - 0.5) for y in (y0 - 0.5, y1 - 0.5)])
    corners = corners @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    limit = [shape[1], shape[0]]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limit)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, limit)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None
