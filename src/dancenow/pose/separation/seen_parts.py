"""What is seen of each of several people in a frame, when the masks of some contain parts of others.

Refined masks have good edges, but leak onto whoever touches the person. So each pixel of any mask is given to one person: by
the detector's masks, by the bodies that the poses tell, and by who is nearer to the camera.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_area import body_area, pose_size_px
from dancenow.types import FloatArray, Pose

_BODY: Final = 6.0
"""How much the body of a pose speaks for the person; this and the next are logarithms of odds."""
_NEARER: Final = 3.0
_MASK_LIMIT: Final = 4.0
_BODY_AROUND: Final = 0.02
"""What may be body beyond a limb; fraction of the person's size."""
_AROUND: Final = 0.01
"""How far around masks and body somebody may be; fraction of the picture's height."""


def seen_parts(
    masks: Sequence[NDArray[np.uint8]],
    detected: Sequence[NDArray[np.uint8]],
    poses: Sequence[Pose],
    frame_width_px: int,
    nearest_first: Sequence[int],
) -> list[NDArray[np.uint8]]:
    """The masks of people, uint8 [h,w] each, with every pixel given to one of them, softly where two meet.

    masks: refined, uint8 [h,w]. detected: the detector's, of any size. poses: keypoints [K] in px of the frame. nearest_first:
    numbers of all of them, from the nearest to the farthest.
    """
    shape = masks[0].shape
    around = np.ones((2 * max(1, round(_AROUND * shape[0])) + 1,) * 2, np.uint8)
    scores, claims = np.empty((len(masks), *shape), np.float32), np.empty((len(masks), *shape), np.bool_)
    for number, (mask, found, pose) in enumerate(zip(masks, detected, poses, strict=True)):
        body = _body(pose, shape, shape[1] / frame_width_px)
        coarse = np.asarray(cv2.resize(found, shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
        scores[number] = _log_odds(coarse) + _BODY * body - _NEARER * nearest_first.index(number)
        claims[number] = cv2.dilate(np.maximum(np.maximum(mask, coarse), 255 * body), around) > 25
    if claims.sum(axis=0).max() < 2:
        return list(masks)
    scores = np.where(claims, np.stack([cv2.blur(score, (3, 3)) for score in scores]), np.float32(-1e4))
    weights = np.exp(scores - scores.max(axis=0))
    anyone = np.max(masks, axis=0)
    shared = np.rint(anyone * weights / weights.sum(axis=0))
    contested = claims.sum(axis=0) > 1
    return [np.where(contested, own, mask).astype(np.uint8) for own, mask in zip(shared, masks, strict=True)]


def _body(pose: Pose, shape: tuple[int, ...], scale: float) -> NDArray[np.uint8]:
    """Where the body of a pose may be, uint8 [h,w], 0 or 1. scale: from px of the pose to px here."""
    moved = Pose(pose.xy * np.float32(scale), pose.confidence)
    size_px = pose_size_px(moved)
    if not size_px:
        return np.zeros(shape[:2], np.uint8)
    around = np.ones((2 * round(_BODY_AROUND * size_px) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(body_area(moved, shape, size_px), around), np.uint8)


def _log_odds(mask: NDArray[np.uint8]) -> FloatArray:
    """How surely each pixel is in a mask, by the logarithm of the odds."""
    share = np.clip(mask.astype(np.float32) / 255, 0.01, 0.99)
    return np.asarray(np.clip(np.log(share / (1 - share)), -_MASK_LIMIT, _MASK_LIMIT), np.float32)
