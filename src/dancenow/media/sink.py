"""Write videos and masks one frame at a time.

Frames keep the times they are given, so a variable frame rate and the sound survive. A file appears under its name only when it
is complete. Memory does not grow with its length.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dancenow.errors import OutputError
from dancenow.media.audio import SoundPackets, sound_packets
from dancenow.media.container import errors_of, presentation_time_s, writing
from dancenow.media.source import VideoInput, sound_clock
from dancenow.media.video_format import H264, VideoFormat
from dancenow.storage.atomic_io import require_writable
from dancenow.storage.file_names import as_text

_TO_YUV = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_BT709 = 1
_LIMITED_RANGE = 1
_AVX_512F = 13
"""OpenCV's number of this CPU feature."""
_BIT_EXACT = {"fflags": "+bitexact"}
"""Without it, a matroska file contains a random number."""


class VideoWriter:
    """Writes frames to a video that appears under its name only when it is complete: an H.264 mp4 (yuv420p, BT.709), or a
    `kind` of `video_format.FORMATS` whose frames may have straight alpha.

    `with VideoWriter(path, width, height, fps=info.fps, sound_from=source) as writer: writer.write(image_rgb, time_s)`.
    Times may be irregular; they are kept to 6 microseconds (exactly, at a constant rate) and count from the first frame
    written. Sizes that are odd are padded by repeating the last row or column where 4:2:0 chroma needs even ones.

    The sound of `sound_from` is copied without loss if every player supports its codec in mp4, and otherwise encoded to AAC;
    `copy_sound` copies Opus, too, which QuickTime does not play. It stays in sync with that file's frames. `sound_range_s` is
    the (start, stop) of the part to use, in seconds from its first frame. A source without sound gives a silent file. `crf` and
    `preset` are x264's. `max_bits_per_s` limits the average bit rate of the video, whatever `crf` asks for. `keyframe_every` is
    the largest distance between keyframes, in frames: a small one makes a larger file that players can seek faster.
    `repeatable` gives the same bytes for the same frames, with one thread.

    Raises:
        UserError: the name does not end as the kind's or is a folder's, no frame was written, the folder cannot be written to,
            the disk is full. Errors of other files inside the `with` are passed on unchanged.
    """

    def __init__(
        self,
        path: Path,
        width_px: int,
        height_px: int,
        *,
        fps: Fraction,
        sound_from: VideoInput | None = None,
        sound_range_s: tuple[Fraction, Fraction | None] | None = None,
        copy_sound: bool = False,
        kind: VideoFormat = H264,
        crf: int | None = None,
        preset: str | None = None,
        max_bits_per_s: int | None = None,
        keyframe_every: int | None = None,
        repeatable: bool = False,
        metadata: dict[str, str] | None = None,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        if Path(path).suffix.lower() != kind.suffix:
            raise OutputError(f"cannot write {path}: give the video a name that ends in {kind.suffix}.")
        require_writable(path)
        self._path, self._width, self._height = Path(path), width_px, height_px
        self._pad = (height_px % 2, width_px % 2) if kind.even else (0, 0)
        self._fps, self._time_base = fps, _fine_time_base(fps)
        self._sound_from, self._sound_range_s = sound_from, sound_range_s or (Fraction(0), None)
        self._copy_sound = copy_sound
        self._kind, given = kind, {"crf": crf, "preset": preset}
        self._options = {**kind.options, **{name: str(value) for name, value in given.items() if value is not None}}
        if max_bits_per_s is not None:
            self._options |= {"maxrate": str(max_bits_per_s), "bufsize": str(2 * max_bits_per_s)}
        if keyframe_every is not None:
            self._options["g"] = str(keyframe_every)
        if repeatable:
            self._options |= _repeatable()
        self._metadata = {key: as_text(value) for key, value in (metadata or {}).items()}
        self._finish = finish
        self._first_s: Fraction | None = None
        self._last_s: Fraction | None = None
        self._last_tick = -1

    def __enter__(self) -> Self:
        kind = self._kind
        with ExitStack() as stack:
            self._container = stack.enter_context(
                writing(self._path, kind.container, dict(kind.container_options), self._finish)
            )
            self._container.metadata.update(self._metadata)
            stream = self._container.add_stream(kind.codec, rate=self._fps, options=self._options)
            assert isinstance(stream, VideoStream)
            self._stream = stream
            self._stream.metadata.update(kind.metadata)
            self._stream.width, self._stream.height = self._width + self._pad[1], self._height + self._pad[0]
            self._stream.pix_fmt = kind.pixel_format
            self._stream.time_base = self._stream.codec_context.time_base = self._time_base
            self._stream.color_range = _LIMITED_RANGE
            self._stream.colorspace = self._stream.color_primaries = self._stream.color_trc = _BT709
            self._sound: SoundPackets = iter(())
            if self._sound_from is not None:
                start_s, stop_s = self._sound_range_s
                sound_path, first_frame_s = sound_clock(self._sound_from)
                length_s = None if stop_s is None else stop_s - start_s
                sound = sound_packets(
                    sound_path, first_frame_s + start_s, length_s, self._container, kind=kind.sound, copy=self._copy_sound
                )
                self._sound = stack.enter_context(sound)
            self._next_sound = next(self._sound, None)
            self._stack = stack.pop_all()
        return self

    def write(self, image: NDArray[np.uint8], time_s: Fraction) -> None:
        """Append one frame, uint8 [H,W,3], or [H,W,4] with straight alpha, shown from `time_s`; times must increase.

        A frame less than a tick after the previous one is shown a tick after it, so that no frame is lost.
        """
        expected = (self._height, self._width, self._kind.channels)
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 {list(expected)}, got {image.dtype} {list(image.shape)}")
        if self._last_s is not None and time_s <= self._last_s:
            raise ValueError(f"times must increase, got {float(time_s)} s after {float(self._last_s)} s")
        self._first_s = time_s if self._first_s is None else self._first_s
        self._last_s, shown_s = time_s, time_s - self._first_s
        tick = self._last_tick = max(round(shown_s / self._time_base), self._last_tick + 1)
        padded = np.pad(image, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(padded, format="rgb24" if expected[2] == 3 else "rgba").reformat(
            format=self._kind.pixel_format, dst_colorspace=Colorspace.ITU709, interpolation=_TO_YUV, threads=1,
            src_color_range=ColorRange.JPEG, dst_color_range=ColorRange.MPEG,
        )  # fmt: skip
        frame.pts, frame.time_base = tick, self._time_base
        with errors_of(self._path):
            self._mux_sound(shown_s)
            self._mux_video(frame)

    def _mux_video(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = round(1 / (self._fps * self._time_base))  # matters for the last frame only
            self._container.mux(packet)

    def _mux_sound(self, until_s: Fraction | None) -> None:
        """Interleave sound and video in the file, so that neither waits in memory."""
        while (packet := self._next_sound) is not None and (until_s is None or presentation_time_s(packet) <= until_s):
            self._container.mux(packet)
            self._next_sound = next(self._sound, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with self._stack as stack:
            if error is None:
                if self._first_s is None:
                    raise OutputError(f"cannot write {self._path}: there are no frames to write.")
                with errors_of(self._path):
                    self._mux_video(None)
                    self._mux_sound(None)
                return None
            return stack.__exit__(kind, error, trace)


class MaskWriter:
    """Writes gray frames, uint8 [H,W], without loss (FFV1 in mkv): one per frame of a video, in its order.

    The file appears only when it is complete; read it with `read_masks`. Raises UserError as `VideoWriter`.
    """

    def __init__(self, path: Path, width_px: int, height_px: int) -> None:
        require_writable(path)
        self._path, self._shape = Path(path), (height_px, width_px)
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._container = stack.enter_context(writing(self._path, "matroska", _BIT_EXACT))
            self._stream = self._container.add_stream("ffv1", rate=25, options={"level": "3", "slices": "4", "context": "1"})
            self._stream.height, self._stream.width = self._shape
            self._stream.pix_fmt = "gray"
            self._stack = stack.pop_all()
        return self

    def write(self, mask: NDArray[np.uint8]) -> None:
        """Append one mask, uint8 [H,W]."""
        if mask.shape != self._shape or mask.dtype != np.uint8:
            raise ValueError(f"a mask must be uint8 {list(self._shape)}, got {mask.dtype} {list(mask.shape)}")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(mask), format="gray")
        frame.pts, frame.time_base = self._count, Fraction(1, 25)
        self._count += 1
        with errors_of(self._path):
            self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with self._stack as stack:
            if error is None:
                if not self._count:
                    raise OutputError(f"cannot write {self._path}: there are no masks to write.")
                with errors_of(self._path):
                    self._container.mux(self._stream.encode(None))
                return None
            return stack.__exit__(kind, error, trace)


def _repeatable() -> dict[str, str]:
    """Options that make x264's output independent of the machine's load.

    Its files depend on the number of threads. For small frames, AVX-512 code also reads memory that it never wrote: at 96 px
    one video in nine differed (x264 core 165). With AVX2 at most they are always the same.
    """
    no_avx512 = {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(_AVX_512F) else {}
    return {"threads": "1", **no_avx512}


def _fine_time_base(fps: Fraction) -> Fraction:
    """1/90000 s, refined so that frames at `fps` fall on whole ticks if players support that."""
    ticks = math.lcm(90_000, fps.numerator)
    return Fraction(1, ticks if ticks <= 1_000_000 else 90_000)
