"""How much of the invisible mark is left after encoding, scaling and trimming, how visible it is, and what it costs.

Usage: python benchmarks/watermark.py OUT.json VIDEO...  Each clip is the first two seconds, marked, written as a result is
(CRF 18), cut by a third, scaled and encoded again. `wall` is a bare studio wall with a camera's noise.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from dancenow.types import ImageRGB
from dancenow.video import VideoWriter, probe, read_frames
from dancenow.watermark import GRID, NUM_BITS, Payload, Watermarker, read_marked, scores_of

PAYLOAD = Payload("5eed")
SECONDS = 2
CODINGS = ((18, 1.0), (23, 1.0), (28, 1.0), (33, 1.0), (23, 0.5), (28, 0.5), (33, 0.5))


def wall(size_px: int = 512, count: int = 60) -> Iterator[ImageRGB]:
    """A bare wall, lit from above, with a camera's noise."""
    rng = np.random.default_rng(0)
    light = np.broadcast_to(np.linspace(235, 205, size_px)[:, None, None], (size_px, size_px, 3))
    for _ in range(count):
        yield np.clip(light + rng.normal(0, 0.6, light.shape), 0, 255).astype(np.uint8)


def encoded(images: Sequence[ImageRGB], fps: Fraction, crf: int, scale: float, path: Path) -> list[ImageRGB]:
    """What is left of the pictures."""
    height, width = (max(2, round(side * scale) // 2 * 2) for side in images[0].shape[:2])
    with VideoWriter(path, width, height, fps=fps, crf=crf) as writer:
        for index, image in enumerate(images):
            small = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            writer.write(np.asarray(small, np.uint8), Fraction(index) / fps)
    return [frame.image_rgb for frame in read_frames(path)]


def share_right(images: Sequence[ImageRGB]) -> float:
    """Share of the bits that are read right, before any is corrected."""
    cells = [cv2.cvtColor(cv2.resize(i, (GRID, GRID), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for i in images]
    scores = scores_of(np.sum(cells, axis=0, dtype=np.float64), len(cells))
    return float(np.mean((scores > 0) == PAYLOAD.bits()))


def measure(name: str, images: list[ImageRGB], fps: Fraction, folder: Path) -> dict[str, object]:
    """One clip through every coding."""
    marker, start = Watermarker(PAYLOAD), time.process_time()
    marked = [marker.apply(image) for image in images]
    per_frame_ms = 1000 * (time.process_time() - start) / len(images)
    errors = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(images, marked, strict=True)]
    result = encoded(marked, fps, 18, 1.0, folder / "result.mp4")[len(images) // 3 :]
    rows = []
    for crf, scale in CODINGS:
        left = encoded(result, fps, crf, scale, folder / "again.mp4")
        read = read_marked(left).payload == PAYLOAD
        rows.append({"crf": crf, "scale": scale, "bits_right": round(share_right(left), 4), "read": read})
    return {
        "clip": name,
        "size": f"{images[0].shape[1]}x{images[0].shape[0]}",
        "frames": len(images),
        "psnr_db": round(float(10 * np.log10(255**2 / np.mean(errors))), 2),
        "cpu_ms_per_frame": round(per_frame_ms, 2),
        "unmarked_read": read_marked(images).payload is not None,
        "codings": rows,
    }


def main() -> None:
    out, videos = Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]
    cv2.setNumThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measure("wall", list(wall()), Fraction(30), Path(folder)))
        for video in videos:
            fps = probe(video).fps
            images = [f.image_rgb for f in islice(read_frames(video), max(8, round(SECONDS * fps)))]
            rows.append(measure(video.stem, images, fps, Path(folder)))
            print(rows[-1])
    means = [
        {"crf": crf, "scale": scale, "bits_right": round(float(np.mean([r["codings"][i]["bits_right"] for r in rows])), 4)}  # type: ignore[index]
        for i, (crf, scale) in enumerate(CODINGS)
    ]
    machine = {"machine": platform.machine(), "python": platform.python_version(), "opencv": cv2.__version__}
    out.write_text(json.dumps({"bits": NUM_BITS, "mean": means, "clips": rows, **machine}, indent=1) + "\n")


if __name__ == "__main__":
    main()
