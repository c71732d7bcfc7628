"""Frames between two processes, without loss: FFV1 in mkv, which appears only when it is complete."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.container import errors_of, writing
from dancenow.storage.atomic_io import require_writable

_FORMATS: Final = {3: ("rgb24", "bgr0"), 4: ("rgba", "bgra")}
"""Channels -> format of the array, and of the file, which differ in the order of bytes alone."""
_RATE: Final = 25


class LosslessWriter:
    """Writes frames uint8 [H,W,3], or [H,W,4] with alpha, of one size. Their times are not kept.

    Raises UserError as `sink.VideoWriter`.
    """

    def __init__(self, path: Path) -> None:
        require_writable(path, ".mkv")
        self._path, self._count, self._channels = Path(path), 0, 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._container = stack.enter_context(writing(self._path, "matroska", {"fflags": "+bitexact"}))
            self._stack = stack.pop_all()
        return self

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame."""
        if not self._count:
            self._begin(image)
        given, stored = _FORMATS[self._channels]
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format=given).reformat(format=stored)
        frame.pts, frame.time_base = self._count, Fraction(1, _RATE)
        self._count += 1
        with errors_of(self._path):
            self._container.mux(self._stream.encode(frame))

    def _begin(self, image: NDArray[np.uint8]) -> None:
        self._channels = image.shape[2]
        self._stream = self._container.add_stream("ffv1", rate=_RATE, options={"level": "3", "slices": "4", "context": "1"})
        self._stream.height, self._stream.width = image.shape[:2]
        self._stream.pix_fmt = _FORMATS[self._channels][1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with self._stack as stack:
            if error is None:
                with errors_of(self._path):
                    self._container.mux(self._stream.encode(None))
                return None
            return stack.__exit__(kind, error, trace)


def read_lossless(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a file that `LosslessWriter` wrote, bit for bit.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with av.open(f"file:{path}", "r") as container:
            for frame in container.decode(container.streams.video[0]):
                yield np.asarray(frame.to_ndarray(format="rgba" if frame.format.name == "bgra" else "rgb24"), np.uint8)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise InputError(f"the frames in {path} are missing or damaged; render them again.") from error
