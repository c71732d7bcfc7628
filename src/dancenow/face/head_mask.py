"""Where a refined face may change its frame: on the person, not on the background beside the head, and softly at the end.

A network changes its whole window. Beside the head that smears a background which it never saw there, and at the window's rim
its detail ends in a rectangle, visible on a softer body. So the change is kept to the pixels that the person covers, and its
fine detail fades with the distance from the head. A translated face brings a background of its own: of it only the head is
used.
"""

from typing import Final

import cv2
import numpy as np

from dancenow.face.blending import feather_mask
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import EXPRESSION, YAW, FaceTrack
from dancenow.face.face_tracking import MARGIN
from dancenow.types import FloatArray, ImageRGB

HALF_WIDTH: Final = 0.42
"""Half axes of the ellipse around a head seen from the front, with its hair: fractions of the head's height."""
HALF_HEIGHT: Final = 0.52
_MORE_IN_PROFILE: Final = 0.08
"""A head is deeper than wide: this is added to its half width in profile."""
_OUTLINE_FADE: Final = 0.5
"""Width of the fade around the ellipse, relative to it."""
_DETAIL_RAMP: Final = (0.8, 0.99)
"""Distance from the center of the canvas between which fine detail fades, as in `blending.DEFAULT_RAMP`."""
_FINE_SIGMA: Final = 1 / 40
"""Standard deviation that separates fine detail, as a fraction of the canvas."""
_DIFFERENCE: Final = 6.0
"""In grey levels: from this difference on a pixel does not show the background."""
_REACH_HEADS: Final = 0.1
"""A rendered outline is soft and may be a little too narrow: changes reach beyond it by this fraction of the head's height."""
_ROLL: Final = EXPRESSION.index("roll")


def head_outline(faces: FaceTrack, t: int) -> FloatArray:
    """Mask of the head of frame t on its canvas: float32 [S,S] in [0,1], 1 on the head, 0 at the rim."""
    yaw, roll = float(faces.expression[t, YAW]), float(faces.expression[t, _ROLL])
    along = np.linspace(-0.5, 0.5, faces.size_px, dtype=np.float32) * MARGIN
    x, y = np.meshgrid(along, along)
    across, down = x * np.cos(roll) + y * np.sin(roll), y * np.cos(roll) - x * np.sin(roll)
    half_width = HALF_WIDTH + _MORE_IN_PROFILE * abs(np.sin(yaw))
    radius = np.hypot(across / half_width, down / HALF_HEIGHT)
    return _smooth_step((1 + _OUTLINE_FADE - radius) / _OUTLINE_FADE)


def covered_by_person(frame_rgb: ImageRGB, background_rgb: ImageRGB, faces: FaceTrack, t: int) -> FloatArray:
    """Mask of the person on the face canvas of frame t, float32 [S,S] in [0,1]: where the frame differs from its background."""
    crop = faces.crop(t)
    shown, behind = (crop_face(image, crop).astype(np.float32) for image in (frame_rgb, background_rgb))
    differs = (np.abs(shown - behind).max(axis=2) > _DIFFERENCE).astype(np.uint8)
    reach_px = max(1, round(_REACH_HEADS * faces.size_px / MARGIN))
    # Skin or hair of the background's color leaves holes, which the closing fills.
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, _disk(2 * reach_px))
    wide = cv2.dilate(closed, _disk(reach_px)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), reach_px / 2), np.float32)


def fade_detail(change: FloatArray) -> FloatArray:
    """A change [S,S,3] of a face canvas whose fine detail fades towards the rim of the canvas."""
    size = len(change)
    coarse = cv2.GaussianBlur(change, (0, 0), _FINE_SIGMA * size)
    return np.asarray(coarse + (change - coarse) * feather_mask(size, _DETAIL_RAMP)[..., None], np.float32)


def _smooth_step(value: FloatArray) -> FloatArray:
    inside = np.clip(value, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def _disk(radius_px: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    side = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
