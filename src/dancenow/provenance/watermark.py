"""An invisible mark in the pixels that says "made by dancenow, with this model", and its reader.

A small spread-spectrum mark of our own (after Cox et al., 1997), in the colour from blue to yellow, where eyes resolve least
and pictures have least detail. It lies on a grid relative to the frame, so that size does not matter, and does not move, so
that codecs keep it and trimming is harmless. The words are those of an error-correcting code, read by maximum likelihood.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from dancenow.media.source import probe, read_frames
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.types import ImageRGB

GRID: Final = 32
"""Cells along each side of the frame: at half of 512 px a cell is a block of colour that H.264 transforms; smaller ones die."""
_FINE: Final = 4 * GRID
NUM_BITS: Final = 64
"""Coded bits, each spread over 16 cells."""
_MODEL_BITS: Final = 16
THRESHOLD: Final = 7.5
"""What the likeliest word must score, see `Reading`. For a picture that knows nothing of the signs no word of 2**16 does with
a probability above 2**16 * exp(-7.5**2 / 2) = 4e-8 (Hoeffding, 1963), whatever the picture is."""
CROPPED_THRESHOLD, MOST_CROPPED = 9.0, 6
"""The same where the frame was cropped, by up to this many cells a side: 12544 rectangles, together below 3e-9."""

_BLUER: Final = np.array([0.0, -0.344, 1.772], np.float32)
"""One level of Cb in red, green and blue: luma does not change."""
_FAINT, _STRONGEST = 0.85, 2.7
"""Levels of Cb on a bare grey wall, and at most."""
_GREY, _PER_CHROMA = 8.0, 0.14
"""Up to this chroma all is grey; for every level beyond it the mark is stronger by this factor, since eyes tell strong colours
less finely (after CIE94)."""
_BARE, _PER_TEXTURE = 0.7, 0.3
"""The same for texture: deviation of luma that a bare wall has itself, and levels of Cb for every level beyond it."""
_POWER: Final = 2.1
"""Root mean square of the cells in levels of Cb: 42.5 dB in red, green and blue, which colourful pictures reach."""
_UPDATE_EVERY, _SLOWNESS = 5, 0.15
_EPSILON: Final = 0.3
"""Squared levels below which detail in luma and Cr tells nothing."""

Plane = NDArray[np.float32]


def _layout() -> tuple[NDArray[np.int64], Plane]:
    """[G,G] the coded bit that each cell carries, and [G,G] its sign; from a hash, so that it is the same for ever."""
    count = GRID * GRID
    stream = np.frombuffer(hashlib.shake_256(b"dancenow watermark 2").digest(8 * count + count), np.uint8)
    order = np.argsort(stream[: 8 * count].view("<u8"), kind="stable")
    bit_of = np.empty(count, np.int64)
    bit_of[order] = np.arange(count) % NUM_BITS
    sign = np.where(stream[8 * count :] & 1, 1.0, -1.0).astype(np.float32)
    return bit_of.reshape(GRID, GRID), sign.reshape(GRID, GRID)


def _columns() -> NDArray[np.int64]:
    """[NUM_BITS] masks: each coded bit is the parity of these bits of the message.

    The extended BCH code [64, 16], of which any two words differ in 24 bits or more: trace functions of x, x^5 and x^9 over
    GF(2^6) (MacWilliams and Sloane, "The Theory of Error-Correcting Codes", chapter 9). x^9 has only three free bits.
    """
    power = [1]
    while len(power) < NUM_BITS - 1:
        power.append(power[-1] << 1 ^ (0b1000011 if power[-1] & 32 else 0))
    ninth = [power[9 * i % 63] for i in range(63)]
    rows = [1 << 15 | power[i] << 9 | power[5 * i % 63] << 3 | (n & 3 | n >> 1 & 4) for i, n in enumerate(ninth)]
    return np.array([1 << 15, *rows])


_BIT_OF, _SIGN = _layout()
_COLUMNS: Final = _columns()


@dataclass(frozen=True)
class Payload:
    """What the mark says: the first 4 hex digits of the model's SHA-256."""

    model: str

    def __post_init__(self) -> None:
        if len(self.model) * 4 != _MODEL_BITS:
            raise ValueError(f"a payload is 4 hex digits, got {self.model!r}")
        int(self.model, 16)

    def bits(self) -> NDArray[np.bool_]:
        """bool [NUM_BITS]: the word of the code."""
        return np.array([(int(self.model, 16) & column).bit_count() & 1 for column in _COLUMNS.tolist()], np.bool_)


def expected_signs(payload: Payload) -> Plane:
    """[G,G]: 1 where the mark makes a cell bluer, -1 where it makes it yellower."""
    return np.where(payload.bits()[_BIT_OF], _SIGN, -_SIGN)


@dataclass(frozen=True)
class Reading:
    """What the reader found. payload: None if there is no mark, or none that can be read.

    strength: how far the likeliest word stands out, in standard deviations: 4 to 5 without a mark, see `THRESHOLD`.
    bits_turned: how many of the coded bits read otherwise by themselves.
    """

    payload: Payload | None
    strength: float
    bits_turned: int
    num_frames: int


class Watermarker:
    """Marks the frames of one video, in their order; the mark changes every fifth frame and costs little in between."""

    def __init__(self, payload: Payload) -> None:
        self._sign = expected_signs(payload)
        self._usual: Plane | None = None
        self._change: tuple[ImageRGB, ImageRGB] | None = None
        self._count = 0

    def apply(self, image_rgb: ImageRGB) -> ImageRGB:
        """The frame, uint8 [H,W,3], with the mark: a new array. All frames must have one size."""
        if self._change is None or self._count % _UPDATE_EVERY == 0:
            self._change = _steps(self._cells_for(image_rgb), image_rgb.shape[1], image_rgb.shape[0])
        self._count += 1
        more, less = self._change
        return np.asarray(cv2.subtract(cv2.add(image_rgb, more), less), np.uint8)

    def _cells_for(self, image_rgb: ImageRGB) -> Plane:
        """The change of each cell in levels of Cb, [G,G]."""
        now = _hidden(image_rgb)
        usual = now if self._usual is None else self._usual + _SLOWNESS * (now - self._usual)
        self._usual = usual
        # Where something comes or goes the fainter of now and usual counts: a strong mark never stays on a bare wall.
        level = np.minimum(np.minimum(now, usual), _STRONGEST)
        level *= min(1.0, _POWER / float(np.sqrt(np.mean(level * level))))
        return np.asarray(level * self._sign, np.float32)


def read_watermark(video: Path, on_progress: ProgressCallback = ignore_progress) -> Reading:
    """Look for the mark in the whole of a video, of any size and from wherever it was cut.

    Raises:
        UserError: the video cannot be read.
    """
    frames = track(read_frames(video), "watermark", probe(video).num_frames, on_progress)
    return read_marked(frame.image_rgb for frame in frames)


def read_marked(images_rgb: Iterable[ImageRGB]) -> Reading:
    """As `read_watermark`, of pictures uint8 [H,W,3]."""
    mean_rgb, count = averaged(images_rgb)
    scores = scores_of(mean_rgb)
    payload, strength = likeliest(scores)
    if strength < THRESHOLD:
        cropped = _scores_if_cropped(mean_rgb)
        word, stands_out = likeliest(cropped)
        if stands_out >= CROPPED_THRESHOLD:
            scores, payload, strength = cropped, word, stands_out
    turned = int(((scores > 0) != payload.bits()).sum())
    return Reading(payload if strength >= THRESHOLD else None, strength, turned, count)


def averaged(images_rgb: Iterable[ImageRGB]) -> tuple[Plane, int]:
    """The mean picture of a video, [4G,4G,3], and how many pictures it is the mean of.

    What moves and what the codec invents is averaged away, and the mark is not.
    """
    total, count = np.zeros((_FINE, _FINE, 3)), 0
    for image_rgb in images_rgb:
        total += cv2.resize(image_rgb.astype(np.float32), (_FINE, _FINE), interpolation=cv2.INTER_AREA)
        count += 1
    return (total / max(count, 1)).astype(np.float32), count


def scores_of(mean_rgb: Plane) -> Plane:
    """[NUM_BITS] scores of a mean picture [4G,4G,3], about N(0,1) without a mark; positive for a coded bit that is set."""
    return _scores(voices_of(mean_rgb), _BIT_OF, _SIGN)


def _scores(voices: Plane, bit_of: NDArray[np.int64], sign: Plane) -> Plane:
    voices, bit_of = voices.ravel(), bit_of.ravel()
    energy = np.bincount(bit_of, voices * voices, NUM_BITS)
    return np.asarray(np.bincount(bit_of, voices * sign.ravel(), NUM_BITS) / np.sqrt(energy + 1e-9), np.float32)


def _scores_if_cropped(mean_rgb: Plane) -> Plane:
    """The scores of the loudest of all rectangles of the grid that the picture may be, in quarter cells."""
    loudest = np.zeros(NUM_BITS, np.float32)
    for rows, columns in product(range(GRID - MOST_CROPPED, GRID + 1), repeat=2):
        whole = np.asarray(cv2.resize(mean_rgb, (4 * columns, 4 * rows), interpolation=cv2.INTER_AREA), np.float32)
        for y, x in product(range(4), repeat=2):
            voices = voices_of(whole[y : 4 * rows - (4 - y) % 4, x : 4 * columns - (4 - x) % 4])
            height, width = voices.shape
            for top, left in product(range(GRID + 1 - rows), range(GRID + 1 - columns)):
                part = np.s_[top : top + height, left : left + width]
                scores = _scores(voices, _BIT_OF[part], _SIGN[part])
                if scores @ scores > loudest @ loudest:
                    loudest = scores
    return loudest


def voices_of(mean_rgb: Plane) -> Plane:
    """[H,W] of a picture [4H,4W,3]: the detail in Cb that is not the picture's own, in units of what is usual around it.

    A picture's own detail in Cb goes with that in luma and in Cr (light and shade, edges between two colours), the mark does
    not: what can be told from the other two by least squares over the surroundings is taken away.
    """
    cells = cv2.resize(mean_rgb, (mean_rgb.shape[1] // 4, mean_rgb.shape[0] // 4), interpolation=cv2.INTER_AREA)
    luma, red, blue = cv2.split(cv2.cvtColor(cells, cv2.COLOR_RGB2YCrCb))
    luma, red, blue = (plane - cv2.GaussianBlur(plane, (0, 0), 1.2) for plane in (luma, red, blue))

    def around(one: Plane, other: Plane) -> Plane:
        return np.asarray(cv2.blur(one * other, (9, 9)))

    ll, rr, lr = around(luma, luma) + _EPSILON, around(red, red) + _EPSILON, around(luma, red)
    bl, br = around(blue, luma), around(blue, red)
    own = (luma * (bl * rr - br * lr) + red * (br * ll - bl * lr)) / (ll * rr - lr * lr)
    left = blue - own
    return np.asarray(np.clip(left / np.sqrt(around(left, left) + 0.25**2), -2, 2), np.float32)


def likeliest(scores: Plane) -> tuple[Payload, float]:
    """The word of the code that agrees best with the scores, of all 2**16, and its own score.

    One Hadamard transform correlates with all words at once (Green, 1966).
    """
    words = np.zeros(2**_MODEL_BITS, np.float32)
    words[_COLUMNS] = -scores
    for bit in range(_MODEL_BITS):
        pairs = words.reshape(-1, 2, 2**bit)
        words = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1)
    words = words.ravel()
    best = int(words.argmax())
    return Payload(f"{best:04x}"), float(words[best]) / NUM_BITS**0.5


def _steps(cells: Plane, width_px: int, height_px: int) -> tuple[ImageRGB, ImageRGB]:
    """What is added to and taken from every pixel, both uint8 [H,W,3]: saturating, so that white stays white."""
    # Flat within, soft at the edges: codecs keep more of it than of what is soft throughout.
    flat = cv2.resize(cells, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    full = cv2.resize(flat, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    steps = [np.rint(full * step).astype(np.int16) for step in _BLUER]
    more, less = ([np.maximum(way * step, 0).astype(np.uint8) for step in steps] for way in (1, -1))
    return np.asarray(cv2.merge(more), np.uint8), np.asarray(cv2.merge(less), np.uint8)


def _hidden(image_rgb: ImageRGB) -> Plane:
    """Levels of Cb that the picture hides, [G,G]."""
    fine = cv2.resize(image_rgb, (_FINE, _FINE), interpolation=cv2.INTER_AREA)
    luma, red, blue = cv2.split(cv2.cvtColor(fine, cv2.COLOR_RGB2YCrCb).astype(np.float32))
    chroma = np.hypot(_smaller(red, GRID) - 128, _smaller(blue, GRID) - 128)
    # The deviation over three small cells, the calmest of the neighbours counting: so an edge by itself, before a bare wall,
    # hides nothing, and bricks do.
    mean, square = (cv2.blur(_smaller(plane, 2 * GRID), (3, 3)) for plane in (luma, luma * luma))
    texture = _smaller(cv2.erode(np.sqrt(np.maximum(square - mean * mean, 0)), np.ones((3, 3))), GRID)
    level = _FAINT * (1 + _PER_CHROMA * np.maximum(chroma - _GREY, 0)) + _PER_TEXTURE * np.maximum(texture - _BARE, 0)
    return np.asarray(level, np.float32)


def _smaller(plane: MatLike, side: int) -> Plane:
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA))
