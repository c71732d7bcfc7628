"""Measure the detector's mattes and the refined ones against the exact alpha of rendered people.

Usage: python -m dancenow.research.recipes.mattes FOLDER RESULT.json [--every 8]

Clips of the studio, compressed with H.264, are rendered into FOLDER and detected, unless that was done already. The background
is estimated from the same clips. Errors are those of alpha matting (Rhemann et al., 2009), in a band of 12 px around the true
edge: the sum of absolute differences and of squared differences of gradients, per frame, and the mean squared error.
"""

import argparse
import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.pipeline import detect_poses
from dancenow.research.bench.results import measurement_info, today
from dancenow.research.studio.clip import Clip, render_clip
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.background.background_plate import PlateEstimator
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.subject.matte.near_background import NearBackground
from dancenow.subject.matte.refinement import refine_matte
from dancenow.types import Plate

SCENES: Final = (
    ("chi", "spark", "bright", 0.0),
    ("eve", "spark", "loft", 20.0),
    ("ada", "drift", "bright", 5.0),
    ("chi", "chorus", "loft", 10.0),
    ("ben", "pulse", "loft", 0.0),
    ("fin", "spark", "bright", 40.0),
    ("dov", "pulse", "bright", 0.0),
)
"""Person, dance, room, and when the clip begins."""
WIDTH_PX, HEIGHT_PX, FPS, SECONDS, CRF = 720, 960, 8, 8.0, 24
BAND_PX: Final = 12
_DETECTOR: Final = "blazepose-4crops"

Mask = NDArray[np.uint8]


def edge_band(true: Mask) -> NDArray[np.bool_]:
    """The pixels near the edge of a true matte: bool [h,w]."""
    square = np.ones((3, 3), np.uint8)
    edge = np.asarray(cv2.dilate(true, square), np.int16) - cv2.erode(true, square) > 20
    return np.asarray(cv2.dilate(edge.astype(np.uint8), np.ones((2 * BAND_PX + 1,) * 2, np.uint8)) > 0)


def matte_errors(matte: Mask, true: Mask) -> dict[str, float]:
    """The errors of a matte against the true one, both uint8 [h,w]."""
    band = edge_band(true)
    off = (matte.astype(np.float32) - true) / 255
    steep = (_gradient(matte) - _gradient(true)) / 255
    return {
        "SAD": float(np.abs(off)[band].sum()),
        "MSE": float(np.square(off)[band].mean()),
        "gradient": float(np.square(steep)[band].sum()),
        "SAD outside the band": float(np.abs(off)[~band].sum()),
    }


def _gradient(matte: Mask) -> NDArray[np.float32]:
    across, down = (cv2.GaussianBlur(cv2.Sobel(matte, cv2.CV_32F, dx, 1 - dx, scale=1 / 8), (0, 0), 1.0) for dx in (1, 0))
    return np.asarray(np.hypot(across, down), np.float32)


def scenes(folder: Path) -> Iterator[tuple[str, Clip]]:
    """Every scene with its clip, rendered where it is missing."""
    for person, dance, room, start_s in SCENES:
        clip = Clip(folder / f"{person}_{room}.mp4")
        if not clip.video.exists():
            render_clip(
                person, dance, room, clip.video, fps=Fraction(FPS), width_px=WIDTH_PX, height_px=HEIGHT_PX, seconds=SECONDS,
                start_s=start_s, crf=CRF, preset="medium", sound=False,
            )  # fmt: skip
        yield f"{person} in {room}", clip


def estimate_background(source: VideoSource, masks: Path, measured: NDArray[np.bool_]) -> Plate:
    """The background, as `prepare` gives it to the refinement."""
    estimator, meter = PlateEstimator(source, masks, measured), ExposureMeter(masks, measured)
    near = NearBackground(masks, estimator.indices)
    source.feed(estimator, meter, near)
    exposure = meter.exposure()
    return near.complete(estimator.estimate(exposure), exposure)


def measure(clip: Clip, every: int) -> dict[str, Any]:
    """Mean errors of the detector's mattes (enlarged) and of the refined ones, and the time that a frame takes."""
    source = VideoSource.open(clip.video)
    masks = clip.video.with_suffix(".detected.mkv")
    if not masks.exists():
        detect_poses(source, masks=masks, detector=_DETECTOR)
    coarse = list(read_masks(masks))
    background = estimate_background(source, masks, np.array([mask.any() for mask in coarse]))
    rows: dict[str, list[dict[str, float]]] = {"detector": [], "refined": []}
    cpu_s = 0.0
    for frame, true in zip(source.frames(), read_masks(clip.masks), strict=True):
        if frame.index % every:
            continue
        begun_s = time.process_time()
        refined = refine_matte(frame.image_rgb, coarse[frame.index], background)
        cpu_s += time.process_time() - begun_s
        enlarged = cv2.resize(coarse[frame.index], true.shape[::-1], interpolation=cv2.INTER_LINEAR)
        rows["detector"].append(matte_errors(np.asarray(enlarged, np.uint8), true))
        rows["refined"].append(matte_errors(refined, true))
    found: dict[str, Any] = {name: _mean(each) for name, each in rows.items()}
    return {"frames": len(rows["refined"]), "ms of CPU time per frame": round(1000 * cpu_s / len(rows["refined"]), 1), **found}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]}


def main() -> None:
    """Measure every scene and write the result."""
    parser = argparse.ArgumentParser(description="measure mattes against exact ones")
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--every", type=int, default=8, help="measure each frame of this number")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    measured = {name: measure(clip, options.every) for name, clip in scenes(options.folder)}
    mean = {kind: _mean([each[kind] for each in measured.values()]) for kind in ("detector", "refined")}
    what = (
        "mattes against the exact alpha of rendered people (SAD and gradient error per frame, MSE, in a band of"
        f" {BAND_PX} px around the edge; {WIDTH_PX}x{HEIGHT_PX} px, H.264 at crf {CRF}); the background is estimated"
    )
    result = {"date": today(), **measurement_info(), "what": what, "mean": mean, "scenes": measured}
    with complete_or_absent(options.result) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
