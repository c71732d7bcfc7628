"""Trials: generators that copy from warped pictures of the footage, beside today's, at equal numbers of training images.

Usage: python -m dancenow.research.recipes.reference_trials FOLDER RESULT.json [--images 600] [--exact CLIP.mp4 TRUTH.mp4]
           [--subjects SUBJECT ...] [--unseen-poses SUBJECT ...] [--variants ...]

FOLDER keeps models and contact sheets. CLIP and TRUTH are clips of one person with exact keypoints (.npz beside them); a
subject is a folder by `dancenow prepare`, of which held-out time is compared, or a fifth of the footage that has poses that
the rest does not have. Also measured: the truth itself through the canvas, the most that a generator of that size can reach,
with several kernels.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import Execution
from dancenow.generators.presets import preset_config
from dancenow.generators.references.body_parts import BodyParts
from dancenow.generators.references.part_matching import part_features
from dancenow.generators.registry import family_of, load_model, renderer_of
from dancenow.generators.train_model import train_model
from dancenow.media.source import read_frames_at
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.metrics.st_lpips import StLpips
from dancenow.pose.pipeline import PosePipeline
from dancenow.progress import ignore_progress
from dancenow.rendering.renderer import Renderer, render_frames
from dancenow.research.bench.contact_sheet import SheetRow, contact_sheet
from dancenow.research.bench.ground_truth_clips import prepare_exact_subject, read_exact_track
from dancenow.research.bench.real_metrics import ReconstructionMeter
from dancenow.research.bench.results import measurement_info, today
from dancenow.research.recipes.canvas_resampling import measure_resampling
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import Checkpoint, save_checkpoint
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock
from dancenow.types import FrameStatus, ImageRGB, PoseTrack


@dataclass(frozen=True)
class Variant:
    """preset: what is trained. trained: with the images of the trial, or as it starts from the base. copying: added to the
    logarithm of the weights of copied pixels after the training. rehearsed: see `ReferenceConfig`; None for the preset's."""

    preset: str
    trained: bool = True
    copying: float = 0.0
    rehearsed: int | None = None


VARIANTS: Final = {
    "without references": Variant("draft-fast"),
    "references": Variant("draft"),
    "references, copying more": Variant("draft", copying=2.0),
    "without references, base alone": Variant("draft-fast", trained=False),
    "references, without rehearsal": Variant("draft", rehearsed=0),
    "references, base alone": Variant("draft", trained=False),
}
FRAMES: Final = 20
"""Compared, evenly over what can be compared."""
_EVERY: Final = 3
"""ST-LPIPS is measured on every third of them."""
_UNSEEN: Final = 5
"""One of so many frames is held out for its pose."""
_APART: Final = 5
"""Frames around these from which nothing is learned, either."""
_SHOWN: Final = 4
"""Rows of a contact sheet."""
_KEPT: Final = ("SSIM", "PSNR", "perceptual", "ST-LPIPS", "sharpness")


@dataclass(frozen=True, eq=False)
class Trial:
    """What is learned and what is compared: the footage, and a video with the track of its poses and frames [N]."""

    name: str
    subject: Subject
    video: Path
    track: PoseTrack
    frames: NDArray[np.int64]


def exact_trial(clip: Path, truth: Path, folder: Path) -> Trial:
    """Learn from one clip with exact keypoints, and compare with another of the same person."""
    prepared = folder / clip.stem
    if not prepared.is_dir():
        prepare_exact_subject(clip, clip.with_suffix(".npz"), prepared)
    track = read_exact_track(truth.with_suffix(".npz"), truth)
    frames = np.linspace(0, len(track) - 1, FRAMES).round().astype(np.int64)
    return Trial(f"{clip.stem} to {truth.stem}", Subject.open(prepared), truth, track, frames)


def held_out_trial(folder: Path) -> Trial:
    """Learn from a prepared subject, and compare with its time that is held out from training."""
    subject = Subject.open(folder)
    track = _as_rendered(subject)
    held_out = ~subject.manifest.in_split("train", track.time_s) & (track.status == FrameStatus.MEASURED)
    return Trial(folder.name, subject, subject.video, track, _spread(held_out))


def unseen_pose_trial(folder: Path) -> Trial:
    """Learn from the poses of a prepared subject but one and those like it, and compare with these."""
    subject = Subject.open(folder)
    track = _as_rendered(subject)
    measured = np.flatnonzero(track.status == FrameStatus.MEASURED)
    features = part_features(BodyParts.of_pose(track.pose[measured])).flatten(1)
    rarest = (features - features.median(dim=0).values).square().sum(dim=1).argmax()
    like_it = (features - features[rarest]).square().sum(dim=1).argsort()[: len(measured) // _UNSEEN]
    held_out = np.zeros(len(track), np.bool_)
    held_out[measured[like_it.numpy()]] = True
    near = np.convolve(held_out, np.ones(2 * _APART + 1), "same") > 0.5
    status = np.where(near, FrameStatus.MISSING, subject.track.status).astype(subject.track.status.dtype)
    learned = replace(subject, track=replace(subject.track, status=status))
    return Trial(f"{folder.name}, unseen poses", learned, subject.video, track, _spread(held_out))


def _as_rendered(subject: Subject) -> PoseTrack:
    """The poses of the footage as a transfer renders them."""
    poses = PosePipeline.create()
    return poses.for_rendering(subject.world_track)


def _spread(wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`FRAMES` of the wanted frames, bool [T], evenly over them."""
    frames = np.flatnonzero(wanted)
    return frames[np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(np.int64))]


def variant_model(trial: Trial, variant: Variant, images: int, folder: Path) -> tuple[Checkpoint, dict[str, float]]:
    """The model of a variant, made unless the folder has it; its size, and what it cost to make it now."""
    config: Any = preset_config(variant.preset)
    name = f"{trial.name}-{variant.preset}-{images if variant.trained else 0}".replace(" ", "_")
    if variant.rehearsed is not None:
        config, name = replace(config, rehearsed=variant.rehearsed), f"{name}-{variant.rehearsed}"
    path, begun_s = folder / f"{name}.safetensors", time.process_time()
    is_made = path.is_file()
    if not is_made and variant.trained:
        train_model(trial.subject, path, config, budget=Budget(images=images), execution=Execution(threads=1))
    elif not is_made:
        distance = PerceptualDistance(depth=config.perceptual_depth)
        task = family_of(config).create_task(
            trial.subject, config, seed=0, perceptual=distance, device=torch.device("cpu"), on_progress=ignore_progress
        )
        save_checkpoint(path, task.model(Clock()))
    cost = {} if is_made else {"CPU s to make it": round(time.process_time() - begun_s, 1)}
    facts = {**cost, "MB": round(path.stat().st_size / 1e6, 2)}
    model, bias = load_model(path), "generator.mix.bias"
    if variant.copying:
        model = Checkpoint(model.info, {**model.tensors, bias: model.tensors[bias] + variant.copying})
    return model, facts


def measure_variant(trial: Trial, variant: Variant, images: int, folder: Path) -> tuple[dict[str, float], list[ImageRGB]]:
    """Make the model of a variant and compare it; also the images of all compared frames."""
    model, facts = variant_model(trial, variant, images, folder)
    renderer = renderer_of(model, Execution(threads=1))
    begun_s = time.process_time()
    images_rgb = list(_rendered(renderer, trial))
    facts["CPU ms to render a frame"] = round(1000 * (time.process_time() - begun_s) / len(images_rgb), 1)
    return {**facts, **compare(trial, images_rgb)}, images_rgb


def compare(trial: Trial, images_rgb: list[ImageRGB]) -> dict[str, float]:
    """Metrics in the boxes of person, head and hands."""
    meter = ReconstructionMeter(PerceptualDistance(), StLpips.pretrained(), _EVERY)
    for frame, image in zip(read_frames_at(trial.video, trial.frames.tolist()), images_rgb, strict=True):
        nobody = np.zeros(image.shape[:2], np.uint8)
        meter.measure(frame.image_rgb, trial.track.pose[frame.index], nobody, image)
    return {name: round(value, 4) for name, value in meter.scores().items() if name.startswith(_KEPT) and value is not None}


def _rendered(renderer: Renderer, trial: Trial) -> Iterator[ImageRGB]:
    view = renderer.target.view("still" if trial.subject.camera is None else "follow")
    with closing(render_frames(renderer, view, trial.track, trial.frames)) as images:
        yield from images


def person_sheet(trial: Trial, results: dict[str, list[ImageRGB]]) -> ImageRGB:
    """The truth and every variant in the person's box, a row per moment."""
    rows = []
    positions = np.unique(np.linspace(0, len(trial.frames) - 1, _SHOWN + 2).round().astype(int)[1:-1])
    truth = read_frames_at(trial.video, trial.frames[positions].tolist())
    for position, frame in zip(positions, truth, strict=True):
        box = person_box(trial.track.pose[frame.index], trial.track.width_px, trial.track.height_px)
        assert box is not None
        images = {"truth": frame.image_rgb, **{name: each[position] for name, each in results.items()}}
        rows.append(SheetRow(tuple(images), tuple(box.crop(each) for each in images.values())))
    return contact_sheet(rows)


def run_trial(trial: Trial, variants: list[str], images: int, folder: Path) -> dict[str, Any]:
    """Measure every variant, and write a contact sheet into the folder."""
    measured: dict[str, Any] = {}
    results: dict[str, list[ImageRGB]] = {}
    for variant in variants:
        measured[variant], results[variant] = measure_variant(trial, VARIANTS[variant], images, folder)
        print(trial.name, variant, json.dumps(measured[variant]), flush=True)
        sheet = person_sheet(trial, results)
        cv2.imwrite(str(folder / f"{trial.name}.png".replace(" ", "_")), sheet[..., ::-1])
    return {"frames": len(trial.frames), "images": images, "variants": measured}


def main() -> None:
    """Run the trials and add them to the result."""
    parser = argparse.ArgumentParser(description="trials of generators that copy from the footage")
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--exact", type=Path, nargs=2)
    parser.add_argument("--subjects", type=Path, nargs="*", default=[])
    parser.add_argument("--unseen-poses", type=Path, nargs="*", default=[])
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    trials = [exact_trial(options.exact[0], options.exact[1], options.folder)] if options.exact else []
    trials += [held_out_trial(folder) for folder in options.subjects]
    trials += [unseen_pose_trial(folder) for folder in options.unseen_poses]
    before: dict[str, Any] = (
        json.loads(options.result.read_text("utf-8")) if options.result.is_file() else {"trials": {}, "resampling": {}}
    )
    what = "metrics in boxes of the truth's keypoints, sharpness 1 is the truth's; resampling: the truth through the canvas"
    result: dict[str, Any] = {
        "date": today(),
        **measurement_info(),
        "what": what,
        **{key: before[key] for key in ("trials", "resampling")},
    }
    for trial in trials:
        result["trials"][trial.name] = run_trial(trial, options.variants, options.images, options.folder)
        result["resampling"][trial.name] = measure_resampling(trial.video, trial.track, trial.frames)
        with complete_or_absent(options.result) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
