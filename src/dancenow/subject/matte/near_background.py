"""The background close to the person, for mattes: what a few frames show of it, shadows included.

The background plate is estimated far from the person, so that no shadow stays in it, and is unknown around a person who hardly
moves. A matte needs the background exactly there, as it looks with the person beside it.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import read_masks
from dancenow.subject.exposure import Exposure
from dancenow.subject.matte.color_sampling import disc
from dancenow.types import Frame, ImageRGB, Plate

_MIN_SAMPLES: Final = 4
_MAX_SPREAD: Final = 24
"""Levels between the quartiles of a pixel's samples; where they differ more, the mask may have missed a part of the person."""
_MARGIN: Final = 0.016
"""Distance kept from the detector's mask, as a fraction of the person's size."""
_BLOCK_BYTES: Final = 64_000_000


class NearBackground:
    """Collects the frames that the plate is estimated from, and completes the plate where some of them show the background.

    masks: of the person, one per frame. indices: numbers of the frames. `VideoSource.feed` gives the frames.

    Raises:
        UserError: the masks cannot be read.
    """

    def __init__(self, masks: Path, indices: Collection[int]) -> None:
        self.indices = indices
        wanted, last = set(indices), max(indices, default=-1)
        self._bare = {i: _bare(mask) for i, mask in enumerate(read_masks(masks, 0, last + 1)) if i in wanted}
        self._frames: list[tuple[int, ImageRGB]] = []

    def take(self, frame: Frame) -> None:
        """Keep a frame."""
        if frame.index in self._bare:
            self._frames.append((frame.index, frame.image_rgb))

    def complete(self, plate: Plate, exposure: Exposure | None = None) -> Plate:
        """The plate with the median of the bare samples where it is not known, and known there.

        exposure: of the frames, relative to that of the plate. The frames are given up.
        """
        at = np.flatnonzero(~plate.known)
        frames, self._frames = self._frames, []
        if exposure is not None:
            frames = [(index, exposure.correct(image, index)) for index, image in frames if exposure.usable[index]]
        if not len(at) or not frames:
            return plate
        height, width = plate.known.shape
        image, known = plate.image_rgb.copy(), plate.known.copy()
        step = max(1, _BLOCK_BYTES // (4 * len(frames)))
        for first in range(0, len(at), step):
            here = at[first : first + step]
            rows, columns = np.divmod(here, width)
            bare = np.stack([self._at(index, rows / height, columns / width) for index, _ in frames])
            samples = np.stack([frame.reshape(-1, 3)[here] for _, frame in frames])
            color, is_steady = _median(samples, bare)
            image.reshape(-1, 3)[here[is_steady]] = color[is_steady]
            known.ravel()[here[is_steady]] = True
        # Where it borders on the unknown, a mask may have missed the edge of the person.
        inside = cv2.erode(known.view(np.uint8), disc(_MARGIN / 2 * max(height, width))) > 0
        return Plate(image, plate.known | inside)

    def _at(self, index: int, row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a frame is bare, at places in [0,1)."""
        bare = self._bare[index]
        return np.asarray(bare[(row * bare.shape[0]).astype(np.int64), (column * bare.shape[1]).astype(np.int64)])


def _bare(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a frame shows the background, with a small margin; nowhere if the person was not found."""
    body = (mask > 10).astype(np.uint8)
    _, _, width, height = cv2.boundingRect(body)
    if not width:
        return np.zeros(mask.shape, bool)
    return np.asarray(cv2.dilate(body, disc(_MARGIN * max(width, height))) == 0)


def _median(samples: NDArray[np.uint8], use: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The median of the used ones of samples [N,P,3], uint8 [P,3], and whether they are enough and alike, bool [P]."""
    seen = use.sum(axis=0)
    # Unused samples go to the end of the order as 255, where they change nothing among the first `seen`.
    ordered = np.where(use[..., None], samples, np.uint8(255))
    ordered.sort(axis=0)
    ranks = [np.maximum(seen - 1, 0)[None, :, None] * percent // 100 for percent in (25, 50, 75)]
    low, middle, high = (np.take_along_axis(ordered, rank, axis=0)[0] for rank in ranks)
    spread = (high.astype(np.int16) - low).max(axis=1)
    return middle, np.asarray((seen >= _MIN_SAMPLES) & (spread <= _MAX_SPREAD))
