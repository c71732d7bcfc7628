"""Measure the live transfer: frames a second and latency, with a video played at the speed of its clock.

Usage: python -m dancenow.research.recipes.live_speed VIDEO OUT.json MODEL...

Pose detection, generation, compositing, marking and JPEG encoding run as in `dancenow live`. Latency is from the moment at
which a frame is due to the moment at which the image made of it is encoded. The pose shown is `lag_frames` frames older.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.execution import Execution
from dancenow.live.live_transfer import create_player
from dancenow.live.player import LiveImage
from dancenow.live.sources import live_frames
from dancenow.media.source import probe
from dancenow.progress import CancelToken
from dancenow.research.bench.results import measurement_info
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import read_info

SECONDS: Final = 14.0
WARM_UP_S: Final = 3.0
"""Networks are loaded, and the body is fitted; not counted."""


def measure(model: Path, video: Path) -> dict[str, Any]:
    """Frame rate and latency of one model."""
    token, shown, latency_s = CancelToken(), list[float](), list[float]()
    player = create_player(model, Execution.auto("cpu", cancel=token))
    start_s = time.monotonic()

    def show(image: LiveImage) -> None:
        cv2.imencode(".jpg", image.image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        now_s = time.monotonic() - start_s
        if now_s > WARM_UP_S and image.is_person:
            shown.append(now_s)
            latency_s.append(image.latency_s)

    threading.Timer(SECONDS, token.cancel).start()
    begun_s, cpu_s = time.monotonic(), time.process_time()
    player.play(live_frames(str(video)), show)
    cores = (time.process_time() - cpu_s) / (time.monotonic() - begun_s)
    median_s, worst_s = np.percentile(latency_s, [50, 95])
    info, source = read_info(model), probe(video)
    return {
        "family": info.kind,
        "generator_px": info.config.get("generator", {}).get("canvas_px"),
        "frame_px": [info.subject["width_px"], info.subject["height_px"]],
        "source_px": [source.width_px, source.height_px],
        "source_fps": round(float(source.fps), 3),
        "frames_per_second": round((len(shown) - 1) / (shown[-1] - shown[0]), 2),
        "latency_ms": {"median": round(1000 * median_s), "percentile_95": round(1000 * worst_s)},
        "images": len(shown),
        "cores_used": round(cores, 2),
        "dropped_frames": player.dropped,
        "lag_frames": 1,
        "load_average_of_the_machine": round(os.getloadavg()[0], 2),
    }


def main(video: Path, out: Path, models: list[Path]) -> None:
    """Measure all models and write the result."""
    result = {"measured_on": measurement_info(), "live": [measure(model, video) for model in models]}
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
