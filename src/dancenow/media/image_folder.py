"""Write frames as a folder of PNG files, which appears only when it is complete."""

import re
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import OutputError
from dancenow.storage.atomic_io import complete_or_absent, require_writable

_COMPRESSION = 3
_FILE = re.compile(r"[0-9]{6,}\.png")
"""Six digits or more, as written here: what other programs export, often with four, is not taken for it."""


class ImageFolderWriter:
    """Writes frames, uint8 [H,W,4] with straight alpha, as `000000.png`, `000001.png`, ... without loss.

    The folder appears when it is complete; one that is there is replaced only if it holds nothing but such files. Times and
    sound are not kept. Raises UserError as `VideoWriter`.
    """

    def __init__(self, folder: Path) -> None:
        require_image_folder(folder)
        self._path, self._count = Path(folder), 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(complete_or_absent(self._path))
            self._folder.mkdir()
            self._stack = stack.pop_all()
        return self

    def write(self, image: NDArray[np.uint8], _time_s: Fraction) -> None:
        """Append one frame."""
        bgra = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA)
        written, png = cv2.imencode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
        if not written:
            raise OutputError(f"cannot write {self._path}: a frame of {image.shape[1]}x{image.shape[0]} px gives no PNG.")
        (self._folder / f"{self._count:06}.png").write_bytes(png.tobytes())
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with self._stack as stack:
            if error is None and not self._count:
                raise OutputError(f"cannot write {self._path}: there are no frames to write.")
            return stack.__exit__(kind, error, trace)


def require_image_folder(folder: Path) -> None:
    """Check before long work that a folder of PNG files can be written.

    Raises:
        UserError: it cannot, or it holds other files, which would be lost.
    """
    require_writable(folder, folder=True)
    others = [each.name for each in folder.iterdir() if not _FILE.fullmatch(each.name)] if folder.is_dir() else []
    if others:
        raise OutputError(f"{folder} also holds {min(others)}, which would be lost; give the name of a new folder.")
