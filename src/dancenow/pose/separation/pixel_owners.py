"""Whose pixels are whose while people touch: by the masks of the detector, and by the colors that each person has where.

A mask was found in a crop that shows several people, and often contains an arm of another one. Colors by place correct it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.separation.colors_by_place import ColorsByPlace, color_bins
from dancenow.pose.separation.still_background import StillBackground
from dancenow.types import FloatArray, ImageRGB

_MASK_LIMIT: Final = 4.0
"""A mask says no more than this, as a logarithm of odds."""
_COLORS_LIMIT: Final = 4.0
_COLORS_WEIGHT: Final = 2.0
_CLEARLY: Final = 4.0
"""How much a pixel must speak for another person to be taken from this one."""
_SMOOTH: Final = 0.01
"""Radius over which neighbors decide together, along the edges of the picture; fraction of its height."""
_EDGE_VARIANCE: Final = 0.003


@dataclass(frozen=True, eq=False)
class PixelOwners:
    """What is known of everybody. colors: of each person by number. trunks: float64 [T,3] of each, see `places.trunks`, in px
    of the masks.
    """

    background: StillBackground
    colors: Mapping[int, ColorsByPlace]
    trunks: Mapping[int, NDArray[np.float64]]

    def of_others(
        self, image_rgb: ImageRGB, masks: Mapping[int, NDArray[np.uint8] | None], frame: int, people: Sequence[int]
    ) -> dict[int, NDArray[np.bool_]]:
        """For each of `people` who meet in a frame uint8 [h,w,3], which pixels show another one of them: bool [h,w].

        masks: uint8 [h,w] of everybody in this frame; None of somebody who was not found. frame: its number.
        """
        bins = color_bins(image_rgb)
        guide = np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32)
        odds = {number: _log_odds(masks[number], guide.shape) for number in people}
        seen = {number: self.colors[number].log_density(bins, self.trunks[number][frame]) for number in people}
        somebody = self.background.differs(image_rgb)
        found = {}
        for number in people:
            foreign = np.zeros(guide.shape, np.bool_)
            for other in people:
                if other != number:
                    by_color = cv2.blur(np.clip(seen[other] - seen[number], -_COLORS_LIMIT, _COLORS_LIMIT), (3, 3))
                    other_is = np.asarray(odds[other] - odds[number] + _COLORS_WEIGHT * by_color, np.float32)
                    foreign |= _along_edges(other_is, guide) > _CLEARLY
            found[number] = foreign & somebody
        return found


def _log_odds(mask: NDArray[np.uint8] | None, shape: tuple[int, ...]) -> FloatArray:
    """How surely each pixel is in a mask, by the logarithm of the odds; 0 where nothing is known."""
    if mask is None:
        return np.zeros(shape, np.float32)
    share = np.clip(mask.astype(np.float32) / 255, 0.01, 0.99)
    return np.asarray(np.clip(np.log(share / (1 - share)), -_MASK_LIMIT, _MASK_LIMIT), np.float32)


def _along_edges(values: FloatArray, guide: FloatArray) -> FloatArray:
    """Values [h,w] smoothed, but not across the edges of a gray picture [h,w] in [0,1]: a guided filter (He et al., 2010)."""
    side = 2 * max(1, round(_SMOOTH * guide.shape[0])) + 1

    def mean(image: FloatArray) -> FloatArray:
        return np.asarray(cv2.blur(image, (side, side)), np.float32)

    center, level = mean(guide), mean(values)
    slope = (mean(guide * values) - center * level) / (mean(guide * guide) - center**2 + _EDGE_VARIANCE)
    return np.asarray(mean(slope) * guide + mean(level - slope * center), np.float32)
