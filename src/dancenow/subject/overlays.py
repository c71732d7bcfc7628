"""Overlays: bars, borders, captions and logos that lie on the picture of a video and stay where they are in the frame.

They belong neither to the person nor to the background: they are kept out of both, and put back over the rendered frames.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.types import ImageRGB

OVERLAY_FILES: Final = ("overlay.png", "overlay_mask.png")
"""Files of a subject folder with overlays: what is put back, and where the footage does not show the scene."""

OverlayChoice: TypeAlias = Literal["keep", "ignore"]
"""keep: overlays are found, kept out of person and background, and put back over the rendered frames. ignore: they are taken
for a part of the scene."""


@dataclass(frozen=True)
class ContentBox:
    """The part of the frame that shows the scene: columns [x0, x1), rows [y0, y1), in frame px; beyond are bars or a border."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def rows(self) -> slice:
        """Rows of the frame."""
        return slice(self.y0, self.y1)

    @property
    def columns(self) -> slice:
        """Columns of the frame."""
        return slice(self.x0, self.x1)


@dataclass(frozen=True, eq=False)
class Overlays:
    """The overlays of a video, in frame px.

    rgba: uint8 [H,W,4] with straight alpha, what is put back over a rendered frame. mask: bool [H,W], the pixels that do not
    show the scene alone in all frames; it covers all of `rgba` that is not transparent, and what is not put back because it is
    seen in a few frames only. content: the part of the frame inside of bars and borders.
    """

    rgba: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    content: ContentBox

    def __post_init__(self) -> None:
        shape, mask = self.rgba.shape, self.mask
        if self.rgba.dtype != np.uint8 or shape[2:] != (4,) or mask.dtype != np.bool_ or mask.shape != shape[:2]:
            raise ValueError(f"overlays must be uint8 [H,W,4] and bool [H,W], got {list(shape)} and {list(mask.shape)}")

    @classmethod
    def of_images(cls, rgba: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Self:
        """From what is put back and the mask; the content is the smallest box with all pixels outside of the mask."""
        rows, columns = (np.flatnonzero(~mask.all(axis=axis)) for axis in (1, 0))
        height, width = mask.shape
        if not len(rows):
            return cls(rgba, mask, ContentBox(0, 0, width, height))
        return cls(rgba, mask, ContentBox(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))

    def __str__(self) -> str:
        """What was found, for a message: "bars or a border at the left and right, and a logo, caption or the like"."""
        (height, width), box = self.mask.shape, self.content
        parts = {"top": box.y0 > 0, "bottom": box.y1 < height, "left": box.x0 > 0, "right": box.x1 < width}
        sides = [side for side, is_there in parts.items() if is_there]
        found = [f"bars or a border ({', '.join(sides)})"] if sides else []
        if self.mask[box.rows, box.columns].any():
            found.append("a logo, caption or the like")
        return " and ".join(found)


def put_over(image: ImageRGB, rgba: NDArray[np.uint8]) -> None:
    """Blend an overlay uint8 [H,W,4] into `image` uint8 [H,W,3]; opaque pixels are copied bit for bit."""
    rows = np.flatnonzero((rgba[..., 3] > 0).any(axis=1))
    if not len(rows):
        return
    part = slice(int(rows[0]), int(rows[-1]) + 1)
    alpha = rgba[part, :, 3:].astype(np.float32) / 255
    np.rint(rgba[part, :, :3] * alpha + image[part] * (1 - alpha), out=image[part], casting="unsafe")


def save_overlays(folder: Path, overlays: Overlays) -> None:
    """Write the overlays of a subject folder."""
    images = cv2.cvtColor(overlays.rgba, cv2.COLOR_RGBA2BGRA), overlays.mask.astype(np.uint8) * 255
    for name, image in zip(OVERLAY_FILES, images, strict=True):
        (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())


def load_overlays(folder: Path) -> Overlays | None:
    """Read the overlays of a subject folder; None if it has none.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    paths = [folder / name for name in OVERLAY_FILES]
    if not any(path.is_file() for path in paths):
        return None
    flags = cv2.IMREAD_UNCHANGED, cv2.IMREAD_GRAYSCALE
    bgra, mask = (_decode(path, flag) for path, flag in zip(paths, flags, strict=True))
    if bgra is None or mask is None or bgra.ndim != 3 or bgra.shape[2] != 4 or bgra.shape[:2] != mask.shape:
        raise InputError(f"the overlays in {folder} cannot be read; create the folder again with `dancenow prepare`.")
    return Overlays.of_images(np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA), np.uint8), np.asarray(mask) > 127)


def _decode(path: Path, flag: int) -> NDArray[np.uint8] | None:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flag) if path.is_file() else None
    return None if image is None or image.dtype != np.uint8 else np.asarray(image, np.uint8)
