"""Frames spread over a video, as the search for overlays needs them, and statistics of their pixels over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

_SIDE_PX: Final = 960
"""Longer side of the gray images at most; thinner strokes than theirs are rare."""
_FINE_SIGMA_PX: Final = 1.5
"""Structure finer than this moves visibly when a hand-held camera does."""
_PERSON_MARGIN: Final = 1 / 60
"""Margin around the mask of the person, as a fraction of the height of the frame: hair, shoes, blur."""


@dataclass(frozen=True, eq=False)
class FrameStack:
    """N frames spread over a video: images uint8 [H,W,3], gray uint8 [N,h,w] (smaller if they are large), and person uint8
    [N,h,w], the soft masks of the person (255 = person; all 0 where they are not known)."""

    images: Sequence[ImageRGB]
    gray: NDArray[np.uint8]
    person: NDArray[np.uint8]

    @classmethod
    def of(cls, images: Sequence[ImageRGB], masks: Sequence[NDArray[np.uint8] | None]) -> "FrameStack":
        """From frames of one size and their soft masks, of any size."""
        height, width = images[0].shape[:2]
        scale = min(1.0, _SIDE_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        gray = np.stack([cv2.cvtColor(_resized(image, size), cv2.COLOR_RGB2GRAY) for image in images])
        empty = np.zeros(size[::-1], np.uint8)
        person = np.stack([empty if mask is None else cv2.resize(mask, size) for mask in masks])
        return cls(images, np.asarray(gray, np.uint8), np.asarray(person, np.uint8))

    def __len__(self) -> int:
        return len(self.gray)

    @cached_property
    def clear(self) -> NDArray[np.bool_]:
        """bool [N,h,w]: certainly not the person."""
        radius = max(1, round(_PERSON_MARGIN * self.gray.shape[1]))
        disc = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        return np.stack([cv2.dilate((mask > 25).astype(np.uint8), disc) == 0 for mask in self.person])

    @cached_property
    def fine(self) -> NDArray[np.float32]:
        """float32 [N,h,w]: fine structure, the gray image without what is left of it when it is blurred."""
        light = self.gray.astype(np.float32)
        for image in light:
            image -= cv2.GaussianBlur(image, (0, 0), _FINE_SIGMA_PX)
        return light

    @cached_property
    def median(self) -> NDArray[np.float32]:
        """float32 [h,w]: the median of the gray images, where possible without the person."""
        return masked_median(self.gray.astype(np.float32), self.clear)

    @cached_property
    def spread(self) -> NDArray[np.float32]:
        """float32 [h,w]: nine tenths of the gray values without the person are at most this far from their median."""
        count = self.clear.sum(axis=0)
        off = np.where(self.clear, np.abs(self.gray - self.median), np.float32(np.inf))
        off.sort(axis=0)
        at = np.maximum(np.ceil(0.9 * count).astype(int) - 1, 0)
        return np.asarray(np.where(count > 0, np.take_along_axis(off, at[None], axis=0)[0], 0), np.float32)


def masked_median(stack: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median over the first axis of [N,h,w] where `use`; of all where nothing is used."""
    count = use.sum(axis=0)
    chosen = np.where(use | (count == 0), stack, np.float32(np.inf))
    chosen.sort(axis=0)
    at = np.maximum(np.where(count == 0, len(stack), count) - 1, 0) // 2
    return np.asarray(np.take_along_axis(chosen, at[None], axis=0)[0], np.float32)


def _resized(image: ImageRGB, size: tuple[int, int]) -> ImageRGB:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
