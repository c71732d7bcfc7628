"""Is the watermark identified after everything that a platform does at once, and how visible is it on flat walls?

Usage: python -m dancenow.research.recipes.watermark_chain OUT.json VIDEO...

Two seconds of each clip are marked and written like a result (CRF 18), then encoded twice at CRF 28, the second time at half
the size. Further steps are added one by one: a crop by 10%, 15 frames a second, mirroring.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.media.source import probe, read_frames
from dancenow.provenance.watermark import Watermarker, read_watermark_in_images
from dancenow.research.recipes.watermark import PAYLOAD, SECONDS, encoded
from dancenow.types import ImageRGB

WALLS_RGB: Final = {"gray": (220, 220, 220), "pink": (235, 170, 185)}
CHAINS: Final = {
    "two generations, half size": (0.0, 1, False),
    "and a crop": (0.1, 1, False),
    "and half the frame rate": (0.1, 2, False),
    "and mirrored": (0.1, 2, True),
}
"""Fraction that is cropped, every how many frames one is kept, mirrored."""


def pass_through(
    marked: Sequence[ImageRGB], fps: Fraction, cut: float, every: int, mirrored: bool, folder: Path
) -> list[ImageRGB]:
    """The frames after a chain."""
    rate = fps / every
    images = encoded(marked[::every], rate, 18, 1.0, 0.0, folder / "result.mp4")
    for crf, scale, cropped in ((28, 1.0, 0.0), (28, 0.5, cut)):
        images = encoded(images, rate, crf, scale, cropped, folder / "again.mp4")
    return [np.ascontiguousarray(image[:, ::-1]) if mirrored else image for image in images]


def measure_clip(video: Path, folder: Path) -> dict[str, Any]:
    """What is read after each chain."""
    fps, marker = probe(video).fps, Watermarker(PAYLOAD)
    images = [frame.image_rgb for frame in islice(read_frames(video), round(SECONDS * fps))]
    marked = [marker.apply(image) for image in images]
    errors = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(images, marked, strict=True)]
    row: dict[str, Any] = {"clip": video.stem, "psnr_db": round(float(10 * np.log10(255**2 / np.mean(errors))), 2)}
    for name, (cut, every, mirrored) in CHAINS.items():
        reading = read_watermark_in_images(pass_through(marked, fps, cut, every, mirrored, folder))
        row[name] = {
            "read": reading.payload == PAYLOAD, "strength": round(reading.strength, 1),
            "coded_bits_wrong": reading.bits_turned,
        }  # fmt: skip
    return row


def color_difference(wall_rgb: tuple[int, int, int]) -> float:
    """Difference between cells of both signs on a flat wall, in units of CIELAB (just noticeable: about 2)."""
    wall = np.full((512, 512, 3), wall_rgb, np.uint8)
    marked = Watermarker(PAYLOAD).apply(wall)
    lab = [cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for image in (wall, marked)]
    return round(2 * float(np.linalg.norm(lab[1] - lab[0], axis=2).mean()), 2)


def main() -> None:
    """Measure and write the result."""
    out, videos = Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure_clip(video, Path(folder)) for video in videos]
    summary = {
        name: {
            "read": f"{sum(row[name]['read'] for row in rows)} of {len(rows)}",
            "weakest": min(r[name]["strength"] for r in rows),
        }
        for name in CHAINS
    }
    walls = {name: color_difference(rgb) for name, rgb in WALLS_RGB.items()}
    result = {"seconds": SECONDS, "summary": summary, "difference_on_walls": walls, "clips": rows}
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
