"""The soft shadow where feet touch the ground, without which a person seems to hover.

The shadow that a model learned is that of its own footage, and where the studio hardly has one, nothing is left of it. The
shadow here is small: what little light reaches the ground right under a foot. How dark it is depends on the place, so it is
measured at the feet of the dancer who was filmed there: on film between nothing and half of the light is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, ImageRGB, Pose

_BELOW: Final = 0.022
"""How much lower than the keypoints of a foot its shadow is darkest; this and the next are fractions of the person's height."""
_SIGMA: Final = 0.015
"""Standard deviation of the shadow up and down."""
_WIDER: Final = 2.0
"""How much wider than high it is beside a foot: the ground is seen from the side."""
_LIFTED: Final = 0.1
"""How far above the ground a foot has no shadow."""
_REACH: Final = 3.0
"""In standard deviations."""
_SURE: Final = 0.3
_MIN_DARKNESS: Final = 0.01
"""What is less is not drawn."""
_MAX_DARKNESS: Final = 0.5
_NEAR: Final = 0.1
"""Where a shadow has at least that fraction of its darkness it is measured."""
_MIN_LEVEL: Final = 20.0
"""Gray level of ground on which a shadow can be measured."""
_NOBODY: Final = 8
"""Level of a mask where surely nobody is, with a border around people."""
_BORDER: Final = 0.006
"""Width of that border, as a fraction of the person's height."""
_MIN_PART: Final = 8e-5
"""Least area where a shadow is measured, as a fraction of the square of the person's height."""
_USUAL: Final = 0.15
"""Darkness where none can be measured: about the median of filmed places."""


@dataclass(frozen=True, eq=False)
class StandingPerson:
    """A frame with somebody whose feet can be seen.

    image_rgb: the frame. behind_rgb: the place without them, as bright as in the frame; it may be invented. mask: of everybody,
    uint8 of any size. pose: [K]. ground_y_px: how low the ground under the person is. height_px: how tall they are.
    """

    image_rgb: ImageRGB
    behind_rgb: ImageRGB
    mask: NDArray[np.uint8]
    pose: Pose
    ground_y_px: float
    height_px: float


def contact_shadow(
    pose: Pose, ground_y_px: float, height_px: float, frame_px: tuple[int, int], darkness: float
) -> NDArray[np.uint8] | None:
    """The shadow under the feet of a pose [K] as a black image uint8 [H,W,4] with straight alpha; None if there is none.

    ground_y_px, height_px: see `StandingPerson`. frame_px: width and height. darkness: how much of the light is missing where
    the shadow is darkest, see `measure_darkness`.
    """
    if darkness < _MIN_DARKNESS:
        return None
    shape = _shape(pose, ground_y_px, height_px, frame_px)
    if not shape.any():
        return None
    shadow = np.zeros((*shape.shape, 4), np.uint8)
    shadow[..., 3] = np.rint(shape * (255 * darkness))
    return shadow


def measure_darkness(people: Iterable[StandingPerson]) -> float:
    """How much of the light is missing under the feet of people, in [0, .5]: the median over frames; what is usual if
    nowhere the ground beside a foot can be seen."""
    found = [each for each in map(_darkness, people) if each is not None]
    return float(np.clip(np.median(found), 0.0, _MAX_DARKNESS)) if found else _USUAL


def _darkness(seen: StandingPerson) -> float | None:
    """The darkness with which a shadow of the usual shape is most like that of a frame; None if too little is seen of it."""
    height, width = seen.image_rgb.shape[:2]
    shape = _shape(seen.pose, seen.ground_y_px, seen.height_px, (width, height))
    border_px = 2 * max(1, round(_BORDER * seen.height_px)) + 1
    mask = cv2.dilate(cv2.resize(seen.mask, (width, height)), np.ones((border_px, border_px), np.uint8))
    image, behind = (each.mean(axis=2, dtype=np.float32) for each in (seen.image_rgb, seen.behind_rgb))
    counted = (shape > _NEAR) & (mask < _NOBODY) & (behind > _MIN_LEVEL)
    if np.count_nonzero(counted) < max(4.0, _MIN_PART * seen.height_px**2):
        return None
    missing, expected = 1 - image[counted] / behind[counted], shape[counted]
    return float((missing * expected).sum() / np.square(expected).sum())


def _shape(pose: Pose, ground_y_px: float, height_px: float, frame_px: tuple[int, int]) -> FloatArray:
    """The shadow under the feet, [H,W], 1 where it is darkest."""
    shape = np.zeros(frame_px[::-1], np.float32)
    sigma_px = max(0.5, _SIGMA * height_px)
    for side in ("right", "left"):
        ends = [INDEX[f"{side}_heel"], INDEX[f"{side}_toe"]]
        if (pose.confidence[ends] <= _SURE).any():
            continue
        heel, toe = pose.xy[ends].astype(np.float64)
        lifted = (ground_y_px - max(heel[1], toe[1])) / (_LIFTED * height_px)
        level = float(np.clip(1 - lifted, 0, 1))
        lower = np.array([0, _BELOW * height_px])
        _draw(shape, heel + lower, toe + lower, sigma_px, level)
    return shape


def _draw(shape: FloatArray, start: NDArray[np.float64], end: NDArray[np.float64], sigma_px: float, level: float) -> None:
    """Draw the shadow of a foot, a line from `start` to `end` with soft sides, into `shape` [H,W], where it is darker."""
    reach = _REACH * sigma_px * np.array([_WIDER, 1])
    limit = np.array(shape.shape[::-1])
    low = np.clip(np.floor(np.minimum(start, end) - reach), 0, limit).astype(int)
    high = np.clip(np.ceil(np.maximum(start, end) + reach) + 1, 0, limit).astype(int)
    x, y = (np.arange(*each, dtype=np.float32) for each in zip(low, high, strict=True))
    if not (level and len(x) and len(y)):
        return
    part = shape[low[1] : high[1], low[0] : high[0]]
    across, down = (end - start) / (_WIDER, 1)
    off_x, off_y = (x - start[0]) / _WIDER, (y - start[1])[:, None]
    along = ((off_x * across + off_y * down) / max(across**2 + down**2, 1e-6)).clip(0, 1)
    distance = np.square(off_x - along * across) + np.square(off_y - along * down)
    np.maximum(part, level * np.exp(-0.5 * distance / sigma_px**2), out=part, casting="same_kind")
