"""The usual picture of a camera that stands still, without its people: what differs from it may be somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

MAX_SAMPLES: Final = 40
"""Frames of which the median is taken, at most."""
_DIFFERENT_LEVELS: Final = 14.0
_AROUND: Final = 0.02
"""How far around a mask the person may still be; fraction of the picture's height."""
_MAX_MOVING: Final = 0.1
"""If more of the picture beside the people differs from the median, the camera moves, or the light changes."""


@dataclass(frozen=True, eq=False)
class StillBackground:
    """image_rgb: float32 [h,w,3] in [0,255]."""

    image_rgb: FloatArray

    @classmethod
    def of(cls, samples: Sequence[tuple[ImageRGB, NDArray[np.uint8]]]) -> "StillBackground | None":
        """From frames uint8 [h,w,3] and the masks [h,w] of everybody in them; None if they do not show one still picture.

        What was never seen looks like the people who stand there.
        """
        if not samples:
            return None
        around_px = 2 * round(_AROUND * samples[0][0].shape[0]) + 1
        images = np.stack([image for image, _ in samples])
        people = np.stack([cv2.dilate(mask, np.ones((around_px, around_px), np.uint8)) > 40 for _, mask in samples])
        background = np.empty(images.shape[1:], np.float32)
        for row in range(len(background)):  # row by row, because the median needs several copies
            values = np.where(people[:, row, :, None], np.nan, images[:, row].astype(np.float32))
            never = people[:, row].all(axis=0)
            values[:, never] = images[:, row, never]
            background[row] = np.nanmedian(values, axis=0)
        found = cls(background)
        moving = [
            float(found.differs(image)[~mask].mean()) for image, mask in zip(images, people, strict=True) if not mask.all()
        ]
        return found if moving and float(np.median(moving)) <= _MAX_MOVING else None

    def differs(self, image_rgb: ImageRGB) -> NDArray[np.bool_]:
        """Where a frame uint8 [h,w,3] shows something else: bool [h,w]."""
        difference = np.abs(image_rgb.astype(np.float32) - self.image_rgb).max(axis=2)
        return np.asarray(cv2.blur(difference, (3, 3)) > _DIFFERENT_LEVELS)
