"""Training of the body generator: the losses of one step, in the order in which they are computed.

Pictures are generated, composited on the plate, and compared with the real frames by L1 and perceptual distance; later a
discriminator of single pictures and one of consecutive pairs join in. It starts from the shipped base where there is one.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dancenow.generators.crop.config import CropConfig
from dancenow.generators.crop.dataset import Augmentation, CropDataset
from dancenow.generators.crop.discriminators import Discriminators
from dancenow.generators.crop.image_losses import draw_window, one_above_the_other, picture_terms, pose_maps
from dancenow.generators.crop.network import Generator, generate_clips
from dancenow.generators.crop.pretrained_init import load_base
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks.warping import composite
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

MIRROR_UNTIL = 0.5
"""Share of the budget after which nothing is mirrored: from then on a parting is on its own side."""


class CropTask:
    """A `loop.Task`: generator, its average, two discriminators and their optimizers."""

    def __init__(
        self,
        store: CropDataset,
        config: CropConfig,
        *,
        seed: int,
        kept: Checkpoint,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """Build the networks; `kept` holds what the model must carry of its subject (see `transfer`)."""
        self.store, self.config, self.seed, self.device, self._kept = store, config, seed, device, kept
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.generator = Generator(config.generator)
            self.discriminators = Discriminators(config.spatial, config.temporal, config.learning_rate / 2)
        self._base = load_base() if config.start == "base" else None
        if self._base is not None:
            self._base.give_to(self.generator)
        self.average = Generator(config.generator).requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        for module in self._modules().values():
            module.to(device)
        self.perceptual = perceptual.to(device)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = config.clips_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._set_learning_rate(share)
        config, count = self.config, self.images_per_step
        judged = share >= config.adversarial_from
        self.generator.refining = share >= config.fine_from
        augmentation = Augmentation(
            mirror=config.mirror if share < MIRROR_UNTIL else 0.0, keypoint_jitter=config.keypoint_jitter
        )
        length = min(2 if judged else 1, config.clip_frames)
        clip = self.store.draw(count, rng, augmentation, self.device, length)
        with autocast(self.device, config.precision):
            maps = pose_maps(clip, config.generator.canvas_px)
            rgba = generate_clips(self.generator, maps)
            image = composite(rgba, clip.plate)
            _skip_draws(count, rng)
            window = draw_window(config.generator.canvas_px, config.judged_px, rng)
            terms = picture_terms(self.perceptual, clip, maps, rgba, image, window, with_structure=config.weights.structure > 0)
            if judged:
                terms |= self.discriminators.terms(clip, maps, image, window)
        self._optimizer_step(torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum())
        self._images += count
        update_average(self.average, self.generator, count, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `loop.Task.shrink`."""
        self.optimizer.zero_grad(set_to_none=True)
        self.discriminators.optimizer.zero_grad(set_to_none=True)
        smaller = self.images_per_step // 2
        self.images_per_step = max(smaller, 1)
        return smaller > 0

    def _set_learning_rate(self, share: float) -> None:
        """Warm up over the first 200 images, then half a cosine down to a twentieth at the end of the budget."""
        warm = min(1.0, (self._images + self.images_per_step) / 200)
        level = warm * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * share)))
        for optimizer, peak in (
            (self.optimizer, self.config.learning_rate),
            (self.discriminators.optimizer, self.config.learning_rate / 2),
        ):
            for group in optimizer.param_groups:
                group["lr"] = peak * level

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`."""
        info = self._kept.info
        made = CheckpointInfo(
            kind=info.kind,
            config=self.config.to_json(),
            images_seen=clock.images,
            train_seconds=clock.seconds,
            subject=info.subject,
            parents=(*info.parents, *((self._base.sha256,) if self._base is not None else ())),
        )
        return Checkpoint(made, {**self._kept.tensors, **with_prefix("generator", self.average.state_dict())})

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors(self._modules(), self._optimizers())
        tensors |= {"clips_per_step": torch.tensor(self.images_per_step)}  # fewer than the recipe's where memory is short
        base = self._base.sha256 if self._base is not None else None
        config = {"seed": self.seed, "base": base, **self.config.to_json()}
        return Checkpoint(
            CheckpointInfo("training-state", config, clock.images, clock.seconds, self._kept.info.subject), tensors
        )

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state is of another recipe or another subject.
        """
        mine = self.state(Clock()).info
        require_same_training(state, mine.config, mine.subject)
        restore_state(state, self._modules(), self._optimizers())
        self._images = state.info.images_seen
        self.images_per_step = int(state.tensors["clips_per_step"])

    def _modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "average": self.average, **self.discriminators.modules}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"generator_adam": self.optimizer, "judge_adam": self.discriminators.optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Three moments of the footage, real above generated, with the averaged weights."""
        starts = self.store.starts[np.linspace(0, len(self.store.starts) - 1, 3).astype(int)]
        frames = starts[:, None] + np.arange(self.store.length)
        clip = self.store.take(frames, np.repeat(self.store.centred[None], 3, axis=0), self.device)
        maps = pose_maps(clip, self.config.generator.canvas_px)
        made = composite(generate_clips(self.average, maps), clip.plate)
        return one_above_the_other(clip.image[:, -1], made[:, -1])


def _skip_draws(count: int, rng: np.random.Generator) -> None:
    """Draw and discard what version 0.1 drew here for its autoregressive input: the same seed still gives the same model."""
    rng.random(count)
    rng.standard_normal((count, 4))
