"""Many more people for the classifier's training at little cost: those whom the base model was trained on, as short runs.

Nothing is filmed anew: real runs are the ones that the base learnt from, synthetic ones are drafts of a few images. They are
looked at on the generator's own canvas, one run after the other.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np
import torch

from dancenow.bench.forgeries import CPU, trained
from dancenow.bench.scenes import FPS
from dancenow.checkpoint import Checkpoint, CheckpointInfo
from dancenow.data.clips import Clip, ClipStore
from dancenow.data.target import KIND
from dancenow.files import cache_dir
from dancenow.generate import load_generator
from dancenow.models.perceptual import PerceptualDistance
from dancenow.models.rollout import composite, roll_out
from dancenow.training.body import BodyTask
from dancenow.training.encodings import draw_encodings, evidence_of
from dancenow.training.forensic import REAL, Evidence
from dancenow.training.people import CastConfig, cast
from dancenow.training.pictures import pose_maps
from dancenow.training.presets import PRESETS, BodyConfig
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

OFFSETS: Final = (0, 1, 2, 2)
"""Instead of `training.forensic.OFFSETS`: a run has three frames only."""


def cast_evidence(number: int, images: tuple[int, ...], side_px: int, looks: int) -> list[Evidence]:
    """Looks at one of the cast: real ones, and drafts after these numbers of images."""
    store = cast(replace(CastConfig(), people=number + 1), cache_dir("cast"))[number]
    encodings = draw_encodings(np.random.default_rng((1, number)))
    track = track_of(store)
    evidence = []
    for family, seen, frames in clips_of(store, images, seed=number):
        evidence += evidence_of(
            frames, track, Fraction(FPS), encodings, family=family, group=f"base's {number}",
            clip=f"base's {number}, {family}, {seen}", side_px=side_px, looks=looks, offsets=OFFSETS,
        )  # fmt: skip
    return evidence


def clips_of(store: ClipStore, images: tuple[int, ...], seed: int) -> Iterator[tuple[str, int, list[ImageRGB]]]:
    """Family, training images and frames on the canvas: all runs, real and painted."""
    config = PRESETS["draft"]
    assert isinstance(config, BodyConfig)
    yield REAL, 0, [picture for clip in _batches(store) for picture in _pictures(clip.image)]
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    kept = Checkpoint(CheckpointInfo(KIND, {}), {})
    task = BodyTask(store, config, seed=seed, kept=kept, perceptual=perceptual, device=CPU)
    for seen, model in trained(task, images, seed):
        generator = load_generator(model, CPU)
        frames: list[ImageRGB] = []
        for clip in _batches(store):
            with torch.inference_mode():
                rgba = roll_out(generator, pose_maps(clip, store.canvas_px), clip.to_canvas)
                frames += _pictures(composite(rgba, clip.plate))
        yield "draft", seen, frames


def track_of(store: ClipStore) -> PoseTrack:
    """The poses of all runs on the canvas; only where a run begins anything is to be looked at."""
    pose = store.pose
    xy = (pose.xy + store.centred[:, 2]).astype(np.float32)
    status = np.full(len(xy), FrameStatus.MISSING, np.uint8)
    status[store.starts] = FrameStatus.MEASURED
    side = store.canvas_px
    return PoseTrack(Pose(xy, pose.confidence, pose.depth), np.arange(len(xy)) / FPS, status, side, side, "cast", "")


def _batches(store: ClipStore, size: int = 8) -> Iterator[Clip]:
    for first in range(0, len(store.starts), size):
        starts = store.starts[first : first + size]
        yield store.take(starts[:, None] + np.arange(store.length), np.repeat(store.centred[None], len(starts), 0), CPU)


def _pictures(images: torch.Tensor) -> list[ImageRGB]:
    """[B,T,3,S,S] in [-1,1] to B*T pictures uint8 [S,S,3]."""
    flat = images.flatten(0, 1).permute(0, 2, 3, 1).add(1).mul(127.5).round().clamp(0, 255).byte().numpy()
    return [np.ascontiguousarray(each) for each in flat]
