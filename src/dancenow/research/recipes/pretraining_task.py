"""Pretraining of the crop generator on many random people, as the initialization of a person's own training.

A `loop.Task` whose batches mix people and are large, for GPU speed. Keypoints are jittered like a detector's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.execution import has_bfloat16
from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.dataset import Augmentation, Clip, CropDataset
from dancenow.generators.crop.image_losses import image_terms, pose_maps, random_patch, stack_rows
from dancenow.generators.crop.network import Generator, GeneratorConfig, generate_clips
from dancenow.generators.crop.pretrained_init import KIND
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks.warping import composite
from dancenow.research.recipes.conditional_norm import MultiIdentityGenerator
from dancenow.research.recipes.multi_identity_dataset import MultiIdentityDataset
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.distributed import share, whole
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

HANDS = [index for name, index in INDEX.items() if name.endswith(("thumb", "index", "pinky"))]
"""Keypoints that many formats do not have."""


@dataclass(frozen=True)
class PretrainingConfig:
    """people_per_step: clips in a batch, each of another person; several processes share it, see `training.distributed`.
    clip_frames, patch_px, perceptual_depth: as in `CropConfig`. learning_rate: peak rate of Adam; own_rate: factor on it for
    parameters of single people."""

    generator: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(canvas_px=256, width=24, blocks=3, shade=True))
    weights: LossWeights = field(default_factory=lambda: LossWeights(structure=0.3, far=0.0))
    people_per_step: int = 48
    clip_frames: int = 1
    learning_rate: float = 3e-3
    own_rate: float = 3.0
    perceptual_depth: int = 3
    patch_px: int = 160
    precision: Precision = "bfloat16"

    def of_batch(self, people_per_step: int) -> Self:
        """The configuration for another batch size; the learning rate doubles for an eightfold batch."""
        ratio = people_per_step / self.people_per_step
        return replace(self, people_per_step=people_per_step, learning_rate=self.learning_rate * ratio ** (1 / 3))

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)


class PretrainingTask:
    """A `loop.Task`: the multi-person generator, its moving average and its optimizer."""

    def __init__(
        self,
        stores: Iterable[CropDataset],
        config: PretrainingConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        strangers: Iterable[CropDataset] = (),
        people: int | None = None,
    ) -> None:
        """stores: one per person, with the generator's canvas, read one by one. strangers: not trained on, shown in the preview
        by the mean person's generator. people: their number, if stores come later."""
        self.config, self.seed, self.device = config, seed, device
        self._crowd = MultiIdentityDataset(stores, device) if people is None else None
        shown = list(strangers)
        self._strangers = MultiIdentityDataset(shown, device) if shown else None
        self.people = len(self._crowd) if self._crowd is not None else people or 0
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.generator = MultiIdentityGenerator(config.generator, self.people).to(device)
        self.average = MultiIdentityGenerator(config.generator, self.people).to(device).requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        on_gpu = device.type == "cuda"
        half = on_gpu and config.precision == "bfloat16" and has_bfloat16(device)
        self.perceptual = perceptual.to(device, torch.bfloat16 if half else torch.float32)
        own, shared = self.generator.own_and_shared()
        groups = [{"params": shared, "times": 1.0}, {"params": own, "times": config.own_rate}]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, betas=(0.8, 0.99), fused=on_gpu)
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = whole(config.people_per_step)
        self._images = 0

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._set_learning_rate(progress)
        config, count = self.config, share(self.images_per_step)
        who = self._choose(count, rng)
        clip = jitter_track(self._draw(who, rng), rng)
        self.generator.set_identities(torch.from_numpy(who).to(self.device))
        with autocast(self.device, config.precision):
            maps = pose_maps(clip, config.generator.canvas_px)
            rgba = generate_clips(self.generator.shared, maps)
            image = composite(rgba, clip.plate)
            patch = random_patch(config.generator.canvas_px, config.patch_px, rng)
            terms = image_terms(self.perceptual, clip, maps, rgba, image, patch, with_structure=config.weights.structure > 0)
        self._optimizer_step(torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum())
        self._images += self.images_per_step
        update_average(self.average, self.generator, self.images_per_step, self._images)
        # One transfer for all values, because each transfer makes the CPU wait for the GPU.
        values = torch.stack([term.detach().float() for term in terms.values()]).tolist()
        return dict(zip(terms, values, strict=True))

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: halve the number of people per batch."""
        self.optimizer.zero_grad(set_to_none=True)
        smaller = self.images_per_step // 2
        self.images_per_step = max(smaller, 1)
        return smaller > 0

    def _choose(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the people of a batch; all different if there are enough."""
        return rng.choice(self.people, size=count, replace=self.people < count)

    def _draw(self, who: NDArray[np.int64], rng: np.random.Generator) -> Clip:
        """Draw a random clip of each person."""
        assert self._crowd is not None
        return self._crowd.draw(who, rng, Augmentation(), min(self.config.clip_frames, self._crowd.length))

    def _set_learning_rate(self, progress: float) -> None:
        set_learning_rate(self.optimizer, self.config.learning_rate, self._images / self.images_per_step, progress)

    def model(self, clock: Clock) -> Checkpoint:
        """The mean person's generator in half precision, sufficient for an initialization."""
        info = CheckpointInfo(KIND, {**self.config.to_json(), "people": self.people}, clock.images, clock.seconds)
        weights = {name: value.half() for name, value in self.average.mean_generator().state_dict().items()}
        return Checkpoint(info, with_prefix("generator", weights))

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        config = {"seed": self.seed, "people": self.people, **self.config.to_json()}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    def _shown(self) -> tuple[NDArray[np.int64], Clip]:
        """The people in the preview, and their clips."""
        assert self._crowd is not None
        who = np.arange(min(6, len(self._crowd) // 2))
        return who, self._crowd.show(who)

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """The first six people, real above generated with the averaged weights; then unseen people, by the mean person's
        generator."""
        who, clip = self._shown()
        self.average.set_identities(torch.from_numpy(who).to(self.device))
        images = [stack_rows(clip.image[:, -1], self._generate(self.average.shared, clip))]
        if self._strangers is not None:
            clip = self._strangers.show(np.arange(len(self._strangers) // 2))
            mean_generator = self.average.mean_generator().to(self.device)
            images.append(stack_rows(clip.image[:, -1], self._generate(mean_generator, clip)))
        return np.concatenate(images, axis=1)

    def _generate(self, generator: Generator, clip: Clip) -> Tensor:
        """Generate the last frames of clips, [B,3,S,S]."""
        maps = pose_maps(clip, self.config.generator.canvas_px)
        return composite(generate_clips(generator, maps), clip.plate)[:, -1]


def set_learning_rate(optimizer: torch.optim.Optimizer, peak: float, steps: float, progress: float) -> None:
    """Linear warm-up over 200 steps, then half a cosine down to a fiftieth of the `peak` at the end of the budget; each group
    of parameters has its own factor `times`."""
    warm = min(1.0, (steps + 1) / 200)
    level = warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress)))
    for group in optimizer.param_groups:
        group["lr"] = peak * group["times"] * level


def concatenate_clips(clips: Sequence[Clip]) -> Clip:
    """Concatenate clips to one batch. Rendered footage has no overlays, so `shown` stays None."""
    present = [each.name for each in fields(Clip) if getattr(clips[0], each.name) is not None]
    return Clip(**{name: torch.cat([getattr(clip, name) for clip in clips]) for name in present})


def jitter_track(clip: Clip, rng: np.random.Generator) -> Clip:
    """Add detector-like errors to a clip's keypoints.

    Each keypoint gets a constant error and smaller jitter from frame to frame. Depth is exaggerated or missing. Sometimes the
    hands are missing, as in many keypoint formats.
    """
    count, length, keypoints, _ = clip.xy.shape
    size = clip.image.shape[-1]
    steady = rng.normal(0, 0.006, (count, 1, keypoints, 2)) * (rng.random((count, 1, 1, 1)) < 0.7)
    jitter = rng.normal(0, 0.002, (count, length, keypoints, 2)) * (rng.random((count, 1, 1, 1)) < 0.7)
    gain = np.exp(rng.uniform(0, 1.2, (count, 1, 1))) * (rng.random((count, 1, 1)) > 0.15)
    handless = rng.random((count, 1, 1)) < 0.25
    visible = np.where(handless & np.isin(np.arange(keypoints), HANDS), np.float32(0), np.float32(1))
    move = torch.from_numpy((steady + jitter) * size).float().to(clip.xy.device)
    depth = clip.depth * torch.from_numpy(gain).float().to(clip.xy.device)
    return replace(
        clip, xy=clip.xy + move, depth=depth, confidence=clip.confidence * torch.from_numpy(visible).to(clip.xy.device)
    )
