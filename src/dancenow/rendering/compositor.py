"""The compositor: builds a frame from a background and layers, in depth order."""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.alpha import premultiply, straight_alpha
from dancenow.rendering.layer import Layer
from dancenow.rendering.scene import Scene
from dancenow.subject.overlays import put_over
from dancenow.types import Crop, FloatArray, ImageRGB

MIN_ALPHA: Final = 0.03
"""Alpha less than this is taken as 0, and more than 1 - this as 1: a veil of 2% would show where the crop ends, and where
nothing is visible nothing has to be computed."""


def composite(scene: Scene, time_s: float) -> ImageRGB:
    """Build the frame of a scene at a time: uint8 [H,W,3], a new array. The farthest person is composited first.

    In front of a background with alpha it is uint8 [H,W,4] with straight alpha.
    """
    layers = sorted(scene.layers, key=lambda layer: layer.feet_y_px)
    hiding = max((index for index, layer in enumerate(layers) if layer.is_opaque), default=None)
    if hiding is None:
        behind, front = scene.background.at(time_s), layers
        if behind.shape[2] == 4:
            return _composite_with_alpha(behind, front, scene.overlay)
        image = behind.copy()
    else:
        image, front = _retouched(np.array(layers[hiding].rgba, np.uint8), layers[hiding]), layers[hiding + 1 :]
    for layer in front:
        if layer.crop is None:
            _blend_frame(image, np.asarray(layer.rgba, np.uint8))
        else:
            _blend_crop(image, np.asarray(layer.rgba, np.float32), layer.crop)
        image = _retouched(image, layer)
    if scene.overlay is not None:
        put_over(image, scene.overlay)
    return image


def _composite_with_alpha(
    behind: NDArray[np.uint8], layers: Sequence[Layer], overlay: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """The same as uint8 [H,W,4]. behind: the background uint8 [H,W,4]."""
    total = premultiply(behind)
    for layer in layers:
        if layer.crop is None:
            _put_premultiplied(total, premultiply(np.asarray(layer.rgba, np.uint8)))
        else:
            placed = _premultiplied(np.asarray(layer.rgba, np.float32), layer.crop, total.shape)
            if placed is not None:
                rows, columns, part = placed
                _put_premultiplied(total[rows, columns], part)
        if layer.retouch is not None:
            total = premultiply(_retouched(straight_alpha(total), layer))
    if overlay is not None:
        _put_premultiplied(total, premultiply(overlay))
    return straight_alpha(total)


def _retouched(image: ImageRGB, layer: Layer) -> ImageRGB:
    """The frame with the layer's last change; itself if there is none."""
    return image if layer.retouch is None else layer.retouch(image)


def _put_premultiplied(behind: FloatArray, part: FloatArray) -> None:
    """Blend a premultiplied image float32 [h,w,4] into another."""
    alpha = np.clip(part[..., 3:], 0.0, 1.0)
    behind *= 1 - alpha
    behind[..., :3] += part[..., :3]
    behind[..., 3:] += alpha


def _blend_frame(image: ImageRGB, rgba: NDArray[np.uint8]) -> None:
    """Blend a whole frame uint8 [H,W,4] into `image`."""
    left, top, width, height = cv2.boundingRect(cv2.extractChannel(rgba, 3))
    covered = np.s_[top : top + height, left : left + width]
    alpha, part = rgba[covered][..., 3:].astype(np.float32) / 255, image[covered]
    np.rint(rgba[covered][..., :3] * alpha + part * (1 - alpha), out=part, casting="unsafe")


def _blend_crop(image: ImageRGB, rgba: NDArray[np.float32], crop: Crop) -> None:
    """Blend a canvas float32 [S,S,4] into `image`; only what the visible part of the crop covers is touched."""
    placed = _premultiplied(rgba, crop, image.shape)
    if placed is None:
        return
    rows, columns, part = placed
    transmittance = cv2.merge([1.0 - np.clip(part[..., 3], 0.0, 1.0)] * 3)
    behind = cv2.multiply(image[rows, columns], transmittance, dtype=cv2.CV_32F)
    mixed = cv2.add(behind, cv2.cvtColor(part, cv2.COLOR_RGBA2RGB))
    image[rows, columns] = cv2.convertScaleAbs(np.maximum(mixed, 0, out=mixed))  # rounds and clips at 255


def _premultiplied(
    rgba: NDArray[np.float32], crop: Crop, shape: tuple[int, ...]
) -> tuple[slice, slice, NDArray[np.float32]] | None:
    """Rows and columns of the frame that the visible part of a canvas float32 [S,S,4] covers, and it there, premultiplied, with
    color in levels: float32 [h,w,4]; None if nothing of it is visible.
    """
    alpha = (cv2.extractChannel(rgba, 3) - np.float32(MIN_ALPHA)) * np.float32(1 / (1 - 2 * MIN_ALPHA))
    alpha = alpha.clip(0.0, 1.0)
    shrink = 1.0 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    blur_px = 0.4 * math.sqrt(shrink**2 - 1) if shrink > 1.5 else 0.0
    left, top, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    # As far as the blur and the cubic reach, alpha spreads over its surroundings.
    reach_px = math.ceil(4 * blur_px) + 3
    x0, y0 = max(left - reach_px, 0), max(top - reach_px, 0)
    x1, y1 = min(left + width + reach_px, crop.size), min(top + height + reach_px, crop.size)
    covered = _covered(crop, (x0, y0, x1, y1), shape)
    if not width or covered is None:
        return None
    rows, columns = covered
    opacity = np.ascontiguousarray(alpha[y0:y1, x0:x1])
    premultiplied = cv2.multiply(rgba[y0:y1, x0:x1] + 1, cv2.merge([opacity * np.float32(127.5)] * 4))
    premultiplied = cv2.insertChannel(opacity, premultiplied, 3)
    if blur_px:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), blur_px)
    linear = crop.to_frame[:, :2]
    shift = crop.to_frame[:, 2] + linear @ [x0, y0] - [columns.start, rows.start]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    # Zero outside: the canvas fades out at its border instead of smearing its last pixels.
    part = cv2.warpAffine(premultiplied, np.column_stack([linear, shift]), size, flags=cv2.INTER_CUBIC)
    return rows, columns, np.asarray(part, np.float32)


def _covered(crop: Crop, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the frame that a part of the canvas covers, its x0, y0, x1, y1; None if it lies outside."""
    x0, y0, x1, y1 = box
    corners = np.array([[x, y] for x in (x0 - 0.5, x1 - 0.5) for y in (y0 - 0.5, y1 - 0.5)])
    corners = corners @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    limit = [shape[1], shape[0]]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limit)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, limit)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None
