"""Convert decoded frames to the image that players show: RGB, square pixels, upright.

Used by `source` alone. Colors follow the file's own matrix, or the one that players assume if it names none.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dancenow.media.hdr import hdr_to_rgb, is_hdr
from dancenow.types import ImageRGB

_TO_RGB = Interpolation.BILINEAR
"""For reading, exact rounding takes 2.1 ms instead of 0.4 at 512x512 and gains one level in 255: not worth it."""
_AVCOL_UNSPECIFIED = 2


def square_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) px before rotation, with the width stretched so that pixels are square."""
    ratio = stream.sample_aspect_ratio
    stretched = ratio is not None and Fraction(1, 8) < ratio < 8
    return max(1, round(frame.width * ratio)) if stretched and ratio else frame.width, frame.height


def to_rgb(frame: VideoFrame, width: int, height: int) -> ImageRGB:
    """uint8 [height,width,3]. A file that does not name its color matrix gets the one that players assume: BT.709 for HD."""
    if is_hdr(frame):
        return hdr_to_rgb(frame, width, height)
    matrix = None
    if frame.colorspace == _AVCOL_UNSPECIFIED and frame.format.name.startswith(("yuv", "nv", "p0")):
        matrix = Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
    rgb = frame.reformat(width, height, "rgb24", src_colorspace=matrix, interpolation=_TO_RGB, threads=1)
    return rgb.to_ndarray().astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Orientation:
    """How to turn stored pixels upright: rows and columns are swapped first, then reversed."""

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image [H,W,...], upright."""
        if self == Orientation():
            return image
        swapped = image.swapaxes(0, 1) if self.swap else image
        return np.ascontiguousarray(swapped[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1])


def orientation_of(frame: VideoFrame) -> Orientation:
    """Read the frame's display matrix: x' = a x + c y, y' = b x + d y.

    Call it for few frames: PyAV makes a reference cycle of a frame and its side data, so the pixels stay in memory until the
    garbage collector runs, hundreds of frames later.
    """
    side_data: Any = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5]
    if abs(b) > abs(a):
        return Orientation(True, bool(b < 0), bool(c < 0))
    return Orientation(False, bool(d < 0), bool(a < 0))
