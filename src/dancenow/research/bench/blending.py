"""Compare ways of blending an edited face into its frame: paste, feathering, Poisson by sine transforms, OpenCV's
seamlessClone.

Rendered people are the ground truth. The head crop is edited as a face network edits it and blended back; an ideal method
shows no seam and no color flicker, and takes no time.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.face.blending import BLEND_METHODS, RIM_TIME_CONSTANT_S, Blender, feather_mask
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import face_boxes
from dancenow.media.source import read_frames
from dancenow.pose.track_io import load_track
from dancenow.progress import Progress, ProgressCallback
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import BLEND, BlendSize
from dancenow.types import FloatArray, ImageRGB, Pose

FaceEdit = Callable[[FloatArray, int, float], FloatArray]
"""An edit of a face crop float32 [S,S,3], given the frame index and its time in s."""


def _warmer(face: FloatArray, _t: int, _time_s: float) -> FloatArray:
    return face * np.array([1.10, 1.0, 0.92], np.float32) + 8


def _lit_from_one_side(face: FloatArray, _t: int, _time_s: float) -> FloatArray:
    return face * np.linspace(0.85, 1.15, face.shape[1], dtype=np.float32)[None, :, None]


def _drifting(face: FloatArray, t: int, time_s: float) -> FloatArray:
    noise = np.random.default_rng(t).normal(0, 0.03)
    return face * np.float32(1 + 0.08 * np.sin(2 * np.pi * time_s) + noise)


def _blurred(face: FloatArray, t: int, time_s: float) -> FloatArray:
    soft = np.asarray(cv2.GaussianBlur(face, (0, 0), 0.025 * len(face)), np.float32)
    return _warmer(soft, t, time_s)


def _wrong_at_the_top(face: FloatArray, t: int, _time_s: float) -> FloatArray:
    changed, rows = face.copy(), len(face) // 12
    changed[:rows] = cv2.GaussianBlur(face[:rows], (0, 0), 0.05 * len(face)) + np.random.default_rng(t).normal(0, 15)
    return changed


FACE_EDITS: Final[Mapping[str, FaceEdit]] = {
    "warmer": _warmer,
    "lit from one side": _lit_from_one_side,
    "drifting": _drifting,
    "warmer and blurred": _blurred,
    "another top, which flickers": _wrong_at_the_top,
}
"""Edits applied to the head crop before blending."""
METRICS: Final = ("seam", "worst_seam", "face_colour", "face_detail", "pumping", "ms")
_WARMUP_FRAMES: Final = 2
"""Frames excluded from the timing."""


def bench_blend(size: Size, on_progress: ProgressCallback) -> Result:
    """Run every method and every edit on every clip, at the original size and upsampled.

    seam: mean gradient difference to the truth between the face and a little beyond the crop, gray levels per pixel;
    worst_seam: its 99th percentile. face_colour: mean difference to the truth inside, gray levels; face_detail: mean gradient
    difference to the edited face inside. pumping: standard deviation over time of the face's mean difference to the truth.
    ms: median processor time per frame, which other load on the machine hardly changes.

    Raises:
        UserError: the studio's packages are missing.
    """
    sized = BLEND[size]
    clips = [dance for case in sized.test_set.cases for dance in map(case.truth, case.dances)][: sized.clips]
    for clip_spec in clips:
        sized.test_set.clip(clip_spec, on_progress)
    jobs = [
        Job("blend", {"clip": f"{clip_spec.dance} by {clip_spec.identity}", "enlarged": factor, "change": change, "size": size},
             partial(_measure, sized, number, factor, change), 8.0 * factor)
        for number, clip_spec in enumerate(clips) for factor in sized.enlarged for change in FACE_EDITS
    ]  # fmt: skip
    records = run_jobs("blend", jobs, on_progress)
    summary = summarize(records)
    return Result.from_records("blend", size, (0,), asdict(sized), records, summary)


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Per upsampling factor, method and metric, the mean over clips and edits."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for factor in dict.fromkeys(record["enlarged"] for record in records):
        rows = [row for record in records if record["enlarged"] == factor for row in record["rows"]]
        summary[str(factor)] = {
            method: {f: round(float(np.mean([row[f] for row in rows if row["method"] == method])), 3) for f in METRICS}
            for method in dict.fromkeys(row["method"] for row in rows)
        }
    return summary


def _measure(sized: BlendSize, number: int, factor: int, change: str, _folder: Path, on_progress: ProgressCallback) -> Record:
    clips = [dance for case in sized.test_set.cases for dance in map(case.truth, case.dances)]
    clip = sized.test_set.clip(clips[number], on_progress)
    track = load_track(clip.track)
    if factor > 1:
        xy = (track.pose.xy + 0.5) * np.float32(factor) - np.float32(0.5)
        pose = Pose(xy.astype(np.float32), track.pose.confidence, track.pose.depth * np.float32(factor))
        track = type(track)(
            pose, track.time_s, track.status, track.width_px * factor, track.height_px * factor, track.detector, ""
        )
    faces = face_boxes(track)
    blenders: dict[str, Blender] = {method: Blender(faces, method) for method in BLEND_METHODS}
    blenders["poisson, no memory"] = Blender(faces, "poisson", rim_time_s=0.0)
    kept: dict[str, list[dict[str, float]]] = {name: [] for name in blenders}
    for t, frame in enumerate(_frames(clip.video, factor, sized.frames)):
        face = np.rint(FACE_EDITS[change](crop_face(frame, faces.crop(t)).astype(np.float32), t, float(faces.time_s[t])))
        changed = face.clip(0, 255).astype(np.uint8)
        for name, blender in blenders.items():
            start_s = time.process_time()
            blended = blender.blend(frame, changed, t)
            ms = 1000 * (time.process_time() - start_s)
            kept[name].append(_measure_blend(frame, blended, changed, faces, t) | {"ms": ms})
        on_progress(Progress("blending", t + 1, sized.frames))
    return {"rows": [{"method": name, **_over_time(rows)} for name, rows in kept.items()], "rim_time_s": RIM_TIME_CONSTANT_S}


def _frames(video: Path, factor: int, count: int) -> Iterator[ImageRGB]:
    for frame in read_frames(video, 0, count):
        image = frame.image_rgb
        size = (image.shape[1] * factor, image.shape[0] * factor)
        yield image if factor == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _measure_blend(truth: ImageRGB, blended: ImageRGB, changed: ImageRGB, faces: FaceTrack, t: int) -> dict[str, float]:
    crop = faces.crop(t)
    size, margin = faces.size_px, 4
    low = np.floor(crop.to_frame[:, 2]).astype(int) - margin
    high = np.ceil(crop.to_frame @ [size - 1, size - 1, 1]).astype(int) + margin + 1
    (left, top), (right, bottom) = low.clip(0), np.minimum(high, truth.shape[1::-1])
    to_box = crop.to_frame - [[0, 0, left], [0, 0, top]]
    shape = (int(right - left), int(bottom - top))
    mask = cv2.warpAffine(feather_mask(size), to_box, shape, flags=cv2.INTER_LINEAR)
    asked = cv2.warpAffine(changed.astype(np.float32), to_box, shape, flags=cv2.INTER_CUBIC)
    a, b = (image[top:bottom, left:right].astype(np.float32) for image in (truth, blended))
    inside = mask > 0.98
    off, detail = _gradient(b - a), _gradient(b - np.asarray(asked, np.float32))
    seam = off[~inside]
    core = np.asarray(cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)), bool)
    return {
        "seam": float(seam.mean()),
        "worst_seam": float(np.percentile(seam, 99)),
        "face_colour": float(np.abs(b - a)[inside].mean()),
        "face_detail": float(detail[core].mean()),
        "mean": float((b - a)[inside].mean()),
    }


def _gradient(image: FloatArray) -> FloatArray:
    """Gradient magnitude float32 [H,W]: forward differences, mean over channels."""
    dx, dy = np.diff(image, axis=1, append=image[:, -1:]), np.diff(image, axis=0, append=image[-1:])
    return np.asarray(np.hypot(dx, dy).mean(axis=2), np.float32)


def _over_time(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    out = {name: float(columns[name].mean()) for name in ("seam", "worst_seam", "face_colour", "face_detail")}
    out["pumping"] = float(columns["mean"].std())
    out["ms"] = float(np.median(columns["ms"][_WARMUP_FRAMES:] if len(rows) > _WARMUP_FRAMES else columns["ms"]))
    return {name: round(value, 4) for name, value in out.items()}
