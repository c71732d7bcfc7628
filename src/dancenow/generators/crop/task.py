"""Training of the crop generator: the losses of one step, in the order in which they are computed.

Images are generated, composited on the plate, and compared with the real frames by L1 and perceptual distance; later the
spatial and the temporal discriminator join. The generator starts from pretrained weights where they exist.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.assets import BASE
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.crop.dataset import Augmentation, Clip, CropDataset
from dancenow.generators.crop.discriminators import Discriminators
from dancenow.generators.crop.image_losses import image_terms, pose_maps, random_patch, stack_rows
from dancenow.generators.crop.network import Generator, generate_clips
from dancenow.generators.crop.other_changes import without_other_changes
from dancenow.generators.crop.pretrained_init import load_pretrained_generator
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks.warping import composite
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.distributed import share, whole
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

MIRROR_UNTIL = 0.5
"""Progress after which clips are not mirrored any more, so that asymmetries such as a parting are learned."""


class CropTask:
    """A `loop.Task`: generator, its average, two discriminators and their optimizers."""

    def __init__(
        self,
        dataset: CropDataset,
        config: CropConfig,
        *,
        seed: int,
        kept: Checkpoint,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """Build the networks; `kept` holds what the model stores of its subject (see `Target.to_checkpoint`)."""
        self.dataset, self.config, self.seed, self.device, self._kept = dataset, config, seed, device, kept
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.generator = self._new_generator()
            self.discriminators = Discriminators(config.spatial, config.temporal, config.learning_rate / 2)
        self._pretrained = load_pretrained_generator(self._base_path()) if config.start == "base" else None
        if self._pretrained is not None:
            self._pretrained.load_into(self.generator)
        self.average = self._new_generator().requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        for module in self._modules().values():
            module.to(device)
        self.perceptual = perceptual.to(device)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = whole(config.clips_per_step)
        self._images = 0

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._set_learning_rate(progress)
        config, count = self.config, share(self.images_per_step)
        is_adversarial = progress >= config.adversarial_from
        self.generator.refining = progress >= config.fine_from
        augmentation = Augmentation(
            mirror=config.mirror if progress < MIRROR_UNTIL else 0.0, keypoint_jitter=config.keypoint_jitter
        )
        length = min(2 if is_adversarial else 1, config.clip_frames)
        frames = self.dataset.draw_frames(count, rng, length)
        clip = self.dataset.place(frames, rng, augmentation, self.device)
        with autocast(self.device, config.precision):
            maps = pose_maps(clip, config.generator.canvas_px)
            clip = without_other_changes(clip, maps)
            rgba = generate_clips(self.generator, self._inputs(clip, maps, frames, rng))
            image = composite(clip.visible(rgba), clip.plate)
            _skip_draws(count, rng)
            patch = random_patch(config.generator.canvas_px, config.patch_px, rng)
            terms = image_terms(self.perceptual, clip, maps, rgba, image, patch, with_structure=config.weights.structure > 0)
            if is_adversarial:
                terms |= self.discriminators.terms(clip, maps, image, patch)
            further = self._further_terms(rng)
        weighted = [getattr(config.weights, name) * term for name, term in terms.items()]
        self._optimizer_step(torch.stack([*weighted, *further.values()]).sum())
        terms |= further
        self._images += self.images_per_step
        update_average(self.average, self.generator, self.images_per_step, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def _base_path(self) -> Path:
        """The file of the pretrained weights."""
        return BASE

    def _new_generator(self) -> Generator:
        return Generator(self.config.generator)

    def _inputs(
        self,
        clip: Clip,  # noqa: ARG002
        maps: Tensor,
        frames: NDArray[np.int64],  # noqa: ARG002
        rng: np.random.Generator | None = None,  # noqa: ARG002
    ) -> Tensor:
        """What the generator takes for a clip of the given stored frames [B,T], with its pose maps; rng: None outside of
        training."""
        return maps

    def _further_terms(self, rng: np.random.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Terms of the loss that do not belong to the clips of a step, already weighted."""
        return {}

    def shrink(self) -> bool:
        """See `loop.Task.shrink`."""
        self.optimizer.zero_grad(set_to_none=True)
        self.discriminators.optimizer.zero_grad(set_to_none=True)
        smaller = self.images_per_step // 2
        self.images_per_step = max(smaller, 1)
        return smaller > 0

    def _set_learning_rate(self, progress: float) -> None:
        """Warm up over the first 200 images, then half a cosine down to a twentieth at the end of the budget."""
        warm = min(1.0, (self._images + self.images_per_step) / 200)
        level = warm * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * progress)))
        for optimizer, peak in (
            (self.optimizer, self.config.learning_rate),
            (self.discriminators.optimizer, self.config.learning_rate / 2),
        ):
            for group in optimizer.param_groups:
                group["lr"] = peak * level

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`."""
        info = self._kept.info
        model_info = CheckpointInfo(
            kind=info.kind,
            config=self.config.to_json(),
            images_seen=clock.images,
            train_seconds=clock.seconds,
            subject=info.subject,
            parents=(*info.parents, *((self._pretrained.sha256,) if self._pretrained is not None else ())),
        )
        return Checkpoint(model_info, {**self._kept.tensors, **with_prefix("generator", self.average.state_dict())})

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors(self._modules(), self._optimizers())
        tensors |= {"clips_per_step": torch.tensor(self.images_per_step)}  # fewer than configured where memory is short
        base_sha256 = self._pretrained.sha256 if self._pretrained is not None else None
        config = {"seed": self.seed, "base": base_sha256, **self.config.to_json()}
        return Checkpoint(
            CheckpointInfo("training-state", config, clock.images, clock.seconds, self._kept.info.subject), tensors
        )

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another configuration or subject.
        """
        mine = self.state(Clock()).info
        require_same_training(state, mine.config, mine.subject)
        restore_state(state, self._modules(), self._optimizers())
        self._images = state.info.images_seen
        self.images_per_step = whole(int(state.tensors["clips_per_step"]))

    def _modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "average": self.average, **self.discriminators.modules}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"generator_adam": self.optimizer, "judge_adam": self.discriminators.optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Three moments of the footage, real above generated, with the averaged weights."""
        starts = self.dataset.starts[np.linspace(0, len(self.dataset.starts) - 1, 3).astype(int)]
        frames = starts[:, None] + np.arange(self.dataset.length)
        clip = self.dataset.take(frames, np.repeat(self.dataset.centered[None], 3, axis=0), self.device)
        maps = pose_maps(clip, self.config.generator.canvas_px)
        rgba = generate_clips(self.average, self._inputs(clip, maps, frames))
        generated = composite(clip.visible(rgba), clip.plate)
        return stack_rows(clip.image[:, -1], generated[:, -1])


def _skip_draws(count: int, rng: np.random.Generator) -> None:
    """Draw and discard what version 0.1 drew here for its autoregressive input: the same seed still gives the same model."""
    rng.random(count)
    rng.standard_normal((count, 4))
