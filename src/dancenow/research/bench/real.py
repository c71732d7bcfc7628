"""Real clips: how well filmed people are reconstructed in held-out time, and how they perform each other's dances.

The clips are in a folder of the user. They are measured and looked at, and never published: the record holds only numbers and
texts, and the contact sheets are written beside the result, in a folder that git ignores. Every clip is the target of one
job: its end is held out (the protocol of Everybody Dance Now, Chan et al., 2019), a model is trained on the rest, and the
held-out frames are generated from their own poses. Then the model performs the next clip's dance, which has no truth.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow import pipeline
from dancenow.errors import InputError, UserError
from dancenow.generators.train_model import train_model
from dancenow.media.source import open_video, read_frames
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.st_lpips import StLpips
from dancenow.pose.pipeline import detect_poses
from dancenow.progress import Progress, ProgressCallback
from dancenow.provenance.consent import Consent
from dancenow.research.bench.contact_sheet import SheetRow, contact_sheet, difference_image, mark_unknown, save_sheet
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import our_config
from dancenow.research.bench.real_metrics import METRICS, ReconstructionMeter, TransferMeter, pose_scores
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import REAL, RealSize
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import read_info
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path, trained_seconds
from dancenow.types import ImageRGB, PoseTrack

DATA_VARIABLE: Final = "DANCENOW_DATA"
"""Environment variable with the folder of clips; a folder `real` in it is preferred."""
_SUFFIXES: Final = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v")
_CRASHES: Final = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors that the product should not raise. One clip that it crashes on is a result; the others are still measured."""
_NUM_SHEET_FRAMES: Final = 4
_LICENCE: Final = "LicenseRef-measured-only"


def bench_real(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Measure every clip of the folder as target, with the next one's dance; only: as in `jobs.run_jobs`.

    Raises:
        UserError: there is no folder of clips, a kept measurement is damaged, or the cache cannot be written to.
    """
    sized, clips = REAL[size], find_clips()
    jobs = [
        Job(
            "real",
            {
                "clip": clip.stem,
                "dances": [dance.stem],
                "files": {each.stem: sha256_of(each)[:16] for each in (clip, dance)},
                "budget": sized.budget,
                "size": size,
            },
            partial(_measure, sized, clip, dance),
            sized.expected_s,
        )
        for clip, dance in zip(clips, [*clips[1:], clips[0]], strict=True)
    ]
    records = run_jobs("real", jobs, on_progress, only)
    return Result.from_records("real", size, (0,), {**asdict(sized), "metrics": METRICS}, records, summarize(records))


def find_clips() -> list[Path]:
    """The videos of the folder that `DANCENOW_DATA` names, by name.

    Raises:
        UserError: the variable is not set, or there is no video in the folder.
    """
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        raise InputError(f"this benchmark needs clips of filmed people; set {DATA_VARIABLE} to a folder of videos.")
    folder = Path(named) / "real" if (Path(named) / "real").is_dir() else Path(named)
    clips = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
    if not clips:
        raise InputError(f"there is no video in {folder}; set {DATA_VARIABLE} to a folder of videos.")
    return clips


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per protocol and metric the mean over clips and their number; clips that failed, with the reason."""
    held_out = [record["held_out"] for record in records]
    transfers = [transfer for record in records for transfer in record["transfers"]]
    failed = {
        f"{record['clip']}{suffix}": part[kind]
        for record in records
        for suffix, part in [("", record["held_out"]), *((f", dance of {t['dance']}", t) for t in record["transfers"])]
        for kind in ("refused", "crashed")
        if kind in part
    }
    return {"held-out time": _means(held_out), "transfer": _means(transfers), "failed": failed}


def _means(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[float]] = {}
    for part in parts:
        for name, value in part.get("scores", {}).items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: {"mean": round(float(np.mean(each)), 5), "clips": len(each)} for name, each in values.items()}


def _measure(sized: RealSize, clip: Path, dance: Path, folder: Path, on_progress: ProgressCallback) -> Record:
    """One clip as target. What fails is said with the step it failed in; what came before it is kept."""
    record: Record = {"held_out": {}, "transfers": [], "warnings": []}
    model, step = folder / "model.safetensors", "prepare"
    try:
        subject = _load_or_prepare(sized, clip, folder / "subject", on_progress)
        record |= {"warnings": [*subject.manifest.warnings], **_describe(subject)}
        step = "train"
        resume = state_path(model).is_file()
        train_model(
            subject, model, our_config(sized.ours), budget=Budget.parse(sized.budget), face=sized.face, resume=resume,
            on_progress=on_progress,
        )  # fmt: skip
        info = read_info(model)
        record |= {"images_seen": info.images_seen, "train_seconds": round(trained_seconds(model), 1)}
        step = "held-out time"
        record["held_out"], rows = _reconstruct(sized, subject, model, folder, on_progress)
    except (UserError, *_CRASHES) as error:
        return record | {"held_out": _failure(error, step, clip, folder)}
    try:
        scores, more_rows = _transfer(sized, subject, dance, model, folder, on_progress)
        record["transfers"] = [{"dance": dance.stem, **scores}]
    except (UserError, *_CRASHES) as error:
        more_rows = []
        record["transfers"] = [{"dance": dance.stem, **_failure(error, "transfer", dance, folder)}]
    sheet = save_sheet(f"{clip.stem}-{sized.ours}-{sized.budget}", contact_sheet([*rows, *more_rows]))
    return record | {"sheet": sheet}


def _failure(error: Exception, step: str, clip: Path, folder: Path) -> Record:
    """How a step failed, without the folders' names. refused: for a stated reason; crashed: by a defect."""
    reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    for place, name in ((str(clip), clip.name), (f"{folder}/", "")):
        reason = reason.replace(place, name)
    return {"refused" if isinstance(error, UserError) else "crashed": {"step": step, "reason": reason}}


def _load_or_prepare(sized: RealSize, clip: Path, folder: Path, on_progress: ProgressCallback) -> Subject:
    try:
        return Subject.open(folder)  # of an interrupted run
    except UserError:
        today = datetime.now(UTC).date().isoformat()
        terms = Consent("licensed", "a person in a test clip", "measured here, never published", today, _LICENCE)
        return prepare(clip, folder, consent=terms, hold_out=sized.held_out_fraction, on_progress=on_progress)


def _describe(subject: Subject) -> Record:
    track = subject.track
    size = {"width_px": track.width_px, "height_px": track.height_px, "fps": round(track.fps, 3), "frames": len(track)}
    return {**size, "background_known": round(float(subject.plate.known.mean()), 4)}


def _reconstruct(
    sized: RealSize, subject: Subject, model: Path, folder: Path, on_progress: ProgressCallback
) -> tuple[Record, list[SheetRow]]:
    """Generate the held-out frames from their own poses, and compare them with the truth."""
    held_out = subject.manifest.in_split("val", subject.track.time_s).nonzero()[0]
    start, stop = int(held_out[0]), int(held_out[-1]) + 1
    stop = min(stop, start + sized.max_frames)
    out = folder / "held_out.mp4"
    pipeline.transfer(
        subject.video, model, out, normalize="none", camera="follow", frames=(start, stop), on_progress=on_progress
    )
    meter = ReconstructionMeter(PerceptualDistance(), StLpips.pretrained(), sized.every)
    truth, background = subject.track.part(start, stop), Target.of_subject(subject).view("follow").background
    shown, rows = _sheet_indices(len(truth)), []
    plate = mark_unknown(subject.plate)
    frames = zip(subject.read_frames(start, stop), subject.read_masks(start, stop), read_frames(out), strict=False)
    for index, (frame, mask, generated) in enumerate(frames):
        image = _same_size(generated.image_rgb, frame.image_rgb)
        filmed = background.known_at(float(subject.track.time_s[start + index]))
        meter.measure(frame.image_rgb, truth.pose[index], mask, image, filmed)
        if index in shown:
            labels = (f"truth, frame {start + index}", "generated", "difference", "background plate")
            difference = difference_image(image, frame.image_rgb)
            rows.append(SheetRow(labels, (frame.image_rgb, image, difference, plate)))
        on_progress(Progress("comparing", index + 1, len(truth)))
    poses = _pose_scores(out, truth, on_progress)
    return {"frames": meter.num_frames, "scores": {**meter.scores(), **poses}}, rows


def _transfer(
    sized: RealSize, subject: Subject, dance: Path, model: Path, folder: Path, on_progress: ProgressCallback
) -> tuple[Record, list[SheetRow]]:
    """Perform another clip's dance, and compare sharpness and flicker with the target's footage, poses with those asked for.

    There is no ground truth, so inspect the contact sheet too.
    """
    out = folder / "transfer.mp4"
    done = pipeline.transfer(dance, model, out, frames=(0, sized.max_frames), on_progress=on_progress)
    meter = TransferMeter()
    for frame in subject.read_frames(0, done.num_frames):
        meter.add_footage(frame.image_rgb, subject.track.pose[frame.index])
    shown, rows = _sheet_indices(done.num_frames), []
    plate, size = mark_unknown(subject.plate), subject.plate.image_rgb
    for source, generated in zip(open_video(dance).frames(0, done.num_frames), read_frames(out), strict=False):
        image = _same_size(generated.image_rgb, size)
        meter.add_result(image, done.target_track.pose[generated.index])
        if generated.index in shown:
            labels = (f"source, frame {generated.index}", "generated", "background plate")
            rows.append(SheetRow(labels, (source.image_rgb, image, plate)))
    poses = _pose_scores(out, done.target_track, on_progress)
    return {
        "frames": done.num_frames,
        "normalization": done.normalization,
        "notes": [*done.notes],
        "scores": {**meter.scores(), **poses},
    }, rows


def _pose_scores(out: Path, truth: PoseTrack, on_progress: ProgressCallback) -> dict[str, float | None]:
    """Compare the poses detected on a result with the true ones; where nobody is found, every keypoint is missed."""
    try:
        track = detect_poses(out, on_progress=on_progress)
    except UserError:
        return {"missed keypoints": 1.0}
    return pose_scores(track, truth)


def _sheet_indices(count: int) -> set[int]:
    return set(np.linspace(0, count - 1, _NUM_SHEET_FRAMES).round().astype(int).tolist())


def _same_size(image_rgb: ImageRGB, like_rgb: ImageRGB) -> ImageRGB:
    """Without the row or column that encoding adds to odd sizes."""
    height, width = like_rgb.shape[:2]
    return image_rgb[:height, :width]
