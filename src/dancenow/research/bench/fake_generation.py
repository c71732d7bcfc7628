"""Every way we have to synthesize a person, as a source of clips to train and test the classifier on.

Painters are used directly, not `pipeline.transfer`: its invisible mark would be learnt instead of the pictures.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import torch

from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.task import CropTask
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.task import EdnTask, stored_box
from dancenow.generators.presets import PRESETS
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.letterbox import Letterbox
from dancenow.research.bench.methods import paper_config
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import WHOLE_FRAME_KIND, Target
from dancenow.training.loop import Clock, Task

NEAREST: Final = "nearest frame"
"""The footage's own frames: nothing is trained."""
_COST: Final = {"draft": 1.0, "draft, from nothing": 1.0, "standard, small": 2.5, "paper": 6.0, "pix2pixHD": 5.0}
"""Of an image in training, beside one of a draft."""
LEAST_STEPS: Final = 10
"""Of a training whose time is over before it has begun."""


class Source(Protocol):
    """Footage of a person to learn from."""

    @property
    def target(self) -> Target:
        """What a model keeps of the person."""

    def clip_store(self, canvas_px: int, length: int) -> CropDataset:
        """The footage for a generator of the person."""

    def whole_store(self, box: Letterbox, length: int) -> FrameDataset:
        """The footage for a generator of whole frames."""


@dataclass(frozen=True)
class Order:
    """What is wanted: a way of `WAYS`, and the numbers of training images, increasing, at which clips are made."""

    way: str
    images: tuple[int, ...] = ()

    @property
    def cost(self) -> float:
        """Of the training, in images of a draft's: about what they took on a CPU."""
        return max(self.images, default=0) * _COST[self.way]


@dataclass(frozen=True, eq=False)
class Workshop:
    """Where it is made: on which device, with which trunk for perceptual distances, and for how long at most."""

    device: torch.device
    trunk: EfficientNetTrunk
    limit_s: float = float("inf")


Way = Callable[[Source, Order, int, Workshop], Iterator[tuple[int, Checkpoint]]]


def models(source: Source, order: Order, seed: int, workshop: Workshop) -> Iterator[tuple[int, Checkpoint]]:
    """The trained models of an order, each with the number of images that it saw; those that time allows."""
    yield from WAYS[order.way](source, order, seed, workshop)


def is_whole(model: Checkpoint) -> bool:
    """Whether a model paints whole frames."""
    return model.info.kind == WHOLE_FRAME_KIND


def _draft_config() -> CropConfig:
    preset = PRESETS["draft"]
    assert isinstance(preset, CropConfig)
    return preset


def _body(config: CropConfig) -> Way:
    def way(source: Source, order: Order, seed: int, workshop: Workshop) -> Iterator[tuple[int, Checkpoint]]:
        store = source.clip_store(config.generator.canvas_px, config.clip_frames)
        perceptual = PerceptualDistance(workshop.trunk, depth=config.perceptual_depth)
        kept = source.target.to_checkpoint({})
        task = CropTask(store, config, seed=seed, kept=kept, perceptual=perceptual, device=workshop.device)
        yield from trained(task, order.images, seed, workshop.limit_s)

    return way


def _whole(*, temporal: bool) -> Way:
    def way(source: Source, order: Order, seed: int, workshop: Workshop) -> Iterator[tuple[int, Checkpoint]]:
        config = paper_config(256, 0.25, temporal=temporal)
        box = stored_box(config, source.target.track.width_px, source.target.track.height_px)
        store = source.whole_store(box, config.clip_frames)
        perceptual = PerceptualDistance(workshop.trunk, depth=config.perceptual_depth)
        kept = source.target.to_checkpoint({}, WHOLE_FRAME_KIND)
        task = EdnTask(store, config, seed=seed, kept=kept, perceptual=perceptual, device=workshop.device)
        yield from trained(task, order.images, seed, workshop.limit_s)

    return way


def _sharper() -> CropConfig:
    """The preset `standard` at the size of `draft`: a wider network, its other losses, judged from early on."""
    return replace(
        _draft_config(),
        generator=GeneratorConfig(canvas_px=256, width=40, blocks=4, shade=True),
        spatial=DiscriminatorConfig(width=32), temporal=DiscriminatorConfig(frames=2, width=32),
        weights=LossWeights(adversarial=0.03), start="nothing", adversarial_from=0.3, learning_rate=1e-3,
    )  # fmt: skip


WAYS: Final[Mapping[str, Way]] = {
    "draft": _body(_draft_config()),
    "draft, from nothing": _body(replace(_draft_config(), start="nothing")),
    "standard, small": _body(_sharper()),
    "paper": _whole(temporal=True),
    "pix2pixHD": _whole(temporal=False),
}
"""Add a face mode here by its name ("draft, face residual")."""


def trained(task: Task, at: tuple[int, ...], seed: int, limit_s: float = float("inf")) -> Iterator[tuple[int, Checkpoint]]:
    """The model after each of these numbers of images, on the way to the last, or to the end of the time."""
    images, steps, start_s = 0, 0, time.perf_counter()
    for wanted in at:
        while images < wanted:
            if steps >= LEAST_STEPS and time.perf_counter() - start_s > limit_s:
                break
            task.step(np.random.default_rng((seed, images)), min(images / at[-1], 1.0))
            images, steps = images + task.images_per_step, steps + 1
        before_s = time.perf_counter()
        yield images, task.model(Clock(0.0, images))
        start_s += time.perf_counter() - before_s  # painting is not training
        if images < wanted:
            return
