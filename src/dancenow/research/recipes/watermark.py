"""Robustness of the watermark to encoding, scaling, trimming and cropping, its visibility, and its cost.

Usage: python -m dancenow.research.recipes.watermark OUT.json tuned|apart VIDEO...

Each clip is the first two seconds: marked, written like a result (CRF 18), shortened by a third, scaled or cropped, and
encoded again. `tuned` clips were used to design the watermark, `apart` clips were not. Clips already in OUT.json are kept, so
that a long list can be measured in parts. `wall` is a bare studio wall with sensor noise, of `tuned`.

cells_right and bits_right are hard decisions before error correction: of single cells, and of the 64 coded bits. payload_right
is the fraction of the 16 payload bits that are right in the likeliest codeword, whether it is significant or not; `read` is
the reader's decision. false_alarm is of the unmarked clip, encoded: the strength for the true signs, and the highest for
random ones.
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
from typing import Any

import cv2
import numpy as np

from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.provenance.watermark import (
    GRID,
    NUM_BITS,
    THRESHOLD,
    Payload,
    Plane,
    Watermarker,
    bit_scores,
    cell_signals,
    cell_signs,
    decode_payload,
    mean_image,
    read_watermark_in_images,
)  # fmt: skip
from dancenow.types import ImageRGB

PAYLOAD = Payload("5eed")
SECONDS = 2
CODINGS = ((18, 1.0, 0.0), (23, 1.0, 0.0), (28, 1.0, 0.0), (33, 1.0, 0.0), (28, 0.75, 0.0), (23, 0.5, 0.0), (28, 0.5, 0.0),
           (33, 0.5, 0.0), (28, 0.4, 0.0), (28, 1.0, 0.1), (28, 0.5, 0.1))  # fmt: skip
"""CRF, scale, and the fraction of width and height that is cropped, unevenly."""
OTHER_SIGNS = 200


def wall(size_px: int = 512, count: int = 60) -> Iterator[ImageRGB]:
    """A bare wall, lit from above, with a camera's noise."""
    rng = np.random.default_rng(0)
    light = np.broadcast_to(np.linspace(235, 205, size_px)[:, None, None], (size_px, size_px, 3))
    for _ in range(count):
        yield np.clip(light + rng.normal(0, 0.6, light.shape), 0, 255).astype(np.uint8)


def encoded(images: Sequence[ImageRGB], fps: Fraction, crf: int, scale: float, cut: float, path: Path) -> list[ImageRGB]:
    """Crop, scale, encode and decode images."""
    height, width = images[0].shape[:2]
    top, left = round(0.7 * cut * height), round(0.2 * cut * width)
    cropped = [i[top : top + round((1 - cut) * height), left : left + round((1 - cut) * width)] for i in images]
    height, width = (max(2, round(side * scale) // 2 * 2) for side in cropped[0].shape[:2])
    with VideoWriter(path, width, height, fps=fps, crf=crf) as writer:
        for index, image in enumerate(cropped):
            writer.write(np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)), Fraction(index) / fps)
    return [frame.image_rgb for frame in read_frames(path)]


def coding(left: Sequence[ImageRGB], crf: int, scale: float, cut: float) -> dict[str, Any]:
    """Read the watermark after one coding; fractions are unknown after cropping, because the grid must be found first."""
    reading = read_watermark_in_images(left)
    row = {"crf": crf, "scale": scale, "cut": cut, "read": reading.payload == PAYLOAD, "strength": round(reading.strength, 1)}
    if cut:
        return row
    mean, _ = mean_image(left)
    scores = bit_scores(mean)
    model = int(decode_payload(scores)[0].model, 16)
    wrong = (model ^ int(PAYLOAD.model, 16)).bit_count()
    return row | {
        "cells_right": round(float(np.mean(cell_signals(mean) * cell_signs(PAYLOAD) > 0)), 4),
        "bits_right": round(float(np.mean((scores > 0) == PAYLOAD.bits())), 4),
        "payload_right": 1 - wrong / 16,
    }


def false_alarm(images: Sequence[ImageRGB]) -> dict[str, float]:
    """The strength for an unmarked clip, and the highest for other signs, as a reader with another key would find."""
    mean, _ = mean_image(images)
    signals, rng = cell_signals(mean), np.random.default_rng(0)
    others = [decode_payload(_with_signs(signals, rng.choice((-1.0, 1.0), signals.shape)))[1] for _ in range(OTHER_SIGNS)]
    return {"strength": round(decode_payload(bit_scores(mean))[1], 2), "highest_of_others": round(max(others), 2)}


def _with_signs(signals: Plane, sign: Plane) -> Plane:
    """Scores for signs other than the watermark's; each bit takes 64 cells in order, since all is random."""
    parts = (signals * sign).reshape(NUM_BITS, -1)
    return np.asarray(parts.sum(1) / np.sqrt((parts * parts).sum(1) + 1e-9), np.float32)


def measure(name: str, use: str, images: list[ImageRGB], fps: Fraction, folder: Path) -> dict[str, Any]:
    """Measure one clip with every coding."""
    marker, start = Watermarker(PAYLOAD), time.process_time()
    marked = [marker.apply(image) for image in images]
    per_frame_ms = 1000 * (time.process_time() - start) / len(images)
    errors = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(images, marked, strict=True)]
    result = encoded(marked, fps, 18, 1.0, 0.0, folder / "result.mp4")[len(images) // 3 :]
    plain = encoded(images, fps, 23, 1.0, 0.0, folder / "plain.mp4")
    return {
        "clip": name,
        "use": use,
        "size": f"{images[0].shape[1]}x{images[0].shape[0]}",
        "frames": len(images),
        "psnr_db": round(float(10 * np.log10(255**2 / np.mean(errors))), 2),
        "cpu_ms_per_frame": round(per_frame_ms, 2),
        "unmarked_read": read_watermark_in_images(plain).payload is not None,
        "false_alarm": false_alarm(plain),
        "codings": [coding(encoded(result, fps, *how, folder / "again.mp4"), *how) for how in CODINGS],
    }


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the clips for each coding, and how many clips are read."""
    means = []
    for i, (crf, scale, cut) in enumerate(CODINGS):
        of = [row["codings"][i] for row in rows]
        fractions = {
            k: round(float(np.mean([c[k] for c in of])), 4) for k in ("cells_right", "bits_right", "payload_right") if not cut
        }
        read = f"{sum(c['read'] for c in of)} of {len(of)}"
        means.append(
            {"crf": crf, "scale": scale, "cut": cut, **fractions, "read": read, "weakest": min(c["strength"] for c in of)}
        )
    return means


def main() -> None:
    out, use, videos = Path(sys.argv[1]), sys.argv[2], [Path(word) for word in sys.argv[3:]]
    cv2.setNumThreads(1)
    rows: list[dict[str, Any]] = json.loads(out.read_text())["clips"] if out.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        if not any(row["clip"] == "wall" for row in rows):
            rows.append(measure("wall", "tuned", list(wall()), Fraction(30), Path(folder)))
        for video in videos:
            if not any(row["clip"] == video.stem for row in rows):
                fps = probe(video).fps
                images = [f.image_rgb for f in islice(read_frames(video), max(8, round(SECONDS * fps)))]
                rows.append(measure(video.stem, use, images, fps, Path(folder)))
                print({k: v for k, v in rows[-1].items() if k != "codings"}, flush=True)
            _write(out, rows)
    _write(out, rows)


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    uses = {use: of for use in ("tuned", "apart") if (of := [row for row in rows if row["use"] == use])}
    machine = {"machine": platform.machine(), "python": platform.python_version(), "opencv": cv2.__version__}
    head = {"payload_bits": 16, "coded_bits": NUM_BITS, "grid": GRID, "threshold": THRESHOLD}
    whole = {**head, "mean": {use: summary(of) for use, of in uses.items()}, "clips": rows, **machine}
    out.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
