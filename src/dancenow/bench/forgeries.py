"""Every way we have to synthesize a person, as a source of clips to train and test the classifier on.

Painters are used directly, not `pipeline.transfer`: its invisible mark would be learnt instead of the pictures.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from dancenow.bench.methods import paper_config
from dancenow.bench.scenes import Dance, Scene
from dancenow.checkpoint import Checkpoint
from dancenow.data.target import WHOLE_FRAME_KIND
from dancenow.generate import CropPainter, WholeFramePainter
from dancenow.models.perceptual import PerceptualDistance
from dancenow.training.body import BodyTask
from dancenow.training.loop import Clock, Task
from dancenow.training.paper import PaperTask, stored_box
from dancenow.training.presets import PRESETS, BodyConfig
from dancenow.types import ImageRGB

CPU: Final = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Forgery:
    """A synthetic clip. family: which way; images: that its model was trained on, 0 without training; dance: what it shows."""

    family: str
    images: int
    dance: Dance
    frames: list[ImageRGB]


@dataclass(frozen=True)
class Order:
    """What is wanted: a way of `WAYS`, and the numbers of training images, increasing, at which clips are made."""

    way: str
    images: tuple[int, ...] = ()


Way = Callable[[Scene, Order, int], Iterator[Forgery]]


def forge(scene: Scene, order: Order, seed: int) -> Iterator[Forgery]:
    """The clips of an order: each of the scene's dances at each number of images."""
    yield from WAYS[order.way](scene, order, seed)


def _draft(scene: Scene, order: Order, seed: int, start: str = "base") -> Iterator[Forgery]:
    preset = PRESETS["draft"]
    assert isinstance(preset, BodyConfig)
    config = replace(preset, start="base" if start == "base" else "nothing")
    store = scene.clip_store(config.generator.canvas_px, config.rollout)
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    task = BodyTask(store, config, seed=seed, kept=scene.target.to_checkpoint({}), perceptual=perceptual, device=CPU)
    for images, model in trained(task, order.images, seed):
        painter = CropPainter.load(model, CPU)
        for dance in scene.dances:
            yield Forgery(order.way, images, dance, list(painter.paint(dance.track)))


def _draft_from_nothing(scene: Scene, order: Order, seed: int) -> Iterator[Forgery]:
    yield from _draft(scene, order, seed, start="nothing")


def _whole(scene: Scene, order: Order, seed: int, *, temporal: bool = True) -> Iterator[Forgery]:
    config = paper_config(256, 0.25, temporal=temporal)
    box = stored_box(config, scene.target.track.width_px, scene.target.track.height_px)
    store = scene.whole_store(box, config.clip_frames)
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    kept = scene.target.to_checkpoint({}, WHOLE_FRAME_KIND)
    task = PaperTask(store, config, seed=seed, kept=kept, perceptual=perceptual, device=CPU)
    for images, model in trained(task, order.images, seed):
        painter = WholeFramePainter.load(model, CPU)
        for dance in scene.dances:
            yield Forgery(order.way, images, dance, list(painter.paint(dance.track)))


def _pix2pixhd(scene: Scene, order: Order, seed: int) -> Iterator[Forgery]:
    yield from _whole(scene, order, seed, temporal=False)


def _nearest(scene: Scene, order: Order, _seed: int) -> Iterator[Forgery]:
    for dance in scene.dances:
        yield Forgery(order.way, 0, dance, scene.nearest_frames(dance.track))


WAYS: Final[Mapping[str, Way]] = {
    "draft": _draft,
    "draft, from nothing": _draft_from_nothing,
    "paper": _whole,
    "pix2pixHD": _pix2pixhd,
    "nearest frame": _nearest,
}
"""Add a face mode here by its name ("draft, face residual"), as a function of a scene, an order and a seed."""


def trained(task: Task, at: tuple[int, ...], seed: int) -> Iterator[tuple[int, Checkpoint]]:
    """The model after each of these numbers of images, on the way to the last."""
    images = 0
    for wanted in at:
        while images < wanted:
            task.step(np.random.default_rng((seed, images)), images / at[-1])
            images += task.images_per_step
        yield images, task.model(Clock(0.0, images))
