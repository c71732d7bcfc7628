"""Train the classifier on a user's own videos: a folder of real ones and a folder of synthesized ones.

Every video is re-encoded in the same ways and carries a watermark, so that neither compression nor marks are a clue; every
fifth video of each folder is held out for calibration and for the reported accuracy.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from dancenow.errors import InputError, UserError
from dancenow.media.source import VideoSource
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier
from dancenow.provenance.forensics.samples import plan_samples
from dancenow.provenance.watermark import Payload, Watermarker, read_watermark_in_images
from dancenow.research.forensics.compression import CRFS, Encoding, extract_samples
from dancenow.research.forensics.scoring import clip_scores
from dancenow.research.forensics.training import OFFSETS, REAL, ClipSamples, ForensicRecipe, ForensicTask, PairedSampler
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage.atomic_io import require_writable
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, train_loop
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

VIDEO_SUFFIXES: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
"""Accepted file name suffixes."""
_MASKS: Final = ".masks.mkv"
"""End of the names of masks that `dancenow studio` writes beside its clips."""
MAX_FRAMES: Final = 72
"""Only the middle of a longer video is used."""
SAMPLES_PER_CLIP: Final = 8
_HELD_OUT_EVERY: Final = 5
_ENCODINGS: Final = tuple(Encoding(crf, scale) for crf, scale in zip(CRFS, (1.0, 0.75, 1.0, 0.5), strict=True))


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training. accuracy: on the held-out clips, None without any; notes: for the user."""

    weights: Path
    accuracy: float | None
    notes: tuple[str, ...]


def train_on_folders(
    real: Path,
    synthetic: Path,
    out: Path,
    *,
    budget: Budget,
    recipe: ForensicRecipe | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> TrainingResult:
    """Train a classifier and write it to `out`, a .safetensors file that appears only when it is complete.

    Raises:
        UserError: a folder is missing or has no video with a person in it, or `out` cannot be written to.
    """
    recipe = recipe or ForensicRecipe()
    require_writable(out, ".safetensors")
    found = {folder: videos_in(folder) for folder in (real, synthetic)}
    notes: list[str] = []
    clips: list[ClipSamples] = []
    for folder, family in ((real, REAL), (synthetic, "synthetic")):
        clips += _samples_in_folder(folder, found[folder], family, recipe.network.crop_px, notes, on_progress)
    train_clips, held_out_clips = split_clips(clips)
    task = ForensicTask(PairedSampler(train_clips, device), recipe, seed=seed)
    with tempfile.TemporaryDirectory() as scratch:  # an uncalibrated checkpoint is not a classifier yet
        unfinished = Path(scratch) / "forensic.safetensors"
        train_loop(task, unfinished, budget, resume=False, config=LoopConfig(seed=seed), on_progress=on_progress)
    words = f"{len(found[real])} real videos of {real.name}, {len(found[synthetic])} synthetic ones of {synthetic.name}"
    classifier, accuracy = calibrate(task.classifier(Calibration(), words), held_out_clips or train_clips)
    if not held_out_clips:
        notes.append("A folder has fewer than five videos: none was held out, so the accuracy is not known.")
    save_checkpoint(out, classifier.to_checkpoint(task.images))
    return TrainingResult(out, accuracy if held_out_clips else None, tuple(notes))


def calibrate(classifier: ForensicClassifier, clips: Sequence[ClipSamples]) -> tuple[ForensicClassifier, float]:
    """Calibrate the classifier on these clips; also return its accuracy on them."""
    scores = torch.from_numpy(clip_scores(classifier, clips))
    synthetic = torch.tensor([each.synthetic for each in clips])
    calibration = Calibration.fit(scores, synthetic)
    correct = (calibration.logit(scores) > 0) == synthetic
    return ForensicClassifier(classifier.net, calibration, classifier.trained_on), float(correct.float().mean())


def videos_in(folder: Path) -> list[Path]:
    """The videos in a folder, sorted by name, without masks of rendered clips.

    Raises:
        UserError: the folder does not exist or holds no video.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give one of real videos and one of synthetic ones.")
    files = (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    videos = sorted(path for path in files if not path.name.endswith(_MASKS))
    if not videos:
        raise InputError(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)}).")
    return videos


def split_clips(clips: Sequence[ClipSamples]) -> tuple[list[ClipSamples], list[ClipSamples]]:
    """Split into training clips and every fifth clip of each class; nothing is held out if a class has fewer than five."""
    held_out: set[str] = set()
    for synthetic in (False, True):
        names = sorted({each.clip for each in clips if each.synthetic == synthetic})
        if len(names) < _HELD_OUT_EVERY:
            return list(clips), []
        held_out |= set(names[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY])
    return [each for each in clips if each.clip not in held_out], [each for each in clips if each.clip in held_out]


def _samples_in_folder(
    folder: Path, videos: Sequence[Path], family: str, side_px: int, notes: list[str], on_progress: ProgressCallback
) -> list[ClipSamples]:
    clips: list[ClipSamples] = []
    for number, video in enumerate(videos):
        try:
            clips += [each for each in samples_of_video(video, family, side_px) if len(each.images)]
        except UserError as error:
            notes.append(f"{video.name} was left out: {error}")
        on_progress(Progress(f"reading {folder.name}", number + 1, len(videos)))
    if not clips:
        raise InputError(f"no person could be tracked in any of the {len(videos)} videos of {folder}.")
    return clips


def with_watermark(frames: list[ImageRGB], digest: str) -> list[ImageRGB]:
    """Frames with a watermark, if they have none: results of dancenow carry one, and it would be learned instead of the body.

    digest: hex digits to mark with.
    """
    if read_watermark_in_images(frames, may_be_cropped=False).payload is not None:
        return frames
    marker = Watermarker(Payload(digest[:4]))
    return [marker.apply(frame) for frame in frames]


def samples_of_video(video: Path, family: str, side_px: int) -> list[ClipSamples]:
    """Extract samples from the middle of a video, in every encoding.

    Raises:
        UserError: as `samples.plan_samples`.
    """
    source = VideoSource.open(video)
    plan, info = plan_samples(source), source.info
    offsets = tuple(plan.stride * offset for offset in OFFSETS)
    first = max(0, (plan.num_frames - MAX_FRAMES) // 2)
    frames = with_watermark([frame.image_rgb for frame in source.frames(first, first + MAX_FRAMES)], source.sha256)
    xy, confidence = np.zeros((len(frames), NUM_KEYPOINTS, 2), np.float32), np.zeros((len(frames), NUM_KEYPOINTS), np.float32)
    status = np.full(len(frames), FrameStatus.MISSING, np.uint8)
    for i, start in enumerate(plan.starts - first):
        if 0 <= start < len(frames) - offsets[-1]:
            xy[start], confidence[start] = plan.pose.xy[i], plan.pose.confidence[i]
            status[start] = FrameStatus.MEASURED
    height, width = frames[0].shape[:2]
    track = PoseTrack(Pose(xy, confidence), np.arange(len(frames)) / float(info.fps), status, width, height, "samples", "")
    name = f"{family}: {video.name}"
    return extract_samples(
        frames, track, info.fps, _ENCODINGS, family=family, group="all", clip=name, side_px=side_px,
        num_samples=SAMPLES_PER_CLIP, offsets=offsets,
    )  # fmt: skip
