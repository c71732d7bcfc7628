"""Training of the classifier on one's own videos: a folder of real ones and one of synthetic ones.

Every video is encoded again in the same ways, so that the folders' own compression is no clue; a fifth of each folder's videos
is kept for the calibration and tells how good the classifier is.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch

from dancenow.errors import InputError, UserError
from dancenow.media.source import probe, read_frames
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.forensics.classifier import Calibration, Forensic
from dancenow.provenance.forensics.samples import plan
from dancenow.research.forensics.compression import QUALITIES, Encoding, evidence_of
from dancenow.research.forensics.scoring import clip_scores
from dancenow.research.forensics.training import OFFSETS, REAL, Evidence, ForensicRecipe, ForensicTask, Shelf
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage.atomic_io import require_writable
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, train_loop
from dancenow.types import FrameStatus, Pose, PoseTrack

VIDEOS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
"""Endings of the files that are taken."""
LONGEST_FRAMES: Final = 72
"""Of a long video its middle is learnt from."""
LOOKS: Final = 8
_HELD_OUT: Final = 5
_ENCODINGS: Final = tuple(Encoding(crf, scale) for crf, scale in zip(QUALITIES, (1.0, 0.75, 1.0, 0.5), strict=True))


@dataclass(frozen=True)
class Trained:
    """What came of a training. accuracy: on the clips that were kept apart, None without any; notes: for the user."""

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
) -> Trained:
    """Train a classifier and write it to `out`, a .safetensors file that appears when it is complete.

    Raises:
        UserError: a folder is missing or has no video with a person in it, or `out` cannot be written to.
    """
    recipe = recipe or ForensicRecipe()
    require_writable(out, ".safetensors")
    found = {folder: videos_in(folder) for folder in (real, synthetic)}
    notes: list[str] = []
    evidence: list[Evidence] = []
    for folder, family in ((real, REAL), (synthetic, "synthetic")):
        evidence += _evidence_in(folder, found[folder], family, recipe.network.crop_px, notes, on_progress)
    learnt, kept = split(evidence)
    task = ForensicTask(Shelf(learnt, device), recipe, seed=seed)
    with tempfile.TemporaryDirectory() as scratch:  # what is not calibrated is no classifier yet
        unfinished = Path(scratch) / "forensic.safetensors"
        train_loop(task, unfinished, budget, resume=False, config=LoopConfig(seed=seed), on_progress=on_progress)
    words = f"{len(found[real])} real videos of {real.name}, {len(found[synthetic])} synthetic ones of {synthetic.name}"
    forensic, accuracy = calibrated(task.forensic(Calibration(), words), kept or learnt)
    if not kept:
        notes.append("There are fewer than five videos of a kind: none could be kept apart, so how good it is is not known.")
    save_checkpoint(out, forensic.to_checkpoint(task.images))
    return Trained(out, accuracy if kept else None, tuple(notes))


def calibrated(forensic: Forensic, clips: Sequence[Evidence]) -> tuple[Forensic, float]:
    """The classifier with probabilities that hold for these clips, and the share of them that it gets right."""
    scores = torch.from_numpy(clip_scores(forensic, clips))
    made = torch.tensor([each.synthetic for each in clips])
    calibration = Calibration.fit(scores, made)
    right = (calibration.logit(scores) > 0) == made
    return Forensic(forensic.net, calibration, forensic.trained_on), float(right.float().mean())


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, by name.

    Raises:
        UserError: there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give one of real videos and one of synthetic ones.")
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS and path.is_file())
    if not videos:
        raise InputError(f"{folder} holds no video ({', '.join(VIDEOS)}).")
    return videos


def split(evidence: Sequence[Evidence]) -> tuple[list[Evidence], list[Evidence]]:
    """What is learnt from, and every fifth clip of each class; nothing is kept apart where a class has fewer than five."""
    kept: set[str] = set()
    for made in (False, True):
        clips = sorted({each.clip for each in evidence if each.synthetic == made})
        if len(clips) < _HELD_OUT:
            return list(evidence), []
        kept |= set(clips[_HELD_OUT - 1 :: _HELD_OUT])
    return [each for each in evidence if each.clip not in kept], [each for each in evidence if each.clip in kept]


def _evidence_in(
    folder: Path, videos: Sequence[Path], family: str, side_px: int, notes: list[str], on_progress: ProgressCallback
) -> list[Evidence]:
    evidence: list[Evidence] = []
    for number, video in enumerate(videos):
        try:
            evidence += [each for each in looks_of(video, family, side_px) if len(each.pictures)]
        except UserError as error:
            notes.append(f"{video.name} was left out: {error}")
        on_progress(Progress(f"looking at {folder.name}", number + 1, len(videos)))
    if not evidence:
        raise InputError(f"in none of the {len(videos)} videos of {folder} a person could be followed.")
    return evidence


def looks_of(video: Path, family: str, side_px: int) -> list[Evidence]:
    """The middle of a video in every encoding.

    Raises:
        UserError: as `looks.plan`.
    """
    planned, info = plan(video), probe(video)
    offsets = tuple(planned.apart * offset for offset in OFFSETS)
    first = max(0, (planned.num_frames - LONGEST_FRAMES) // 2)
    frames = [frame.image_rgb for frame in islice(read_frames(video, first), LONGEST_FRAMES)]
    xy, confidence = np.zeros((len(frames), NUM_KEYPOINTS, 2), np.float32), np.zeros((len(frames), NUM_KEYPOINTS), np.float32)
    status = np.full(len(frames), FrameStatus.MISSING, np.uint8)
    for i, start in enumerate(planned.starts - first):
        if 0 <= start < len(frames) - offsets[-1]:
            xy[start], confidence[start] = planned.pose.xy[i], planned.pose.confidence[i]
            status[start] = FrameStatus.MEASURED
    height, width = frames[0].shape[:2]
    track = PoseTrack(Pose(xy, confidence), np.arange(len(frames)) / float(info.fps), status, width, height, "looks", "")
    name = f"{family}: {video.name}"
    return evidence_of(
        frames, track, info.fps, _ENCODINGS, family=family, group="all", clip=name, side_px=side_px, looks=LOOKS,
        offsets=offsets,
    )  # fmt: skip
