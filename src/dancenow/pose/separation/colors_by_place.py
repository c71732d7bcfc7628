"""Which colors a person has where: a histogram over color and place relative to the trunk, learned while nobody touches them.

Colors alone do not tell two people apart whose skin, or whose shirt and skirt, look alike; that a face is above a trunk, and a
skirt below it, does. Bodies are upright and nearly symmetrical, so the height above the trunk and the distance from its axis
are enough.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

_COLOR_BINS: Final = (6, 10, 10)
"""Of L, a and b of CIELAB."""
_PLACE_BINS: Final = (10, 4)
"""Of height and of distance from the axis."""
_TOP, _BOTTOM, _ASIDE = -1.5, 2.5, 1.6
"""How far from the middle of the trunk, in trunk lengths."""
_COLOR_BLUR, _PLACE_BLUR = 0.5, 0.6
"""Of the histogram, in bins."""
_ANYTHING: Final = 1.6e-6
"""Share of a person's pixels that may have any color at any place."""
_CELLS: Final = (*_COLOR_BINS, *_PLACE_BINS)


class ColorsByPlace:
    """The colors of one person by place."""

    def __init__(self) -> None:
        self._counts: FloatArray = np.zeros(_CELLS, np.float32)
        self._frames = 0
        self._log_density: FloatArray | None = None

    @property
    def frames(self) -> int:
        """From how many frames it was learned."""
        return self._frames

    def learn(self, colors: NDArray[np.int64], mask: NDArray[np.uint8], trunk: NDArray[np.float64]) -> None:
        """Add a frame: `color_bins` of it, the person's mask uint8 [h,w], and x, y and length of their trunk in px."""
        surely = cv2.erode((mask > 128).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        cells = _cells(colors, trunk)[surely]
        self._counts += np.bincount(cells, minlength=self._counts.size).reshape(_CELLS).astype(np.float32)
        self._frames += 1
        self._log_density = None

    def log_density(self, colors: NDArray[np.int64], trunk: NDArray[np.float64]) -> FloatArray:
        """Logarithm of how many of the person's pixels are expected like each pixel: float32 [h,w]. Arguments as in `learn`."""
        if self._log_density is None:
            smooth = self._counts
            for axis, count in enumerate(_CELLS):
                at = np.arange(count)
                sigma = _COLOR_BLUR if axis < len(_COLOR_BINS) else _PLACE_BLUR
                kernel = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
                smooth = np.moveaxis(np.tensordot(kernel / kernel.sum(axis=0), smooth, (1, axis)), 0, axis)
            self._log_density = np.asarray(np.log(smooth / self._frames + _ANYTHING * smooth.sum() / self._frames), np.float32)
        return np.asarray(self._log_density.ravel()[_cells(colors, trunk)], np.float32)


def color_bins(image_rgb: ImageRGB) -> NDArray[np.int64]:
    """The color of each pixel of a frame uint8 [h,w,3] as one number, int64 [h,w]."""
    lab = cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    count = np.array(_COLOR_BINS, np.float32)
    share = (lab - np.array([0, -50, -50], np.float32)) / 100
    bins = np.clip(share * count, 0, count - 1).astype(np.int64)
    return np.asarray((bins[..., 0] * _COLOR_BINS[1] + bins[..., 1]) * _COLOR_BINS[2] + bins[..., 2], np.int64)


def _cells(colors: NDArray[np.int64], trunk: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cell of the histogram of each pixel, int64 [h,w]."""
    x_px, y_px, length_px = trunk.tolist()
    down = (np.arange(colors.shape[0]) - y_px) / length_px
    aside = np.abs(np.arange(colors.shape[1]) - x_px) / length_px
    rows = np.clip((down - _TOP) / (_BOTTOM - _TOP) * _PLACE_BINS[0], 0, _PLACE_BINS[0] - 1).astype(np.int64)
    columns = np.clip(aside / _ASIDE * _PLACE_BINS[1], 0, _PLACE_BINS[1] - 1).astype(np.int64)
    return np.asarray((colors * _PLACE_BINS[0] + rows[:, None]) * _PLACE_BINS[1] + columns, np.int64)
