"""Compare small copies of frames: what one shows that the other does not, and whether one is a mixture of two others.

Motion is allowed for by block matching, and changes of light by normalization, so that pans, fast dancers and flashes do not
look like another scene. In a mixture every changed pixel is as far on its way from the one frame to the other; where something
moves, some pixels have changed and others have not (after the chromatic scaling of Hampapur, Jain and Weymouth, 1994).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Thumbnail = NDArray[np.uint8]
"""A frame whose longer side is `SIDE_PX`, uint8 [h,w,3]."""

SIDE_PX: Final = 96
_BLOCK_PX: Final = 12
_REACH_PX: Final = 14
"""How far a block is searched for: a fast pan moves by less from one frame to the next."""
_MIN_VARIATION: Final = 3 * _BLOCK_PX**2 * 8.0**2
"""Of a block that can be recognized: a standard deviation of 8 levels in a frame with `_CONTRAST_LEVELS`."""
_UNLIKE: Final = 0.35
"""Residual of the best match, as a fraction of the block's variance, above which the block is not there."""
_CONTRAST_LEVELS: Final = 50.0
_LOW_CONTRAST_LEVELS: Final = 4.0
_CHANGED_LEVELS: Final = 15.0
"""Change of a pixel's color, per channel, that counts."""
_SAME_PROGRESS: Final = 0.15
_ASIDE: Final = 0.35
"""Distance of a mixed color from the line between the two colors, as a fraction of its length, at most."""
_GAIN_RANGE: Final = (0.4, 2.5)
_LIGHT_CHANGED: Final = 0.2
"""Fraction of the pixels from which a change may be one of the light."""
_WELL_FITTED_LEVELS: Final = (40.0, 20.0, 10.0)
"""Errors up to which a pixel counts as well fitted, in one round after another."""
_EVERY_PX: Final = 2
"""Of the rows and columns, in the search for mixtures."""


def thumbnail(frame: VideoFrame) -> Thumbnail:
    """The small copy of a decoded frame, as it is stored: neither rotated nor deinterlaced."""
    scale = SIDE_PX / max(frame.width, frame.height)
    width_px, height_px = (max(_BLOCK_PX, round(side * scale)) for side in (frame.width, frame.height))
    return np.asarray(frame.reformat(width_px, height_px, "rgb24", interpolation="AREA").to_ndarray(), np.uint8)


def contrast(image: Thumbnail) -> float:
    """Standard deviation of the light over the frame, in levels of 255."""
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std())


def normalize(image: Thumbnail) -> NDArray[np.float32]:
    """The frame with mean 0 and a standard contrast, float32 [h,w,3]: a change of light leaves nearly no trace."""
    mean, spread = cv2.meanStdDev(image)
    gain = np.float32(_CONTRAST_LEVELS / max(float(spread.mean()), _LOW_CONTRAST_LEVELS))
    return np.asarray((image - mean.ravel().astype(np.float32)) * gain, np.float32)


def unmatched_fraction(before: Thumbnail, after: Thumbnail, *, in_place: bool = False) -> float:
    """Fraction of the textured blocks of `after` that are nowhere near in `before`: under .3 in one shot, over .45 after a cut.

    in_place: blocks that have moved count as well. A frame without texture has nothing in common with one that has some.
    """
    earlier, image = normalize(before), normalize(after)
    blocks = _blocks(image)
    variation = _variation(blocks)
    textured = variation > _MIN_VARIATION
    if not textured.any():
        return float((_variation(_blocks(earlier)) > _MIN_VARIATION).any())
    # Most of a still camera's view is found in its place, without a search.
    least = _UNLIKE * variation
    moved = textured & (np.square(blocks - _blocks(earlier)).sum(axis=(2, 3, 4)) > least)
    if in_place:
        return float(moved.sum() / textured.sum())
    padded = cv2.copyMakeBorder(earlier, *(_REACH_PX,) * 4, cv2.BORDER_REPLICATE)
    window_px, unmatched = _BLOCK_PX + 2 * _REACH_PX, 0
    for row, column in np.argwhere(moved):
        y, x = row * _BLOCK_PX, column * _BLOCK_PX
        window = padded[y : y + window_px, x : x + window_px]
        residual = float(cv2.matchTemplate(window, np.ascontiguousarray(blocks[row, column]), cv2.TM_SQDIFF).min())
        unmatched += residual > least[row, column]
    return unmatched / int(textured.sum())


def _blocks(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image [h,w,3] in whole blocks, [rows,columns,block,block,3]."""
    rows, columns = (side // _BLOCK_PX for side in image.shape[:2])
    whole = image[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    return whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX, 3).swapaxes(1, 2)


def _variation(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared differences from the block's mean color, summed over each block."""
    return np.asarray(blocks.var(axis=(2, 3)).sum(axis=2) * _BLOCK_PX**2, np.float32)


@dataclass(frozen=True)
class Mixture:
    """A frame compared with one before and one after it. changed: fraction of the pixels that change, beyond a change of light;
    progress: how far they are on the way, 0 to 1 (median); consistency: fraction of them that are as far.
    """

    changed: float
    progress: float
    consistency: float


class Change:
    """What changes from one frame to another, against which frames in between are compared; fraction: of the pixels."""

    def __init__(self, before: Thumbnail, after: Thumbnail) -> None:
        start, end = (image[::_EVERY_PX, ::_EVERY_PX].astype(np.float32) for image in (before, after))
        least = np.float32(3 * _CHANGED_LEVELS**2)
        where = np.square(end - start).sum(axis=2) > least
        if where.mean() > _LIGHT_CHANGED:
            where &= np.square(end - _relit(start, end)).sum(axis=2) > least
        self.fraction = float(where.mean())
        self._where, self._start, self._way = where, start[where], (end - start)[where]

    def mixture(self, middle: Thumbnail) -> Mixture:
        """How a frame in between is composed of both; nothing is consistent where nothing changes."""
        if not len(self._way):
            return Mixture(0.0, 0.5, 0.0)
        moved = middle[::_EVERY_PX, ::_EVERY_PX][self._where] - self._start
        squared = np.square(self._way).sum(axis=1)
        progress = (moved * self._way).sum(axis=1) / squared
        aside = np.linalg.norm(moved - progress[:, None] * self._way, axis=1) / np.sqrt(squared)
        median = float(np.median(progress))
        consistent = (np.abs(progress - median) < _SAME_PROGRESS) & (aside < _ASIDE)
        return Mixture(self.fraction, median, float(consistent.mean()))


def _relit(image: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image in the light of another one: its contrast and mean scaled, so far as exposure changes them.

    Fitted to what fits well, half of the pixels at least, because people may come and go meanwhile.
    """
    relit, fits = image, np.ones(image.shape[:2], bool)
    for tolerance_levels in _WELL_FITTED_LEVELS:
        mean, wanted = image[fits].mean(axis=0), like[fits].mean(axis=0)
        centered = image[fits] - mean
        gain = float((centered * (like[fits] - wanted)).sum() / max(float(np.square(centered).sum()), 1.0))
        relit = ((image - mean) * np.float32(np.clip(gain, *_GAIN_RANGE)) + wanted).clip(0, 255)
        off = np.square(like - relit).sum(axis=2)
        fits = off <= max(float(np.median(off)), 3 * tolerance_levels**2)
    return np.asarray(relit, np.float32)
