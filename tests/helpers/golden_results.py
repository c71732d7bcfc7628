"""What the golden test computes: tiny models, tracks and frames of a fixed seed, on the CPU in float32."""

import hashlib
import platform
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import Execution
from dancenow.generators.crop.config import CROP_KIND, CropConfig
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.task import CropTask
from dancenow.generators.edn.config import EDN_KIND, EdnConfig
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.task import EdnTask, stored_box
from dancenow.generators.registry import renderer_of
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.registry import fit_retargeter
from dancenow.rendering.renderer import render_video
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.loop import Clock, Task
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.bodies import swaying_track
from helpers.drawn_world import dancer_track

CPU = torch.device("cpu")
STEPS = 10
JUDGE = DiscriminatorConfig(width=4, scales=1)
CROP = CropConfig(
    GeneratorConfig(canvas_px=64, width=8, blocks=1, shade=True),
    JUDGE,
    replace(JUDGE, frames=2),
    clip_frames=2,
    mirror=0.3,
    adversarial_from=0.4,
)
EDN = EdnConfig(longer_px=64, width=1 / 16, precision="float32")
HEATMAPS = replace(EDN, conditioning="heatmaps")

Arrays = Mapping[str, NDArray[Any]]


def compute(subject: Subject) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every golden array by name."""
    yield from _tracks()
    yield from _model("crop", _crop_task(subject), subject)
    yield from _model("edn", _edn_task(EDN, subject), subject)
    yield from _model("heatmaps", _edn_task(HEATMAPS, subject), subject)


def _tracks() -> Iterator[tuple[str, NDArray[Any]]]:
    """A noisy track, smoothed, corrected and fitted to another body by every map."""
    noisy = swaying_track(90, noise_px=3.0)
    confidence, status = noisy.pose.confidence.copy(), noisy.status.copy()
    confidence[40:46], status[40:46] = 0, FrameStatus.MISSING
    confidence[60:, 5] = 0
    depth = np.random.default_rng(1).normal(0, 30, confidence.shape).astype(np.float32)
    measured = replace(noisy, pose=Pose(noisy.pose.xy, confidence, depth), status=status)
    poses = PosePipeline.create()
    smoothed, put_right = poses.smooth(measured), poses.filter(measured)
    target = dancer_track(60)
    tracks = {"measured": measured, "smoothed": smoothed, "corrected": put_right}
    for name, track in tracks.items():
        yield f"tracks.{name}", _values(track.pose)
        yield f"tracks.{name}.status", track.status
    for kind in ("none", "paper", "stn", "skeletal", "auto"):
        name = "bones" if kind == "skeletal" else kind  # as it was called when it was recorded
        yield f"maps.{name}", _values(fit_retargeter(kind, put_right, target)(put_right.pose))


def _values(pose: Pose) -> NDArray[np.float32]:
    return np.concatenate([pose.xy, pose.confidence[..., None], pose.depth[..., None]], axis=-1)


def _crop_task(subject: Subject) -> CropTask:
    crops = CropDataset.build(subject, 64, CROP.clip_frames, max_frames=32)
    kept = Target.of_subject(subject).to_checkpoint(CROP_KIND)
    return CropTask(crops, CROP, seed=0, kept=kept, perceptual=_distance(), device=CPU)


def _edn_task(config: EdnConfig, subject: Subject) -> EdnTask:
    frames = FrameDataset.build(subject, stored_box(config, 128, 128), config.clip_frames, max_frames=32)
    kept = Target.of_subject(subject).to_checkpoint(EDN_KIND)
    return EdnTask(frames, config, seed=0, kept=kept, perceptual=_distance(), device=CPU)


def _distance() -> PerceptualDistance:
    torch.manual_seed(2)
    return PerceptualDistance(EfficientNetTrunk(), depth=1)


def _model(name: str, task: Task, subject: Subject) -> Iterator[tuple[str, NDArray[Any]]]:
    """Losses of ten steps, every tensor after them, and the frames that the model renders."""
    losses = [task.step(np.random.default_rng((7, step)), step / STEPS) for step in range(STEPS)]
    for term in losses[-1]:
        yield f"{name}.loss.{term}", np.array([step.get(term, 0.0) for step in losses])
    checkpoint: Checkpoint = task.model(Clock())
    for key, tensor in checkpoint.tensors.items():
        yield f"{name}.tensor.{key}", tensor.detach().cpu().numpy()
    track = PosePipeline.create().for_rendering(_with_gap(subject.track))
    renderer = renderer_of(checkpoint, Execution())
    with closing(render_video(renderer, renderer.target.view("still"), track, 0, 12)) as pictures:
        yield f"{name}.frames", np.stack(list(pictures))


def _with_gap(track: PoseTrack) -> PoseTrack:
    """The subject's own dance, in which nobody is seen for two frames and one is filled."""
    status, confidence = track.status.copy(), track.pose.confidence.copy()
    status[5:7], confidence[5:7] = FrameStatus.MISSING, 0
    status[8] = FrameStatus.FILLED
    confidence[8] *= 0.5
    return replace(track, status=status, pose=Pose(track.pose.xy, confidence, track.pose.depth))


def summary(array: NDArray[Any]) -> dict[str, Any]:
    """A digest for machines that compute alike, and a few numbers for all others."""
    flat = np.asarray(array, np.float64).ravel()
    picked = flat[np.linspace(0, len(flat) - 1, min(len(flat), 6)).astype(int)]
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    stats = {"mean": float(flat.mean()), "spread": float(flat.std())}
    return {"sha256": digest, "shape": list(array.shape), **stats, "picked": picked.tolist()}


def machine() -> dict[str, str]:
    """What decides whether two machines compute the same bits."""
    cpuinfo = "".join(line for line in _cpuinfo() if line.startswith(("model name", "flags")))
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cpu": hashlib.sha256(cpuinfo.encode()).hexdigest()[:16],
    }


def _cpuinfo() -> list[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            lines = file.read().split("\n\n")[0].splitlines()
    except OSError:
        return [platform.processor()]
    return lines
