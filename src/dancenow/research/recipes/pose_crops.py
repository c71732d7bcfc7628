"""Measure what landmarks of several crops together gain over those of one, and what they cost.

Usage: python -m dancenow.research.recipes.pose_crops [-o FOLDER] [--frames 24]

Studio dances and the clips of $DANCENOW_DATA are detected with 1 and with 4 crops of the same frames, alternately, so that a
busy machine slows both. Errors need exact keypoints; all other measurements do not.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.blazepose import BlazePose
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.filtering.smoothing import body_size
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.track_io import load_track
from dancenow.pose.tracking.reidentification import PeopleSurvey, select_person
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.progress import ignore_progress
from dancenow.research.bench.ground_truth_clips import read_exact_track
from dancenow.research.bench.results import measurement_info, today
from dancenow.research.bench.sizes import BUDGET
from dancenow.research.recipes.train_corrector import error, truth_free_measurements
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import Frame, FrameStatus, Pose, PoseTrack

CROPS: Final = (1, 4)
TIMED_CROPS: Final = (1, 2, 4)
SHIFTS: Final = ((0.0, 0.0), (0.012, 0.004), (-0.004, 0.012), (-0.012, -0.004), (0.004, -0.012))
"""Shifts of the searched region, as fractions of its side; the same as shifts of the image."""
SHIFTED_FRAMES: Final = 4
MIN_FRAMES: Final = 12
_NOBODY: Final = Pose(np.zeros((NUM_KEYPOINTS, 2), np.float32), np.zeros(NUM_KEYPOINTS, np.float32))


@dataclass(frozen=True)
class Clip:
    """A video from a frame on, and its exact track if that is known."""

    name: str
    video: Path
    first: int
    exact: PoseTrack | None


def clips(data: Path) -> Iterator[Clip]:
    """Rendered and filmed clips of a folder, then studio dances."""
    filmed = [*(data / "real").glob("*.mp4"), *(data / "real").glob("*.webm")]
    for video in [*sorted(data.rglob("*_id1.mp4")), *sorted(filmed)]:
        npz = video.with_suffix(".npz")
        yield Clip(video.stem, video, 20, read_exact_track(npz, video) if npz.is_file() else None)
    test_set = BUDGET["laptop"].test_set
    for case in test_set.cases:
        clip = test_set.clip(case.dances[0])
        yield Clip(f"studio {case.dances[0].identity} {case.dances[0].dance}", clip.video, 0, load_track(clip.track))


def measure_clip(clip: Clip, detectors: dict[int, BlazePose], num_frames: int) -> dict[str, Any]:
    """Measurements by number of crops, and milliseconds a frame of tracking with each.

    Raises:
        UserError: the video cannot be read, or nobody is found in it.
    """
    source = VideoSource.open(clip.video)
    selection = select_person(PeopleSurvey(detectors[1], source).detections, None, source)
    trackers = {crops: PersonTracker(detectors[crops], selection) for crops in CROPS}
    frames = list(islice(source.frames(clip.first, clip.first + num_frames), num_frames))
    found: dict[int, list[Landmarks | None]] = {crops: [] for crops in CROPS}
    spent_ms: dict[int, list[float]] = {crops: [] for crops in CROPS}
    for frame in frames:
        for crops, tracker in trackers.items():
            start_s = time.perf_counter()
            found[crops].append(tracker.step(frame))
            spent_ms[crops].append(1000 * (time.perf_counter() - start_s))
    result: dict[str, Any] = {}
    for crops in CROPS:
        measured = build_track(frames, found[crops], source)
        if (measured.status == FrameStatus.MEASURED).sum() < MIN_FRAMES:
            raise UserError(f"{clip.name}: too few frames show the person")
        spread = placement_spread(detectors[crops], frames, found[1])
        result[f"{crops} crops"] = figures(measured, clip) | spread | {"ms": float(np.median(spent_ms[crops]))}
    return result


def build_track(frames: Sequence[Frame], found: Sequence[Landmarks | None], source: VideoSource) -> PoseTrack:
    """Build a track from the detected frames."""
    poses = [each.pose if each else _NOBODY for each in found]
    pose = Pose(*(np.stack([getattr(each, part) for each in poses]) for part in ("xy", "confidence", "depth")))
    status = np.array([FrameStatus.MEASURED if each else FrameStatus.MISSING for each in found], np.uint8)
    time_s = np.array([float(frame.time_s - frames[0].time_s) for frame in frames])
    return PoseTrack(pose, time_s, status, source.info.width_px, source.info.height_px, "blazepose", "")


def figures(measured: PoseTrack, clip: Clip) -> dict[str, Any]:
    """Jitter at each stage, variation of limb lengths and, with an exact track, errors before and after the bias correction."""
    poses = PosePipeline.create()
    filtered = poses.filter(measured)
    jitter = {"detected": measured, "filtered": filtered}
    result: dict[str, Any] = {"jitter": {stage: jitter_percent(track, measured) for stage, track in jitter.items()}}
    result["steadiness"] = truth_free_measurements(measured)
    if clip.exact is not None:
        part = slice(clip.first, clip.first + len(measured))
        exact = replace(clip.exact.part(part.start, part.stop), time_s=measured.time_s)
        result["error"] = error(measured, exact)
        result["jitter"]["exact"] = jitter_percent(exact, measured)
    return result


def jitter_percent(track: PoseTrack, measured: PoseTrack) -> float:
    """Mean third difference in time over the square root of 20 (the size of white noise), in % of the body's size; keypoints
    detected with confidence in four consecutive frames."""
    size_px = body_size(measured.pose, measured.time_s)[3:, None]
    visible = (measured.pose.confidence > 0.5) & (track.pose.confidence > 0)
    four: NDArray[np.bool_] = visible[3:] & visible[2:-1] & visible[1:-2] & visible[:-3]
    off = np.linalg.norm(np.diff(track.pose.xy.astype(np.float64), 3, axis=0), axis=-1) / np.sqrt(20)
    return float((100 * off / size_px)[four].mean())


def placement_spread(detector: BlazePose, frames: Sequence[Frame], found: Sequence[Landmarks | None]) -> dict[str, float]:
    """Root mean square distance of keypoints from their mean over small shifts of the region, in % of the body's size."""
    sampled = [(frame, each) for frame, each in zip(frames, found, strict=True) if each is not None]
    spreads = []
    for frame, each in sampled[:: max(len(sampled) // SHIFTED_FRAMES, 1)][:SHIFTED_FRAMES]:
        roi = each.next_roi
        shifted = [
            RotatedRect(roi.x_px + right * roi.size_px, roi.y_px + down * roi.size_px, roi.size_px, roi.angle_rad)
            for right, down in SHIFTS
        ]
        xy = np.stack([detector.landmarks(frame.image_rgb, region).pose.xy for region in shifted])
        off = np.linalg.norm(xy - xy.mean(axis=0), axis=-1)[:, each.pose.confidence > 0.5]
        size_px = float(np.ptp(each.pose.xy, axis=0).max())
        spreads.append(100 * float(np.sqrt((off**2).mean())) / size_px)
    return {"placement spread": float(np.mean(spreads))}


def landmark_ms(detectors: dict[int, BlazePose], repetitions: int = 40) -> dict[str, float]:
    """Lower quartile of the milliseconds of one `landmarks` call by number of crops, alternating."""
    image_rgb = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    roi = RotatedRect(256, 256, 480, 0.0)
    spent_ms: dict[int, list[float]] = {crops: [] for crops in detectors}
    for _ in range(repetitions):
        for crops, detector in detectors.items():
            start_s = time.perf_counter()
            detector.landmarks(image_rgb, roi)
            spent_ms[crops].append(1000 * (time.perf_counter() - start_s))
    return {f"{crops} crops": float(np.percentile(each, 25)) for crops, each in spent_ms.items()}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Geometric means over clips of 4 crops relative to 1, for every measurement that has both."""
    ratios: dict[str, list[float]] = {}
    for row in rows:
        one, four = (_flat(row[f"{crops} crops"]) for crops in CROPS)
        for key in one:
            if key in four and min(one[key], four[key]) > 0:
                ratios.setdefault(key, []).append(four[key] / one[key])
    return {key: round(float(np.exp(np.mean(np.log(each)))), 3) for key, each in ratios.items()}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    result: dict[str, float] = {}
    for key, value in values.items():
        result |= _flat(value, f"{prefix}{key}, ") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result


def main() -> None:
    """Measure all clips and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks"))
    parser.add_argument("--frames", type=int, default=24)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    detectors = {crops: BlazePose(2, ignore_progress, num_crops=crops) for crops in TIMED_CROPS}
    out = options.out / f"{today()}-pose-crops-laptop.json"
    cost_ms, rows = landmark_ms(detectors), dict[str, dict[str, Any]]()
    for clip in clips(Path(os.environ.get("DANCENOW_DATA") or "/nonexistent")):
        try:
            row = measure_clip(clip, detectors, options.frames * (1 if clip.exact is None else 2))
        except UserError as problem:
            print(problem, flush=True)
            continue
        rows[clip.name] = row
        print(clip.name, json.dumps(summary([row])), flush=True)
        truth = [each for each in rows.values() if "error" in each["1 crops"]]
        others = [each for each in rows.values() if "error" not in each["1 crops"]]
        ratios = {"with truth": summary(truth), "without truth": summary(others)}
        result = {**measurement_info(), "ms a call": cost_ms, "4 crops over 1": ratios, "clips": rows}
        with complete_or_absent(out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(out)


if __name__ == "__main__":
    main()
