"""All available methods of synthesizing a person, as a source of clips to train and test the forensic classifier.

Renderers are called directly instead of `pipeline.transfer`: the classifier would learn its watermark instead of the images.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.generators.crop.config import CROP_KIND, CropConfig, LossWeights
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.presets import PRESETS
from dancenow.generators.crop.task import CropTask
from dancenow.generators.edn.config import EDN_KIND
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.task import EdnTask, stored_box
from dancenow.generators.references.config import PRESETS as REFERENCE_PRESETS
from dancenow.generators.references.config import REFERENCES_KIND
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.generators.references.task import ReferenceTask
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.letterbox import Letterbox
from dancenow.research.bench.methods import paper_config
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.training.loop import Clock, Task

NEAREST: Final = "nearest frame"
"""Frames of the footage itself, without training."""
_COST: Final = {
    "draft": 1.0, "draft-references": 1.5, "draft, from nothing": 1.0, "standard, small": 2.5, "paper": 6.0, "pix2pixHD": 5.0,
}  # fmt: skip
"""Relative cost of a training image; a draft's is 1."""
_START_COST: Final = 10.0
"""Of preparing the training, in training images."""
MIN_STEPS: Final = 10
"""Steps that are always trained, even if the time is up."""


class Footage(Protocol):
    """Footage of a person to train on."""

    @property
    def target(self) -> Target:
        """The person's data that is stored in a model."""

    def crop_dataset(self, canvas_px: int, length: int) -> CropDataset:
        """The footage for a crop generator."""

    def reference_set(self, crops: CropDataset, options: ReferenceOptions) -> ReferenceSet:
        """Pictures to copy from, for a generator with references."""

    @property
    def footage_s(self) -> NDArray[np.float64]:
        """Time of each frame of the footage."""

    def frame_dataset(self, box: Letterbox, length: int) -> FrameDataset:
        """The footage for a whole-frame generator."""


@dataclass(frozen=True)
class FakeSpec:
    """A method of `METHODS`, and increasing numbers of training images at which clips are rendered."""

    method: str
    images: tuple[int, ...] = ()

    @property
    def cost(self) -> float:
        """Cost of the training, in training images of a draft, measured on a CPU."""
        return (_START_COST + max(self.images, default=0)) * _COST[self.method]


@dataclass(frozen=True, eq=False)
class GenerationContext:
    """Device, trunk for perceptual distances, and time limit."""

    device: torch.device
    trunk: EfficientNetTrunk
    limit_s: float = float("inf")


Method = Callable[[Footage, FakeSpec, int, GenerationContext], Iterator[tuple[int, Checkpoint]]]


def trained_models(source: Footage, spec: FakeSpec, seed: int, context: GenerationContext) -> Iterator[tuple[int, Checkpoint]]:
    """Train the models of a spec, as far as time allows; yields each with its number of training images."""
    yield from METHODS[spec.method](source, spec, seed, context)


def _crop_method(config: CropConfig) -> Method:
    def method(source: Footage, spec: FakeSpec, seed: int, context: GenerationContext) -> Iterator[tuple[int, Checkpoint]]:
        dataset = source.crop_dataset(config.generator.canvas_px, config.clip_frames)
        perceptual = PerceptualDistance(context.trunk, depth=config.perceptual_depth)
        kept = source.target.to_checkpoint(CROP_KIND)
        task = CropTask(dataset, config, seed=seed, kept=kept, perceptual=perceptual, device=context.device)
        yield from train_checkpoints(task, spec.images, seed, context.limit_s)

    return method


def _reference_method(
    source: Footage, spec: FakeSpec, seed: int, context: GenerationContext
) -> Iterator[tuple[int, Checkpoint]]:
    config = REFERENCE_PRESETS["draft"]
    crops = source.crop_dataset(config.generator.canvas_px, config.clip_frames)
    references = source.reference_set(crops, config.references)
    perceptual = PerceptualDistance(context.trunk, depth=config.perceptual_depth)
    kept = source.target.to_checkpoint(REFERENCES_KIND)
    task = ReferenceTask(
        crops, config, references, source.footage_s, seed=seed, kept=kept, perceptual=perceptual, device=context.device
    )
    yield from train_checkpoints(task, spec.images, seed, context.limit_s)


def _frame_method(*, temporal: bool) -> Method:
    def method(source: Footage, spec: FakeSpec, seed: int, context: GenerationContext) -> Iterator[tuple[int, Checkpoint]]:
        config = paper_config(256, 0.25, temporal=temporal)
        box = stored_box(config, source.target.track.width_px, source.target.track.height_px)
        dataset = source.frame_dataset(box, config.clip_frames)
        perceptual = PerceptualDistance(context.trunk, depth=config.perceptual_depth)
        kept = source.target.to_checkpoint(EDN_KIND)
        task = EdnTask(dataset, config, seed=seed, kept=kept, perceptual=perceptual, device=context.device)
        yield from train_checkpoints(task, spec.images, seed, context.limit_s)

    return method


def _small_standard_config() -> CropConfig:
    """The `standard` preset at the size of `draft`: a wider network, its losses, and an early adversarial start."""
    return replace(
        PRESETS["draft-fast"],
        generator=GeneratorConfig(canvas_px=256, width=40, blocks=4, shade=True),
        spatial=DiscriminatorConfig(width=32), temporal=DiscriminatorConfig(frames=2, width=32),
        weights=LossWeights(adversarial=0.03), start="nothing", adversarial_from=0.3, learning_rate=1e-3,
    )  # fmt: skip


METHODS: Final[Mapping[str, Method]] = {
    "draft": _crop_method(PRESETS["draft-fast"]),
    "draft-references": _reference_method,
    "draft, from nothing": _crop_method(replace(PRESETS["draft-fast"], start="nothing")),
    "standard, small": _crop_method(_small_standard_config()),
    "paper": _frame_method(temporal=True),
    "pix2pixHD": _frame_method(temporal=False),
}
"""By name of the family in the results: `draft` is the preset draft-fast, `draft-references` is draft, which copies pictures.
Add a face mode here by its name ("draft, face residual")."""


def train_checkpoints(
    task: Task, at: tuple[int, ...], seed: int, limit_s: float = float("inf")
) -> Iterator[tuple[int, Checkpoint]]:
    """Yield the model after each of these numbers of images, until the last one or the time limit."""
    images, steps, start_s = 0, 0, time.perf_counter()
    for wanted in at:
        while images < wanted:
            if steps >= MIN_STEPS and time.perf_counter() - start_s > limit_s:
                break
            task.step(np.random.default_rng((seed, images)), min(images / at[-1], 1.0))
            images, steps = images + task.images_per_step, steps + 1
        before_s = time.perf_counter()
        yield images, task.model(Clock(0.0, images))
        start_s += time.perf_counter() - before_s  # the time spent by the consumer does not count
        if images < wanted:
            return
