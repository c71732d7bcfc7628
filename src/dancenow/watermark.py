"""An invisible mark in the pixels that says "made by dancenow, with this model", and its reader.

A small spread-spectrum mark of our own (after the patchwork of Bender et al., 1996): each bit is spread over cells of a grid
that is relative to the frame, so that size does not matter; it does not move, so that codecs keep it and trimming is harmless.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.progress import Listener, silent, track
from dancenow.types import ImageRGB
from dancenow.video import probe, read_frames

VERSION: Final = 1
GRID: Final = 64
"""Cells along each side of the frame."""
_FINE: Final = 4 * GRID
_VERSION_BITS, _MODEL_BITS, _CHECK_BITS = 4, 16, 24
NUM_BITS: Final = _VERSION_BITS + _MODEL_BITS + _CHECK_BITS
DOUBTFUL_BITS: Final = 4
"""The reader may turn over this many of the least certain bits: 2**4 words of 2**24, false alarms under one in a million."""

_FAINTEST, _STRONGEST, _PER_ACTIVITY = 1.4, 3.5, 0.45
"""Levels of luma: on a bare wall, at most, and per level of texture that hides it. Gains multiply them, up to..."""
_BARE: Final = 0.7
"""Deviation that a bare wall has itself, from its shading and the camera's noise."""
_LOUDEST, _LOUDEST_HIDDEN = 1.45, 5.0
"""...this on a bare wall, which rounds to a single level, and this anywhere."""
_POWER: Final = 2.75
"""Root mean square of the cells in levels: 42.6 dB once it is spread over the frame, which pictures full of texture reach."""
_GAINS: Final = (1.0, 6.0)
_WANTED_SCORE, _LEFT_BY_CODECS = 2.5, 0.4
"""What each bit should still score when a codec at web quality and half the size have taken all but this share of the mark."""
_UPDATE_EVERY, _SLOWNESS, _FIRST_ROUNDS, _ROUNDS = 5, 0.15, 80, 2

Cells = NDArray[np.float32]


def _layout() -> tuple[NDArray[np.int64], Cells]:
    """[G*G] the bit that each cell carries, and [G*G] its sign; from a hash, so that it is the same for ever."""
    count = GRID * GRID
    stream = np.frombuffer(hashlib.shake_256(b"dancenow watermark 1").digest(8 * count + count), np.uint8)
    order = np.argsort(stream[: 8 * count].view("<u8"), kind="stable")
    bit_of = np.empty(count, np.int64)
    bit_of[order] = np.arange(count) % NUM_BITS
    return bit_of, np.where(stream[8 * count :] & 1, 1.0, -1.0).astype(np.float32)


_BIT_OF, _SIGN = _layout()
_PER_BIT: Final = np.sqrt(np.bincount(_BIT_OF, minlength=NUM_BITS))


@dataclass(frozen=True)
class Payload:
    """What the mark says: the version of the scheme, and the first 4 hex digits of the model's SHA-256."""

    model: str
    version: int = VERSION

    def __post_init__(self) -> None:
        if len(self.model) * 4 != _MODEL_BITS or not 0 <= self.version < 2**_VERSION_BITS:
            raise ValueError(f"a payload is 4 hex digits and a version below 16, got {self.model!r} and {self.version}")
        int(self.model, 16)

    def bits(self) -> NDArray[np.bool_]:
        """bool [NUM_BITS]: version, model, check."""
        head = (self.version << _MODEL_BITS) | int(self.model, 16)
        whole = (head << _CHECK_BITS) | _check(head)
        return np.array([whole >> (NUM_BITS - 1 - i) & 1 for i in range(NUM_BITS)], np.bool_)

    @classmethod
    def of_bits(cls, bits: NDArray[np.bool_]) -> Self | None:
        """The inverse of `bits`; None if the check fails."""
        whole = int("".join("1" if bit else "0" for bit in bits), 2)
        head, check = whole >> _CHECK_BITS, whole & (2**_CHECK_BITS - 1)
        if check != _check(head):
            return None
        return cls(f"{head & (2**_MODEL_BITS - 1):04x}", head >> _MODEL_BITS)


def _check(head: int) -> int:
    digest = hashlib.sha256(b"dancenow watermark" + head.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:4], "big") >> (32 - _CHECK_BITS)


class Watermarker:
    """Marks the frames of one video, in their order.

    It reads its own mark as it goes (informed embedding), and slowly gives more strength to the bits that the pictures
    themselves argue against and less to those they agree with. The mark changes every fifth frame and costs little in between.
    """

    def __init__(self, payload: Payload) -> None:
        self._wanted = np.where(payload.bits(), 1.0, -1.0).astype(np.float32)
        self._gain = np.ones(NUM_BITS, np.float32)
        self._seen: tuple[Cells, Cells] | None = None
        self._change: tuple[ImageRGB, ImageRGB] | None = None
        self._count = 0

    def apply(self, image_rgb: ImageRGB) -> ImageRGB:
        """The frame, uint8 [H,W,3], with the mark: a new array. All frames must have one size."""
        if self._change is None or self._count % _UPDATE_EVERY == 0:
            self._change = _steps(self._cells_for(image_rgb), image_rgb.shape[1], image_rgb.shape[0])
        self._count += 1
        lighter, darker = self._change
        return np.asarray(cv2.subtract(cv2.add(image_rgb, lighter), darker), np.uint8)

    def _cells_for(self, image_rgb: ImageRGB) -> Cells:
        """Learn from the picture, and give the change of each cell in levels, [G,G]."""
        fine = _luma(image_rgb, _FINE)
        now = (_coarse(fine), _activity(fine))
        first = self._seen is None
        before = self._seen or now
        host, usual = (a + _SLOWNESS * (b - a) for a, b in zip(before, now, strict=True))
        self._seen = (host, usual)
        # Where texture comes or goes the fainter of now and usual counts: a strong mark never stays on a bare wall.
        activity = np.minimum(now[1], usual)
        for _ in range(_FIRST_ROUNDS if first else _ROUNDS):
            cells, is_full = self._mark(activity)
            lacking = _WANTED_SCORE - self._wanted * _scores(host + _LEFT_BY_CODECS * _averaged(cells))
            if is_full:  # no more power to be had: bits can only take it from each other
                lacking -= lacking.mean()
            self._gain = np.clip(self._gain + 0.1 * lacking, *_GAINS).astype(np.float32)
        return self._mark(activity)[0]

    def _mark(self, activity: Cells) -> tuple[Cells, bool]:
        """The change of each cell, [G,G], and whether the limit of power was met."""
        hidden = _PER_ACTIVITY * np.maximum(activity.ravel() - _BARE, 0)
        level = np.minimum(_FAINTEST + hidden, _STRONGEST) * self._gain[_BIT_OF]
        level = np.minimum(level, np.minimum(_LOUDEST + hidden, _LOUDEST_HIDDEN))
        power = float(np.sqrt(np.mean(level * level)))
        level *= min(1.0, _POWER / power) * self._wanted[_BIT_OF] * _SIGN
        return np.asarray(level, np.float32).reshape(GRID, GRID), power > 0.98 * _POWER


@dataclass(frozen=True)
class Reading:
    """What the reader found. payload: None if there is no mark, or none that can be read.

    strength: how clearly the bits speak, mean of |score|: about 0.7 to 0.9 without a mark. bits_turned: how many of the least
    certain bits had to be turned over until the check was met.
    """

    payload: Payload | None
    strength: float
    bits_turned: int
    num_frames: int


def read_watermark(video: Path, listen: Listener = silent) -> Reading:
    """Look for the mark in the whole of a video, of any size and from wherever it was cut.

    Raises:
        UserError: the video cannot be read.
    """
    frames = track(read_frames(video), "watermark", probe(video).num_frames, listen)
    return read_marked(frame.image_rgb for frame in frames)


def read_marked(images_rgb: Iterable[ImageRGB]) -> Reading:
    """As `read_watermark`, of pictures uint8 [H,W,3]."""
    total, count = np.zeros((GRID, GRID), np.float64), 0
    for image_rgb in images_rgb:
        total += _luma(image_rgb, GRID)
        count += 1
    scores = scores_of(total, count)
    payload, turned = _decode(scores)
    return Reading(payload, float(np.abs(scores).mean()), turned, count)


def scores_of(total: NDArray[np.float64], count: int) -> Cells:
    """[NUM_BITS] scores of the sum of `count` pictures' cells [G,G]; positive for a bit that is set."""
    return _scores((total / max(count, 1)).astype(np.float32))


def _decode(scores: Cells) -> tuple[Payload | None, int]:
    """The nearest word that meets its check, trying the doubtful bits both ways (Chase, 1972)."""
    doubtful = np.argsort(np.abs(scores))[:DOUBTFUL_BITS]
    for turned in range(DOUBTFUL_BITS + 1):
        for which in combinations(doubtful, turned):
            bits = scores > 0
            bits[list(which)] ^= True
            payload = Payload.of_bits(bits)
            if payload is not None:
                return payload, turned
    return None, 0


def _steps(cells: Cells, width_px: int, height_px: int) -> tuple[ImageRGB, ImageRGB]:
    """What is added to and taken from every pixel, both uint8 [H,W,3]: saturating, so that white stays white."""
    full = cv2.resize(cells, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    lighter, darker = (np.rint(np.maximum(part, 0)).astype(np.uint8) for part in (full, -full))
    return np.asarray(cv2.merge([lighter] * 3), np.uint8), np.asarray(cv2.merge([darker] * 3), np.uint8)


def _luma(image_rgb: ImageRGB, side: int) -> Cells:
    small = cv2.resize(image_rgb, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def _coarse(fine: Cells) -> Cells:
    return np.asarray(cv2.resize(fine, (GRID, GRID), interpolation=cv2.INTER_AREA))


def _activity(fine: Cells) -> Cells:
    """How much texture hides, [G,G]: the deviation of luma over three cells, the calmest of the neighbours counting.

    So an edge by itself, before a bare wall, hides nothing, and bricks do.
    """
    mean, square = (cv2.blur(_coarse(of), (3, 3)) for of in (fine, fine * fine))
    return np.asarray(cv2.erode(np.sqrt(np.maximum(square - mean * mean, 0)), np.ones((3, 3))))


def _averaged(change: Cells) -> Cells:
    """What remains of the change when the frame is averaged over cells again."""
    kernel = np.array([0.125, 0.75, 0.125], np.float32)
    return np.asarray(cv2.sepFilter2D(change, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE))


def _scores(cells: Cells) -> Cells:
    """[NUM_BITS]: how strongly the cells [G,G] speak for each bit, about N(0,1) without a mark."""
    detail = cells - cv2.bilateralFilter(cells, 5, 8.0, 3.0)  # edges are the picture's own
    spread = np.sqrt(cv2.blur(detail * detail, (7, 7)) + 0.5**2)
    voices = np.clip(detail / spread, -2, 2).ravel() * _SIGN
    return np.asarray(np.bincount(_BIT_OF, voices, NUM_BITS) / _PER_BIT, np.float32)
