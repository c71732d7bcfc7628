"""Measure how the exposure of footage changes, from its background alone.

Small copies of all frames are compared, without the person, with a reference, which is their median after correction; fit and
median alternate. The fits are robust (reweighted least squares with Tukey's biweight, which gets narrower), because shadows,
other people and doors change, too. If the camera moves, the copies are compared in its reference view.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import read_masks
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.exposure import Exposure
from dancenow.subject.exposure_cells import AlignedCells, FrameCells, KeptCells
from dancenow.types import Frame

_SIDE_PX: Final = 32
"""Longer side of the small copies. A cell of them is the mean of many pixels, so noise does not count."""
_PERSON_LEVEL: Final = 8
"""Mean of the mask in a cell above which it shows the person."""
_MIN_CELLS: Final = 40
_MIN_CHANGE, _MAX_UNEXPLAINED = 3.0, 0.4
"""Exposure changes if that of a frame differs by this many levels of 255, and gain and offset leave less than this fraction of
the difference.
"""
_SAME_LEVELS: Final = 1.0
"""Frames of which no correction of a dark, middle or bright level reaches this stay as they are."""
_DARKEST, _BRIGHTEST = 4.0, 247.0
"""Levels outside of which a cell may be clipped."""
_MAX_GAIN: Final = 2.5
"""Frames that need more have lost too much to rounding and compression."""
_LOST_CONTRAST, _LOST_LEVELS = 0.25, 40.0
"""A frame is lost (black, white, a plain title) if the contrast of its background is below this fraction of the median of the
footage, and its brightness is this many levels away from the median.
"""
_MIN_CELLS_EXPLAINED, _MIN_FRAMES_EXPLAINED = 0.6, 0.8
"""Fraction of the cells of a frame that a fit has to explain, and of the frames before a still camera."""
_TOLERANCE: Final = 6.0
"""Levels by which an explained cell may differ."""
_WIDTHS: Final = (60.0, 30.0, 16.0, 12.0, 12.0)
"""Half-widths of the biweight in levels, for each reweighting of a fit that begins with all cells."""
_OFFSET_PRIOR: Final = 2e-4
"""Weight of a zero offset, per cell: a plain wall does not tell offset and gain apart, and light changes by a gain."""
_ROUNDS, _MAX_REFERENCE_FRAMES, _BATCH = 2, 127, 256
_MOVING_ROUNDS: Final = 8
"""Of a camera that moves: each round, the reference grows by what overlaps it."""

_Array = NDArray[np.float32]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Fits:
    """table: float32 [T,3,2], as in `Exposure`. explained: bool [T]. change, rest: float32 [T], mean difference of the
    background from the reference, in levels, before and after correction.
    """

    table: _Array
    explained: _Mask
    change: _Array
    rest: _Array


class ExposureMeter:
    """Measures the exposure of every frame; `VideoSource.feed` gives the frames. Of long footage it keeps small copies in a
    temporary file beside the masks.

    masks: of the person, one per frame. measured: bool [T], the frames of which the reference is made.

    Raises:
        UserError: the masks cannot be read.
    """

    def __init__(self, masks: Path, measured: _Mask) -> None:
        self.indices: Collection[int] = range(len(measured))
        self._measured = measured
        self._masks: Iterator[tuple[int, NDArray[np.uint8]]] = enumerate(read_masks(masks))
        self._cells = KeptCells(masks.parent)

    def take(self, frame: Frame) -> None:
        """Keep a small copy of a frame."""
        mask = next((mask for index, mask in self._masks if index == frame.index), None)
        if mask is None:
            return
        height, width = frame.image_rgb.shape[:2]
        scale = min(1.0, _SIDE_PX / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        colors = np.asarray(cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        person = cv2.dilate(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.ones((3, 3), np.uint8))
        self._cells.append(frame.index, colors, np.asarray(person < _PERSON_LEVEL))

    def exposure(self, camera: CameraTrajectory | None = None) -> Exposure:
        """The exposure of every frame; constant where it does not change or cannot be measured. camera: None if it is still."""
        constant = Exposure.constant(len(self._measured))
        numbers = self._cells.numbers
        if not self._measured[numbers].any():
            return constant
        measured = self._measured[numbers]
        usable = ~_lost(self._cells, measured)
        if not (measured & usable).any():
            return constant
        if camera is None or camera.is_still:
            fits = _fit_all(FrameCells(self._cells), measured & usable, _ROUNDS)
        else:
            aligned = AlignedCells(self._cells, camera)
            fits = _fit_all(aligned, measured & (camera.confidence[numbers] > 0), _MOVING_ROUNDS)
            usable |= fits.explained  # the camera looks at a plain wall
        if fits.explained[measured & usable].mean() < _MIN_FRAMES_EXPLAINED:
            return _spread(constant, numbers, constant.table[numbers], usable)
        strong = (fits.table[..., 0] > _MAX_GAIN).any(axis=1)
        usable &= ~(fits.explained & strong)
        known = fits.explained & ~strong
        if not (known & (fits.change > _MIN_CHANGE) & (fits.rest < _MAX_UNEXPLAINED * fits.change)).any():
            return _spread(constant, numbers, constant.table[numbers], usable)
        levels = np.array([64, 128, 192], np.float32)
        corrections = fits.table[..., :1] * levels + fits.table[..., 1:] - levels
        same = np.abs(corrections).max(axis=(1, 2)) < _SAME_LEVELS
        table = np.where(same[:, None, None], constant.table[numbers], fits.table)
        return _spread(constant, numbers[known], table[known], usable, numbers)


def _spread(
    constant: Exposure, at: NDArray[np.int64], table: _Array, usable: _Mask, usable_at: NDArray[np.int64] | None = None
) -> Exposure:
    """The exposure of all frames from that of the frames `at`; the others are interpolated."""
    every = np.arange(len(constant))
    columns = [np.interp(every, at, column) for column in table.reshape(len(at), 6).T]
    used = constant.usable.copy()
    used[at if usable_at is None else usable_at] = usable
    return Exposure(np.stack(columns, axis=-1).reshape(-1, 3, 2).astype(np.float32), used)


def _lost(cells: KeptCells, measured: _Mask) -> _Mask:
    """bool [T]: the frames that show next to nothing."""
    level, contrast = np.array(cells.level), np.array(cells.contrast)
    other = np.abs(level - np.median(level[measured])) > _LOST_LEVELS
    return np.asarray(other & (contrast < _LOST_CONTRAST * np.median(contrast[measured])))


def _fit_all(frames: FrameCells, used: _Mask, rounds: int) -> _Fits:
    """Fit all frames [T] to a reference made of the `used` ones, at the exposure of their median."""
    numbers, candidates = frames.kept.numbers, np.flatnonzero(used)
    brightness = np.array(frames.kept.brightness)[candidates]
    first = candidates[np.argsort(brightness)[len(candidates) // 2]]
    colors, clear = frames.take(numbers[[first]])
    reference, known = colors[0].astype(np.float32), clear[0]
    picked = candidates[np.unique(np.linspace(0, len(candidates) - 1, _MAX_REFERENCE_FRAMES).round().astype(int))]
    cells, clear = frames.take(numbers[picked])
    for _ in range(rounds):
        fits = _fit(cells, clear & known, reference)
        if not fits.explained.any():
            break
        gain, offset = np.moveaxis(_from_median(fits.table, fits.explained)[fits.explained], -1, 0)
        samples = cells[fits.explained] * gain[:, None] + offset[:, None]
        seen = clear[fits.explained]
        known = seen.sum(axis=0) >= min(3, len(seen))
        samples = np.where((seen & known)[..., None], samples, np.nan)
        samples[:, ~known] = 0
        reference = np.nanmedian(samples, axis=0).astype(np.float32)
    parts = []
    for start in range(0, len(numbers), _BATCH):
        cells, clear = frames.take(numbers[start : start + _BATCH])
        parts.append(_fit(cells, clear & known, reference))
    table, explained, change, rest = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("table", "explained", "change", "rest")
    )
    typical = used & explained
    return _Fits(_from_median(table, typical) if typical.any() else table, explained, change, rest)


def _from_median(table: _Array, of: _Mask) -> _Array:
    """The table [T,3,2] to another reference: the median exposure of some frames, so that most of them need no correction."""
    gain, offset = np.median(table[of], axis=0).T
    return np.stack([table[..., 0] / gain, (table[..., 1] - offset) / gain], axis=-1)


def _fit(cells: NDArray[np.uint8], clear: _Mask, reference: _Array) -> _Fits:
    """Fit frames uint8 [B,N,3], where they are clear, bool [B,N], to the reference float32 [N,3]."""
    x, y = cells.astype(np.float32), reference[None]
    certain = clear[..., None] & (x > _DARKEST) & (x < _BRIGHTEST) & (y > _DARKEST) & (y < _BRIGHTEST)
    valid = certain.astype(np.float32)
    total = np.maximum(valid.sum(axis=1), 1)
    gain, offset = _weighted_line(x, y, valid, _OFFSET_PRIOR * total)
    for width in _WIDTHS:
        far = (y - gain[:, None] * x - offset[:, None]) / np.float32(width)
        weight = valid * np.square(np.maximum(1 - np.square(far), 0))
        gain, offset = _weighted_line(x, y, weight, _OFFSET_PRIOR * total)
    rest = np.abs(y - gain[:, None] * x - offset[:, None])
    explained = (valid * (rest < _TOLERANCE)).sum(axis=1) / total
    table = np.stack([gain, offset], axis=-1)
    good = (explained.min(axis=1) >= _MIN_CELLS_EXPLAINED) & (total.min(axis=1) >= _MIN_CELLS) & (gain > 0.1).all(axis=1)
    inner = valid * (rest < _TOLERANCE)
    count = np.maximum(inner.sum(axis=(1, 2)), 1)
    change = (np.abs(y - x) * inner).sum(axis=(1, 2)) / count
    table[~good] = (1, 0)
    return _Fits(table, np.asarray(good), change, (rest * inner).sum(axis=(1, 2)) / count)


def _weighted_line(x: _Array, y: _Array, weight: _Array, offset_prior: _Array) -> tuple[_Array, _Array]:
    """Weighted least squares of y = gain x + offset over axis 1, with a prior for offset 0."""
    n, sx, sy = weight.sum(axis=1) + offset_prior, (weight * x).sum(axis=1), (weight * y).sum(axis=1)
    sxx, sxy = (weight * x * x).sum(axis=1), (weight * x * y).sum(axis=1)
    determinant = sxx * n - sx * sx
    safe = determinant > 1e-6 * np.maximum(sxx * n, 1e-6)
    gain = np.where(safe, (sxy * n - sx * sy) / np.where(safe, determinant, 1), 1)
    return gain.astype(np.float32), ((sy - gain * sx) / n).astype(np.float32)
