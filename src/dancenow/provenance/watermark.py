"""Invisible watermark that identifies videos made by dancenow and the model used, and its decoder.

A spread-spectrum watermark (after Cox et al., 1997) in the chroma channel Cb (blue to yellow), where eyes resolve least and
images have least detail. Its grid is relative to the frame, so it is independent of the resolution. It is constant over time,
so codecs keep it and trimming does not hurt. The payload has an error-correcting code and maximum-likelihood decoding.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import product
from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from dancenow.media.source import VideoInput, open_video
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.types import ImageRGB

GRID: Final = 32
"""Cells along each side of the frame. At 256 px a cell is one H.264 chroma transform block; smaller ones do not survive."""
_ANALYSIS_PX: Final = 4 * GRID
NUM_BITS: Final = 64
"""Coded bits, each spread over 16 cells."""
_MODEL_BITS: Final = 16
THRESHOLD: Final = 7.5
"""Minimum score of the best codeword, see `WatermarkReading`. Without a watermark, the probability that any of the 2**16
codewords reaches it, in the image or its mirror image, is at most 2**17 * exp(-7.5**2 / 2) = 8e-8 (Hoeffding, 1963), for any
image."""
CROPPED_THRESHOLD, MAX_CROPPED_CELLS = 9.0, 6
"""The same for cropped frames, by up to this many cells per axis: 12544 rectangles and their mirror images, together below
6e-9."""
_CANDIDATES: Final = 48
"""Crop rectangles of the highest energy that are decoded."""

_CB_LEVEL_RGB: Final = np.array([0.0, -0.344, 1.772], np.float32)
"""One level of Cb in red, green and blue; luma does not change."""
_MIN_LEVEL, _MAX_LEVEL = 0.85, 2.7
"""Amplitude in levels of Cb on a flat gray wall, and its maximum."""
_NEUTRAL_CHROMA, _GAIN_PER_CHROMA = 8.0, 0.14
"""Chroma up to this counts as gray. Each level beyond it raises the amplitude by this factor, since eyes distinguish saturated
colors less finely (after CIE94)."""
_FLAT_TEXTURE, _LEVELS_PER_TEXTURE = 0.7, 0.3
"""The same for texture: standard deviation of luma on a flat wall, and levels of Cb per level beyond it."""
_MAX_RMS_LEVEL: Final = 2.1
"""Maximum root mean square over the cells in levels of Cb: 42.5 dB PSNR in RGB, which colorful images reach."""
_UPDATE_EVERY, _AVERAGING_RATE = 5, 0.15
_EPSILON: Final = 0.3
"""Regularization in squared levels: weaker detail in luma and Cr predicts nothing."""

Plane = NDArray[np.float32]


def _layout() -> tuple[NDArray[np.int64], Plane]:
    """Return the index [G,G] of the coded bit in each cell, and its sign [G,G]; from a hash, so that they never change."""
    count = GRID * GRID
    stream = np.frombuffer(hashlib.shake_256(b"dancenow watermark 2").digest(8 * count + count), np.uint8)
    order = np.argsort(stream[: 8 * count].view("<u8"), kind="stable")
    bit_of = np.empty(count, np.int64)
    bit_of[order] = np.arange(count) % NUM_BITS
    sign = np.where(stream[8 * count :] & 1, 1.0, -1.0).astype(np.float32)
    return bit_of.reshape(GRID, GRID), sign.reshape(GRID, GRID)


def _code_masks() -> NDArray[np.int64]:
    """Return masks [NUM_BITS]: each coded bit is the parity of the message bits in its mask.

    The extended BCH code [64, 16] with minimum distance 24: trace functions of x, x^5 and x^9 over GF(2^6) (MacWilliams and
    Sloane, "The Theory of Error-Correcting Codes", chapter 9). x^9 has only three free bits.
    """
    power = [1]
    while len(power) < NUM_BITS - 1:
        power.append(power[-1] << 1 ^ (0b1000011 if power[-1] & 32 else 0))
    ninth = [power[9 * i % 63] for i in range(63)]
    rows = [1 << 15 | power[i] << 9 | power[5 * i % 63] << 3 | (n & 3 | n >> 1 & 4) for i, n in enumerate(ninth)]
    return np.array([1 << 15, *rows])


_BIT_OF, _SIGN = _layout()
_CODE_MASKS: Final = _code_masks()


@dataclass(frozen=True)
class Payload:
    """Content of the watermark: the first 4 hex digits of the SHA-256 of the model."""

    model: str

    def __post_init__(self) -> None:
        if len(self.model) * 4 != _MODEL_BITS:
            raise ValueError(f"a payload has 4 hex digits, got {self.model!r}")
        int(self.model, 16)

    def bits(self) -> NDArray[np.bool_]:
        """Return the codeword, bool [NUM_BITS]."""
        return np.array([(int(self.model, 16) & column).bit_count() & 1 for column in _CODE_MASKS.tolist()], np.bool_)


def cell_signs(payload: Payload) -> Plane:
    """Return [G,G]: 1 where the watermark makes a cell bluer, -1 where it makes it yellower."""
    return np.where(payload.bits()[_BIT_OF], _SIGN, -_SIGN)


@dataclass(frozen=True)
class WatermarkReading:
    """Result of decoding. payload: None if there is no readable watermark.

    strength: score of the best codeword in standard deviations: 4 to 5 without a watermark, see `THRESHOLD`.
    bits_turned: number of coded bits whose hard decision differs from the decoded codeword. mirrored: the video is a mirror
    image of the marked one.
    """

    payload: Payload | None
    strength: float
    bits_turned: int
    num_frames: int
    mirrored: bool = False


class Watermarker:
    """Adds the watermark to the frames of one video, in order. Amplitudes are updated every fifth frame, which saves time."""

    def __init__(self, payload: Payload) -> None:
        self._sign = cell_signs(payload)
        self._average_level: Plane | None = None
        self._offsets: tuple[ImageRGB, ImageRGB] | None = None
        self._count = 0

    def apply(self, image_rgb: ImageRGB) -> ImageRGB:
        """Return a watermarked copy of a frame, uint8 [H,W,3]. All frames must have the same size."""
        if self._offsets is None or self._count % _UPDATE_EVERY == 0:
            self._offsets = _pixel_offsets(self._cell_offsets(image_rgb), image_rgb.shape[1], image_rgb.shape[0])
        self._count += 1
        added, subtracted = self._offsets
        return np.asarray(cv2.subtract(cv2.add(image_rgb, added), subtracted), np.uint8)

    def _cell_offsets(self, image_rgb: ImageRGB) -> Plane:
        """Return the offset of each cell in levels of Cb, [G,G]."""
        now = _masked_levels(image_rgb)
        average = now if self._average_level is None else self._average_level + _AVERAGING_RATE * (now - self._average_level)
        self._average_level = average
        # The weaker of the current and the average level counts, so that no strong watermark stays on a wall after motion.
        level = np.minimum(np.minimum(now, average), _MAX_LEVEL)
        level *= min(1.0, _MAX_RMS_LEVEL / float(np.sqrt(np.mean(level * level))))
        return np.asarray(level * self._sign, np.float32)


def read_watermark(video: VideoInput, on_progress: ProgressCallback = ignore_progress) -> WatermarkReading:
    """Read the watermark from all frames of a video, of any size, trimmed, cropped or mirrored.

    Raises:
        UserError: the video cannot be read.
    """
    source = open_video(video)
    frames = track(source.frames(), "watermark", source.info.num_frames, on_progress)
    return read_watermark_in_images(frame.image_rgb for frame in frames)


def read_watermark_in_images(images_rgb: Iterable[ImageRGB | Plane], *, may_be_cropped: bool = True) -> WatermarkReading:
    """Read the watermark as `read_watermark` from images uint8 [H,W,3]; may_be_cropped: search for cropped frames (2 s)."""
    mean_rgb, count = mean_image(images_rgb)
    signals = cell_signals(mean_rgb)
    best = max((_decode(signals, mirrored) for mirrored in (False, True)), key=lambda each: each.strength)
    if best.strength < THRESHOLD and may_be_cropped:
        cropped = _decode_cropped(mean_rgb)
        best = cropped if cropped.strength >= CROPPED_THRESHOLD else best
    return replace(best, payload=best.payload if best.strength >= THRESHOLD else None, num_frames=count)


def _decode(signals: Plane, mirrored: bool) -> WatermarkReading:
    """The best codeword in cell signals [G,G], or in their mirror image."""
    return _reading(_correlate(signals[:, ::-1] if mirrored else signals, _BIT_OF, _SIGN), mirrored)


def _reading(scores: Plane, mirrored: bool) -> WatermarkReading:
    payload, strength = decode_payload(scores)
    return WatermarkReading(payload, strength, int(((scores > 0) != payload.bits()).sum()), 0, mirrored)


def mean_image(images_rgb: Iterable[ImageRGB | Plane]) -> tuple[Plane, int]:
    """Return the mean image [4G,4G,3] of a video, and the number of its images.

    Averaging removes motion and coding noise, and keeps the watermark.
    """
    total, count = np.zeros((_ANALYSIS_PX, _ANALYSIS_PX, 3)), 0
    for image_rgb in images_rgb:
        total += shrink_for_reading(image_rgb)
        count += 1
    return (total / max(count, 1)).astype(np.float32), count


def shrink_for_reading(image_rgb: NDArray[np.uint8] | Plane) -> Plane:
    """Return the image [4G,4G,3] at the resolution in which the watermark is read."""
    size = (_ANALYSIS_PX, _ANALYSIS_PX)
    return np.asarray(cv2.resize(image_rgb.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def bit_scores(mean_rgb: Plane) -> Plane:
    """Return a score [NUM_BITS] per coded bit of a mean image [4G,4G,3]: about N(0,1) without a watermark, positive for a 1."""
    return _correlate(cell_signals(mean_rgb), _BIT_OF, _SIGN)


def _correlate(signals: Plane, bit_of: NDArray[np.int64], sign: Plane) -> Plane:
    signals, bit_of = signals.ravel(), bit_of.ravel()
    energy = np.bincount(bit_of, signals * signals, NUM_BITS)
    return np.asarray(np.bincount(bit_of, signals * sign.ravel(), NUM_BITS) / np.sqrt(energy + 1e-9), np.float32)


def _decode_cropped(mean_rgb: Plane) -> WatermarkReading:
    """The best codeword among the crop rectangles, and their mirror images, whose scores have the most energy."""
    likeliest = nlargest(_CANDIDATES, _cropped_scores(mean_rgb), key=lambda each: float(each[0] @ each[0]))
    return max((_reading(scores, mirrored) for scores, mirrored in likeliest), key=lambda each: each.strength)


def _cropped_scores(mean_rgb: Plane) -> Iterator[tuple[Plane, bool]]:
    """The scores of all crop rectangles of the grid, in steps of quarter cells, and whether they are of the mirror image."""
    for rows, columns in product(range(GRID - MAX_CROPPED_CELLS, GRID + 1), repeat=2):
        grid = np.asarray(cv2.resize(mean_rgb, (4 * columns, 4 * rows), interpolation=cv2.INTER_AREA), np.float32)
        for y, x in product(range(4), repeat=2):
            signals = cell_signals(grid[y : 4 * rows - (4 - y) % 4, x : 4 * columns - (4 - x) % 4])
            height, width = signals.shape
            for top, left in product(range(GRID + 1 - rows), range(GRID + 1 - columns)):
                part = np.s_[top : top + height, left : left + width]
                for mirrored in (False, True):
                    yield _correlate(signals[:, ::-1] if mirrored else signals, _BIT_OF[part], _SIGN[part]), mirrored


def cell_signals(mean_rgb: Plane) -> Plane:
    """Return the Cb detail [H,W] of an image [4H,4W,3] that its content does not explain, normalized by the local deviation.

    Cb detail of the content correlates with luma and Cr (shading, color edges), the watermark does not. So the local
    least-squares prediction from luma and Cr is subtracted.
    """
    cells = cv2.resize(mean_rgb, (mean_rgb.shape[1] // 4, mean_rgb.shape[0] // 4), interpolation=cv2.INTER_AREA)
    luma, red, blue = cv2.split(cv2.cvtColor(cells, cv2.COLOR_RGB2YCrCb))
    luma, red, blue = (plane - cv2.GaussianBlur(plane, (0, 0), 1.2) for plane in (luma, red, blue))

    def local_mean(one: Plane, other: Plane) -> Plane:
        return np.asarray(cv2.blur(one * other, (9, 9)))

    ll, rr, lr = local_mean(luma, luma) + _EPSILON, local_mean(red, red) + _EPSILON, local_mean(luma, red)
    bl, br = local_mean(blue, luma), local_mean(blue, red)
    predicted = (luma * (bl * rr - br * lr) + red * (br * ll - bl * lr)) / (ll * rr - lr * lr)
    residual = blue - predicted
    return np.asarray(np.clip(residual / np.sqrt(local_mean(residual, residual) + 0.25**2), -2, 2), np.float32)


def decode_payload(scores: Plane) -> tuple[Payload, float]:
    """Return the payload of the best of all 2**16 codewords, and its score.

    One Hadamard transform correlates the scores with all codewords at once (Green, 1966).
    """
    correlation = np.zeros(2**_MODEL_BITS, np.float32)
    correlation[_CODE_MASKS] = -scores
    for bit in range(_MODEL_BITS):
        pairs = correlation.reshape(-1, 2, 2**bit)
        correlation = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1)
    correlation = correlation.ravel()
    best = int(correlation.argmax())
    return Payload(f"{best:04x}"), float(correlation[best]) / NUM_BITS**0.5


def _pixel_offsets(cells: Plane, width_px: int, height_px: int) -> tuple[ImageRGB, ImageRGB]:
    """Return what to add to and subtract from every pixel, both uint8 [H,W,3], for saturating arithmetic."""
    # Flat cells with soft edges survive codecs better than a smooth interpolation.
    flat = cv2.resize(cells, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    full = cv2.resize(flat, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    steps = [np.rint(full * step).astype(np.int16) for step in _CB_LEVEL_RGB]
    added, subtracted = ([np.maximum(sign * step, 0).astype(np.uint8) for step in steps] for sign in (1, -1))
    return np.asarray(cv2.merge(added), np.uint8), np.asarray(cv2.merge(subtracted), np.uint8)


def _masked_levels(image_rgb: ImageRGB) -> Plane:
    """Return the amplitude [G,G] in levels of Cb that the image content masks."""
    fine = cv2.resize(image_rgb, (_ANALYSIS_PX, _ANALYSIS_PX), interpolation=cv2.INTER_AREA)
    luma, red, blue = cv2.split(cv2.cvtColor(fine, cv2.COLOR_RGB2YCrCb).astype(np.float32))
    chroma = np.hypot(_downscale(red, GRID) - 128, _downscale(blue, GRID) - 128)
    # Minimum over the neighbors of the local deviation: bricks mask the watermark, a single edge next to a flat wall does not.
    mean, square = (cv2.blur(_downscale(plane, 2 * GRID), (3, 3)) for plane in (luma, luma * luma))
    texture = _downscale(cv2.erode(np.sqrt(np.maximum(square - mean * mean, 0)), np.ones((3, 3))), GRID)
    flat_level = _MIN_LEVEL * (1 + _GAIN_PER_CHROMA * np.maximum(chroma - _NEUTRAL_CHROMA, 0))
    return np.asarray(flat_level + _LEVELS_PER_TEXTURE * np.maximum(texture - _FLAT_TEXTURE, 0), np.float32)


def _downscale(plane: MatLike, side: int) -> Plane:
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA))
