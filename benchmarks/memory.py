"""Peak memory of a whole transfer, real detector included, against the length of the dance.

Usage: python benchmarks/memory.py VIDEO MODEL.safetensors OUT.json. The dance is VIDEO, and VIDEO ten times over.
"""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import torch

from dancenow.types import Frame
from dancenow.video import VideoWriter, probe, read_frames

TRANSFER = """
import resource, sys, time
from pathlib import Path
from dancenow import transfer
start = time.perf_counter()
result = transfer(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), device="cpu")
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(result.num_frames, round(peak_mb, 1), round(time.perf_counter() - start, 1))
"""


def repeat(video: Path, times: int, out: Path) -> Path:
    """The video `times` over, cut together."""
    info = probe(video)

    def frames() -> Iterator[Frame]:
        for _ in range(times):
            yield from read_frames(video)

    with VideoWriter(out, info.width_px, info.height_px, fps=info.fps) as writer:
        for frame, index in zip(frames(), count(), strict=False):
            writer.write(frame.image_rgb, Fraction(index) / info.fps)
    return out


def main() -> None:
    video, model, out = (Path(word) for word in sys.argv[1:4])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 10):
            dance = repeat(video, times, Path(folder) / f"dance{times}.mp4")
            command = [sys.executable, "-c", TRANSFER, str(dance), str(model), str(Path(folder) / "out.mp4")]
            frames, peak_mb, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            rows.append({"frames": int(frames), "peak_mb": float(peak_mb), "seconds": float(seconds)})
    ratio = rows[1]["peak_mb"] / rows[0]["peak_mb"]
    machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
    out.write_text(json.dumps({"runs": rows, "peak_ratio": round(ratio, 4), **machine}, indent=2) + "\n")


if __name__ == "__main__":
    main()
