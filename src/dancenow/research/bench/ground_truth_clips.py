"""Externally rendered clips with exact keypoints: prepare a subject from one, and score a model on one.

A clip is NAME.mp4 beside NAME.npz: `kp2d` [T,23,2] px (pixel centers at halves), `depth` [T,23] m from the camera, `camera`
[4,4] (world to clip coordinates) and `fps`. The keypoints are COCO's 17, then toes and heels.
"""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from dancenow.errors import InputError
from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.execution import Device, Execution
from dancenow.generators.registry import load_renderer
from dancenow.media.source import probe, read_frames
from dancenow.metrics.images import psnr_db, ssim_map
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.consent import consent
from dancenow.rendering.renderer import render_video
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

DETECTOR: Final = "exact keypoints"
LABELS: Final = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
"""Order of the keypoints in the npz; an array `labels` in it must match."""
_OURS: Final = {name.replace("big_toe", "toe"): i for i, name in enumerate(LABELS) if "small" not in name}


@dataclass(frozen=True)
class ExactScore:
    """Means over the evaluated frames, in the box of the exact keypoints with a margin of a tenth of its longer side
    (`metrics.regions.person_box`). perceptual: `PerceptualDistance`, on every n-th frame only."""

    ssim: float
    psnr_db: float
    perceptual: float
    frames: int


def read_exact_track(npz: Path, video: Path) -> PoseTrack:
    """Read the exact track of a clip in this package's skeleton: the neck is the mean of the shoulders, a toe the big toe.

    Thumb, index and pinky are unknown: confidence 0. All others have confidence 1, occluded or not. Depth is in px, relative
    to the middle of the hips, as from the detector.

    Raises:
        UserError: the npz is missing, damaged, of another kind, or does not match the video.
    """
    info = probe(video)
    try:
        with npz.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            points, distance = file["kp2d"].astype(np.float64), file["depth"].astype(np.float64)
            camera, fps = file["camera"].astype(np.float64), float(file["fps"])
            labels = tuple(file["labels"]) if "labels" in file.files else LABELS
        if labels != LABELS or points.shape != (len(points), len(LABELS), 2) or distance.shape != points.shape[:2]:
            raise ValueError("its keypoints are others")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{npz} holds no exact keypoints of a clip ({error}); give one with kp2d, depth, camera, fps."
        ) from error
    if info.num_frames not in (None, len(points)):
        raise InputError(f"{npz} has {len(points)} poses but {video} has {info.num_frames} frames; give the clip's own.")
    hips_m = distance[:, [LABELS.index("left_hip"), LABELS.index("right_hip")]].mean(axis=1, keepdims=True)
    focal_px = float(np.linalg.norm(camera[0, :3])) * info.width_px / 2
    depth_px = (distance - hips_m) * focal_px / hips_m
    values = np.zeros((len(points), NUM_KEYPOINTS, 4), np.float32)  # x, y, confidence, depth
    given = np.concatenate([points - 0.5, np.ones_like(depth_px)[..., None], depth_px[..., None]], axis=2)
    for name, column in _OURS.items():
        values[:, INDEX[name]] = given[:, column]
    values[:, INDEX["neck"]] = values[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(axis=1)
    pose = Pose(*(np.ascontiguousarray(values[..., part]) for part in (slice(0, 2), 2, 3)))
    status = np.full(len(points), FrameStatus.MEASURED, np.uint8)
    size = info.width_px, info.height_px
    return PoseTrack(pose, np.arange(len(points)) / fps, status, *size, DETECTOR, sha256_of(video))


def prepare_exact_subject(video: Path, npz: Path, out: Path, *, on_progress: ProgressCallback = ignore_progress) -> Subject:
    """Prepare a clip as a subject with its exact keypoints, all of it for training; replaces an older folder of that name.

    Raises:
        UserError: as `read_exact_track` and `prepare`.
    """
    return prepare(video, out, track=read_exact_track(npz, video), consent=consent("rendered"), on_progress=on_progress)


def score_model(
    model: Path,
    npz: Path,
    video: Path,
    *,
    frames: tuple[int, int | None] = (0, None),
    every: int = 6,
    device: Device = "auto",
    on_progress: ProgressCallback = ignore_progress,
) -> ExactScore:
    """Score a model on the exact keypoints of a clip that shows the model's person.

    Args:
        model: any model; keypoints are drawn in place, without retargeting or encoding.
        frames: first frame and end (exclusive) of the scored part.
        every: stride of the frames with a perceptual distance.

    Raises:
        UserError: as `read_exact_track` and `load_renderer`, the sizes differ, or the frames do not exist.
    """
    renderer = load_renderer(model, Execution.auto(device))
    track = read_exact_track(npz, video)
    target = renderer.target.track
    if (track.width_px, track.height_px) != (target.width_px, target.height_px):
        raise InputError(
            f"{video} is {track.width_px}x{track.height_px} but the model renders {target.width_px}x{target.height_px}; give"
            " a clip from the model's own camera."
        )
    start, stop = frames[0], len(track) if frames[1] is None else min(frames[1], len(track))
    return compare_frames(
        render_video(renderer, renderer.target.view("still"), track, start, stop),
        video,
        track,
        frames=(start, stop),
        every=every,
        on_progress=on_progress,
    )


def score_result_video(
    generated: Path,
    npz: Path,
    video: Path,
    *,
    frames: tuple[int, int | None] = (0, None),
    every: int = 6,
    on_progress: ProgressCallback = ignore_progress,
) -> ExactScore:
    """Score a finished video, such as one by `transfer` from a source video with detected poses.

    Raises:
        UserError: as `read_exact_track`, a video cannot be read, or the frames do not exist.
    """
    track = read_exact_track(npz, video)
    start, stop = frames[0], len(track) if frames[1] is None else min(frames[1], len(track))
    images = (frame.image_rgb for frame in read_frames(generated, start, stop))
    return compare_frames(images, video, track, frames=(start, stop), every=every, on_progress=on_progress)


@torch.inference_mode()
def compare_frames(
    images: Iterable[ImageRGB],
    truth: Path,
    track: PoseTrack,
    *,
    frames: tuple[int, int],
    every: int = 6,
    on_progress: ProgressCallback = ignore_progress,
) -> ExactScore:
    """Compare images, one per frame of that part of the truth, in the track's person box.

    Raises:
        UserError: the truth cannot be read, the frames do not exist, or there are fewer images than frames.
    """
    if not 0 <= frames[0] < frames[1]:
        raise InputError(f"there are no frames {frames[0]} to {frames[1]} in {truth}.")
    distance = PerceptualDistance().eval()
    ssim: list[float] = []
    psnr: list[float] = []
    perceptual: list[float] = []
    for frame, image in zip(read_frames(truth, *frames), images, strict=False):
        box = person_box(track.pose[frame.index], track.width_px, track.height_px)
        if box is not None:
            own, true = box.crop(image), box.crop(frame.image_rgb)
            ssim.append(float(box.crop(ssim_map(image, frame.image_rgb)).mean()))
            psnr.append(psnr_db(own, true))
            if (frame.index - frames[0]) % every == 0:
                perceptual.append(float(distance(region_to_tensor(own, "person"), region_to_tensor(true, "person"))))
        done = frame.index + 1 - frames[0]
        on_progress(Progress("compare frames", done, frames[1] - frames[0]))
    if not ssim or done < frames[1] - frames[0]:
        raise InputError(f"not every frame of {truth} has a matching image; compare clips of equal length.")
    return ExactScore(float(np.mean(ssim)), float(np.mean(psnr)), float(np.mean(perceptual)), len(ssim))
