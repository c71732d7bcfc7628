"""Measure what each retargeter does to one person in one video, and to a pair of people whose true transfer is known.

    python -m dancenow.research.recipes.retargeting_identity CLIPS RESULT.json [EXACT]

CLIPS is a folder of videos. Each is retargeted to itself, and its first and second half to each other: the truth is its own
poses. NAME_id0.mp4 and NAME_id1.mp4 show one dance by two people, frame by frame: each dance is retargeted to every clip of the
other person, and the truth is that person's clip of the same dance. EXACT is a folder of exact keypoints (NAME_id0.npz) to be
measured too. Errors are mean keypoint distances in percent of the torso.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.pose.body_statistics import MIN_CONFIDENCE, body_statistics
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import FITS, fit_retargeter
from dancenow.research.bench.ground_truth_clips import read_exact_track
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.same_camera import background_view, same_camera
from dancenow.types import PoseTrack

SECONDS: Final = 10.0
SUFFIXES: Final = (".mp4", ".mov", ".mkv", ".webm")


def time_range(track: PoseTrack, start_s: float, stop_s: float) -> PoseTrack:
    """The part of a track from start_s to before stop_s, with its times."""
    rows = np.flatnonzero((track.time_s >= start_s) & (track.time_s < stop_s))
    return replace(track, pose=track.pose[rows], time_s=track.time_s[rows], status=track.status[rows])


def errors(source: PoseTrack, target: PoseTrack, truth: PoseTrack, same: bool | None) -> dict[str, float | None]:
    """Retargeter -> mean distance of visible keypoints to the truth in percent of its torso; None where it cannot be fitted."""
    count = min(len(source), len(truth))
    result: dict[str, float | None] = {}
    for kind in FITS:
        try:
            torso_px = body_statistics(truth).torso_px
            pose = fit_retargeter(kind, source, target, same)(source.pose)[:count]
        except UserError:
            result[kind] = None
            continue
        true = truth.pose[:count]
        visible = (pose.confidence >= MIN_CONFIDENCE) & (true.confidence >= MIN_CONFIDENCE)
        distance_px = np.linalg.norm(pose.xy.astype(np.float64) - true.xy, axis=-1)[visible]
        result[kind] = round(100 * float(distance_px.mean()) / torso_px, 2) if visible.any() else None
    return result


def identity_rows(name: str, track: PoseTrack) -> Iterator[dict[str, Any]]:
    """One person in one video: the whole clip to itself, and each half to the other."""
    middle_s, end_s = float(track.time_s[len(track) // 2]), float(track.time_s[-1]) + 1
    halves = time_range(track, 0, middle_s), time_range(track, middle_s, end_s)
    yield {"clip": name, "part": "whole", **errors(track, track, track, None)}
    for part, source, target in (("first half", *halves), ("second half", *halves[::-1])):
        yield {"clip": name, "part": part, **errors(source, target, source, None)}


def pair_rows(tracks: Mapping[str, PoseTrack], videos: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """Each dance of one person retargeted to every clip of the other."""
    views = {name: background_view(VideoSource.open(videos[name]), track) for name, track in tracks.items()}
    for name, source in tracks.items():
        dance, person = name.rsplit("_", 1)
        other = {"id0": "id1", "id1": "id0"}[person]
        for target in (each for each in tracks if each.endswith(other)):
            same = same_camera(views[name], views[target])
            yield {"source": name, "target": target, **errors(source, tracks[target], tracks[f"{dance}_{other}"], same)}


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Retargeter -> mean and largest error, and the largest excess of `auto` over the best other one."""
    result: dict[str, dict[str, float]] = {}
    for kind in FITS:
        known = [row[kind] for row in rows if row[kind] is not None]
        if known:
            result[kind] = {"mean": round(float(np.mean(known)), 2), "largest": max(known)}
    excess = [
        row["auto"] - min(row[k] for k in FITS if k != "auto" and row[k] is not None) for row in rows if row["auto"] is not None
    ]
    return {**result, "auto_over_best": {"largest": round(max(excess, default=0.0), 2)}}


def main() -> None:
    """Detect, measure, and write the result."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    videos = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}
    tracks = {name: time_range(detect_poses(path), 0, SECONDS) for name, path in videos.items()}
    pairs = {name: track for name, track in tracks.items() if name.endswith(("_id0", "_id1"))}
    identity = [row for name, track in tracks.items() if name not in pairs for row in identity_rows(name, track)]
    measured = {"identity": identity, "pairs, detected": list(pair_rows(pairs, videos))}
    if len(sys.argv) > 3:
        exact_videos = {path.stem: path.with_suffix(".mp4") for path in sorted(Path(sys.argv[3]).glob("*_id[01].npz"))}
        exact = {
            name: time_range(read_exact_track(path.with_suffix(".npz"), path), 0, SECONDS)
            for name, path in exact_videos.items()
        }
        measured["pairs, exact"] = list(pair_rows(exact, exact_videos))
    result = {"unit": "percent of the torso", "seconds": SECONDS, "summary": {k: summary(v) for k, v in measured.items()}}
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result | measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["summary"]))


if __name__ == "__main__":
    main()
