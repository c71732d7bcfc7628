"""Letterbox a whole frame onto a network's canvas: keep the aspect ratio, center it, and pad with repeated edges.

The paper's system works on whole frames; its networks halve the frame four or five times, so sides are multiples of 32 px.
"""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB, Pose

STEP_PX: Final = 32


@dataclass(frozen=True)
class Letterbox:
    """Position of a frame on a canvas, all in px.

    width_px, height_px: the canvas. left_px, top_px, inner_width_px, inner_height_px: the frame on it. frame_width_px,
    frame_height_px: the frame by itself.
    """

    width_px: int
    height_px: int
    left_px: int
    top_px: int
    inner_width_px: int
    inner_height_px: int
    frame_width_px: int
    frame_height_px: int

    @classmethod
    def of_frame(cls, frame_width_px: int, frame_height_px: int, longer_px: int) -> Self:
        """The canvas whose longer side is `longer_px`, a multiple of 32; the shorter one is the next multiple."""
        scale = longer_px / max(frame_width_px, frame_height_px)
        inner = [max(1, round(scale * side)) for side in (frame_width_px, frame_height_px)]
        canvas = [-(-side // STEP_PX) * STEP_PX for side in inner]
        left, top = ((whole - side) // 2 for whole, side in zip(canvas, inner, strict=True))
        return cls(canvas[0], canvas[1], left, top, inner[0], inner[1], frame_width_px, frame_height_px)

    def doubled(self) -> Self:
        """The same frame on a canvas twice as wide and high, px for 2x2 px."""
        twice = {each.name: 2 * getattr(self, each.name) for each in fields(self)}
        return replace(self, **twice | {"frame_width_px": self.frame_width_px, "frame_height_px": self.frame_height_px})

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas px per frame px, along x and y; equal except for rounding."""
        return self.inner_width_px / self.frame_width_px, self.inner_height_px / self.frame_height_px

    def place(self, image_rgb: ImageRGB) -> ImageRGB:
        """Resize and pad a frame to the canvas, uint8 [H,W,3]."""
        right = self.width_px - self.inner_width_px - self.left_px
        bottom = self.height_px - self.inner_height_px - self.top_px
        inner = resize(image_rgb, self.inner_width_px, self.inner_height_px)
        padded = cv2.copyMakeBorder(inner, self.top_px, bottom, self.left_px, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.uint8)

    def take_back(self, canvas_rgb: ImageRGB) -> ImageRGB:
        """Crop the frame out of a canvas and resize it to the frame's own size."""
        inner = canvas_rgb[self.top_px : self.top_px + self.inner_height_px, self.left_px : self.left_px + self.inner_width_px]
        return resize(inner, self.frame_width_px, self.frame_height_px)

    def apply(self, pose: Pose) -> Pose:
        """Transform poses from frame px to canvas px."""
        scale = np.array(self.scale, np.float32)
        shift = np.array([self.left_px, self.top_px], np.float32) + (scale - 1) / 2  # pixel centers are at integers
        return Pose((pose.xy * scale + shift).astype(np.float32), pose.confidence, (pose.depth * scale[0]).astype(np.float32))


def resize(image_rgb: ImageRGB, width_px: int, height_px: int) -> ImageRGB:
    """Resize by area averaging when it shrinks, by cubic interpolation when it grows."""
    shrinks = width_px < image_rgb.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = np.asarray(cv2.resize(image_rgb, (width_px, height_px), interpolation=how), np.uint8)
    return resized
