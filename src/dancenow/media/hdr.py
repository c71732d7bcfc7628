"""HDR video from phones (HLG or PQ in BT.2020 primaries) as the SDR BT.709 image that an SDR screen shows.

Transfer functions after ITU-R BT.2100; diffuse white is 203 cd/m2, as ITU-R BT.2408 recommends, and becomes SDR white. Up to a
knee below white nothing is compressed; highlights above it are rolled off, with their hue kept.
"""

from functools import cache
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

PQ: Final = 16
"""FFmpeg's number of the transfer function SMPTE ST 2084."""
HLG: Final = 18
"""FFmpeg's number of the transfer function ARIB STD-B67."""
WHITE_NITS: Final = 203.0
HLG_PEAK_NITS: Final = 1000.0
"""Of the display that HLG is graded for; its system gamma is 1.2."""
KNEE: Final = 0.85
"""Linear light, of white, above which highlights are compressed."""
SDR_GAMMA: Final = 2.4
"""Of an SDR screen, ITU-R BT.1886."""
_BT2020_PRIMARIES: Final = 9
_BT2020_TO_BT709: Final = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_BT2020_LUMA: Final = np.array([[0.2627, 0.6780, 0.0593]], np.float32)
_EXACT: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND


def is_hdr(frame: VideoFrame) -> bool:
    """Whether the frame names an HDR transfer function."""
    return int(frame.color_trc) in (PQ, HLG)


def hdr_to_rgb(frame: VideoFrame, width_px: int, height_px: int) -> ImageRGB:
    """The frame as SDR RGB, uint8 [height_px,width_px,3]."""
    coded = frame.reformat(width_px, height_px, "rgb48le", interpolation=_EXACT, threads=1).to_ndarray()
    return tone_map(
        coded.astype(np.uint16, copy=False), int(frame.color_trc), wide_gamut=int(frame.color_primaries) == _BT2020_PRIMARIES
    )


def tone_map(coded: NDArray[np.uint16], transfer: int, *, wide_gamut: bool = True) -> ImageRGB:
    """Coded HDR R'G'B' uint16 [H,W,3] to SDR uint8 [H,W,3].

    transfer: `PQ` or `HLG`. wide_gamut: the primaries are those of BT.2020, else of BT.709.
    """
    linear: FloatArray = _linear_light(transfer)[coded]
    if transfer == HLG:
        # The system gamma of the reference display acts on luminance, so that hues stay.
        luma = cv2.transform(linear, _BT2020_LUMA)
        linear *= (HLG_PEAK_NITS / WHITE_NITS) * cv2.pow(np.maximum(luma, 1e-6), 0.2)[..., None]
    if wide_gamut:
        linear = np.maximum(cv2.transform(linear, _BT2020_TO_BT709), 0.0)
    peak = linear.max(axis=2)
    excess = np.maximum(peak - np.float32(KNEE), 0.0) / np.float32(1 - KNEE)
    compressed = np.minimum(peak, np.float32(KNEE)) + np.float32(1 - KNEE) * (1 - cv2.exp(-excess))
    linear *= (compressed / np.maximum(peak, 1e-6))[..., None]
    return np.asarray(cv2.convertScaleAbs(cv2.pow(linear, 1 / SDR_GAMMA), alpha=255), np.uint8)


@cache
def _linear_light(transfer: int) -> FloatArray:
    """Linear light per 16-bit code, float32 [65536]: of white for PQ, of the scene in [0,1] for HLG."""
    code = np.arange(65536) / 65535
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = code ** (1 / m2)
    nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (nits / WHITE_NITS).astype(np.float32)
