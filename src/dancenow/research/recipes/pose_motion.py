"""Measure how well filtered poses follow the motion: errors from frame to frame, which are what flickers in a rendered video.

Usage: python -m dancenow.research.recipes.pose_motion RESULT.json CLIP.mp4 ...

Clips have exact keypoints (.npz beside them). Each is detected with one and with four crops, and filtered in several ways; the
error is the distance between the detected and the true step of a keypoint from one frame to the next, also of slow and of fast
keypoints apart.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from dancenow.media.source import VideoSource, open_video
from dancenow.pose.filtering.repeated_frames import filter_without_repeats
from dancenow.pose.filtering.smoothing import SmoothConfig, damp_jitter, smooth
from dancenow.pose.picture_following import follow_picture
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.visible_extent import drop_unseen
from dancenow.research.bench.ground_truth_clips import read_exact_track
from dancenow.research.bench.results import measurement_info
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import PoseTrack

DETECTORS: Final = ("blazepose", "blazepose-4crops")
NARROW, WIDE = SmoothConfig(sigma_s=0.035), SmoothConfig(sigma_s=0.06)
SLOW, FAST = 50, 80
"""Percentiles of the true speed: up to the first keypoints count as slow, from the second on as fast."""
_SURE: Final = 0.3
"""Confidence of keypoints that are compared."""


def ways(poses: PosePipeline, source: VideoSource) -> dict[str, Callable[[PoseTrack], PoseTrack]]:
    """What is compared: two fixed kernels one after the other, as before this was measured; the first alone; today's filter;
    and keypoints that then follow the picture of `source`."""

    def one_kernel(measured: PoseTrack) -> PoseTrack:
        return drop_unseen(poses.detector.correct_bias(smooth(measured, NARROW), measured))

    def each_shot(change: Callable[[PoseTrack], PoseTrack]) -> Callable[[PoseTrack], PoseTrack]:
        return lambda track: track.by_shot(lambda shot: filter_without_repeats(shot, change))

    return {
        "two fixed kernels": each_shot(lambda measured: damp_jitter(one_kernel(measured), WIDE)),
        "one fixed kernel": each_shot(one_kernel),
        "adaptive": poses.filter,
        "adaptive, following the picture": lambda track: follow_picture(source, [poses.filter(track)], use_cache=False)[0],
    }


def motion_errors(track: PoseTrack, exact: PoseTrack) -> dict[str, float]:
    """Mean error of steps, in px: of all keypoints, of slow and of fast ones; and of positions."""
    count = min(len(track), len(exact))
    found, true = track.pose.xy[:count].astype(np.float64), exact.pose.xy[:count].astype(np.float64)
    sure = (track.pose.confidence[:count] > _SURE) & (exact.pose.confidence[:count] > 0)
    both = sure[1:] & sure[:-1]
    step = np.diff(true, axis=0)
    error_px, speed_px = (np.linalg.norm(each, axis=-1) for each in (np.diff(found, axis=0) - step, step))
    slow_px, fast_px = np.percentile(speed_px[both], [SLOW, FAST])
    chosen = {"all": both, "slow": both & (speed_px <= slow_px), "fast": both & (speed_px > fast_px)}
    errors = {f"step, {name}": float(error_px[where].mean()) for name, where in chosen.items()}
    return {**errors, "position": float(np.linalg.norm(found - true, axis=-1)[sure].mean())}


def main() -> None:
    """Measure all clips and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    options = parser.parse_args()
    clips: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for clip in options.clips:
        exact = read_exact_track(clip.with_suffix(".npz"), clip)
        for name in DETECTORS:
            poses = PosePipeline.create(name)
            measured = poses.measure(clip)
            of_ways = {
                way: {key: round(value, 3) for key, value in motion_errors(change(measured), exact).items()}
                for way, change in ways(poses, open_video(clip)).items()
            }
            clips.setdefault(clip.stem, {})[name] = of_ways
            print(clip.stem, name, json.dumps(of_ways), flush=True)
    what = "px of the frame; step: error of a keypoint's motion from one frame to the next"
    with complete_or_absent(options.result) as temporary:
        temporary.write_text(json.dumps({**measurement_info(), "what": what, "clips": clips}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
