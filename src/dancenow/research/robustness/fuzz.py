"""Read damaged containers: `python -m dancenow.research.robustness.fuzz -o TABLE.json`.

Small clips of several containers and codecs are damaged at random. A process of its own reads each as `transfer` does: open,
check, decode every frame, copy the sound into a new file; as it is, and with --accept-damaged. A try survives if this ends in
time, without a crash or a traceback, with a result or with one sentence.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Annotated, Any, Final

import av
import numpy as np
import tyro
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from dancenow.errors import UserError
from dancenow.media.integrity import require_complete
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource, open_video
from dancenow.storage.atomic_io import complete_or_absent

TIMEOUT_S: Final = 30.0
_SIZE_PX: Final = 64
_FRAMES: Final = 20
_CONTAINERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "mp4": ("libx264", "yuv420p", "aac"),
    "webm": ("libvpx-vp9", "yuv420p", "libopus"),
    "mov": ("prores_ks", "yuv422p10le", "pcm_s16le"),
    "avi": ("mpeg4", "yuv420p", "mp2"),
    "gif": ("gif", "rgb8", ""),
    "mkv": ("ffv1", "yuv420p", "aac"),
}
"""Suffix -> video codec, its pixel format, and sound codec."""


def write_clip(path: Path) -> None:
    """Write a clip whose suffix says how."""
    codec, pixel_format, sound = _CONTAINERS[path.suffix[1:]]
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width = stream.height = _SIZE_PX
        stream.pix_fmt = pixel_format
        audio: Any = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        coarse = rng.integers(0, 255, (_SIZE_PX // 8, _SIZE_PX // 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        for index in range(_FRAMES):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(coarse, 3 * index, axis=1)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            tone = (np.sin(np.arange(48_000 * _FRAMES // 10) / 20) * 8000).astype(np.int16)
            for start in range(0, len(tone), 1024):
                part = AudioFrame.from_ndarray(tone[None, start : start + 1024], format="s16", layout="mono")
                part.sample_rate, part.pts, part.time_base = 48_000, start, Fraction(1, 48_000)
                for converted in av.AudioResampler(audio.format.name, "mono", 48_000, audio.frame_size or None).resample(part):
                    container.mux(audio.encode(converted))
            container.mux(audio.encode(None))


def _cut_off(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def _change_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 10, 200))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _change_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 16))):
        data[rng.randrange(min(len(data), 600))] = rng.randrange(256)


def _change_end(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 16))):
        data[-rng.randrange(1, min(len(data), 1500))] = rng.choice((0, 1, 127, 128, 255))


def _clear(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 1 + len(data) // 3))
    data[start:stop] = bytes(stop - start)


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.randrange(1, 1 + len(data) // 4)]


DAMAGES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _cut_off, _change_bits, _change_header, _change_end, _clear, _repeat,
)  # fmt: skip


def read_everything(path: Path, *, accept_damaged: bool) -> str:
    """Read a video as `transfer` does; the number of frames, or the sentence that says why not."""
    try:
        source = open_video(VideoSource.open(path), accept_damaged=accept_damaged)
        require_complete(source)
        out = path.with_name("out.mp4")
        count = 0
        with VideoWriter(out, source.info.width_px, source.info.height_px, fps=source.info.fps, sound_from=source) as writer:
            for frame in source.frames():
                writer.write(frame.image_rgb, frame.time_s)
                count += 1
        return f"{count} frames"
    except UserError as error:
        return f"refused: {error}"


class _Reader:
    """A process that reads one file after another, and is started again when it crashes or hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path, *, accept_damaged: bool) -> tuple[str, float]:
        """What became of it, and in how many seconds."""
        process = self._process or subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "read"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        start_s = time.monotonic()
        process.stdin.write(json.dumps([str(path), accept_damaged]) + "\n")
        process.stdin.flush()
        line = _line(process.stdout, TIMEOUT_S)
        seconds = time.monotonic() - start_s
        if line:
            return str(json.loads(line)), seconds
        status = process.poll() if line is not None else None
        self.close()
        return ("hang" if line is None else f"crash with status {status}"), seconds

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(stream: IO[str], timeout_s: float) -> str | None:
    """The next line; empty at the end of the stream, None if there is none in time."""
    import select

    ready, _, _ = select.select([stream], [], [], timeout_s)
    return stream.readline() if ready else None


def serve() -> None:
    """Read the files that the other side names, one a line."""
    import traceback

    for line in sys.stdin:
        path, accept_damaged = json.loads(line)
        try:
            answer = read_everything(Path(path), accept_damaged=accept_damaged)
        except Exception:
            answer = f"traceback: {traceback.format_exc()}"
        print(json.dumps(answer), flush=True)


@dataclass(frozen=True)
class Options:
    """out: the JSON to write. each: damaged files of each container. seed: of all damage."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    each: int = 17
    seed: int = 0


def fuzz(options: Options) -> dict[str, Any]:
    """Damage and read all files; the table."""
    rows, found, reader = {}, list[dict[str, str]](), _Reader()
    with tempfile.TemporaryDirectory() as folder:
        for suffix in _CONTAINERS:
            sound = Path(folder) / f"sound.{suffix}"
            write_clip(sound)
            if reader.read(sound, accept_damaged=False)[0] != f"{_FRAMES} frames":
                raise RuntimeError(f"the undamaged {sound.name} cannot be read")
            ends, slowest_s = Counter[str](), 0.0
            for index in range(options.each):
                rng = random.Random(f"{options.seed} {suffix} {index}")
                data, damage = bytearray(sound.read_bytes()), DAMAGES[index % len(DAMAGES)]
                damage(data, rng)
                path = Path(folder) / f"{index}.{suffix}"
                path.write_bytes(data)
                for accept_damaged in (False, True):
                    end, seconds = reader.read(path, accept_damaged=accept_damaged)
                    kind = end.split(":")[0] if not end.endswith(" frames") else "read"
                    ends[kind] += 1
                    slowest_s = max(slowest_s, seconds)
                    if kind not in ("read", "refused") or end.count("\n") > 0:
                        found.append({"file": path.name, "damage": damage.__name__, "end": end})
            rows[suffix] = {
                "codecs": list(_CONTAINERS[suffix][::2]),
                "tries": options.each * 2,
                **ends,
                "slowest_s": round(slowest_s, 2),
            }
    reader.close()
    return {"what": "damaged containers, read as they are and with --accept-damaged", "rows": rows, "found": found}


def main() -> None:
    if sys.argv[1:] == ["read"]:
        serve()
        return
    options = tyro.cli(Options, description=__doc__)
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(fuzz(options), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
