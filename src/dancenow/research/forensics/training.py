"""Training of the forensic classifier on real and synthesized clips of the same people in the same encodings.

A batch pairs each real sample with a synthesized one of the same person, and augments each independently: blur, noise, color,
scale, compression. The only cue that is left is how the person was made.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.provenance.forensics.classifier import KIND, Calibration, ForensicClassifier, pool_logits
from dancenow.provenance.forensics.network import ForensicConfig, ForensicNet
from dancenow.provenance.forensics.samples import body_fraction
from dancenow.research.forensics.augmentation import augment, draw_augmentation
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

OFFSETS: Final = (0, 1, 3)
"""Frames of a stored run, relative to its first: pairs of these are what videos of lower frame rates show."""
REAL: Final = "real"
"""Family of filmed clips, and of rendered clips that stand for filmed ones."""
_FRAME_PAIRS: Final = np.array([(0, 1), (0, 1), (1, 2), (0, 2)])
"""Indices into a run; most pairs are consecutive frames."""
_REVERSED_FRACTION: Final = 0.3
"""Fraction of the pairs that are reversed in time."""
_WARMUP_IMAGES: Final = 800
_MIN_BODY_FRACTION: Final = 0.03
"""Samples in which the body fills less than this are drawn no more often than these."""


@dataclass(frozen=True, eq=False)
class ClipSamples:
    """The samples of one clip in one encoding. images: uint8 [N,3,S,S,3] at `OFFSETS`; bodies: uint8 [N,S/4,S/4]; family:
    `REAL` or the generator's name; group: shared by clips of the same person; clip: its name, the same in every encoding."""

    images: NDArray[np.uint8]
    bodies: NDArray[np.uint8]
    family: str
    group: str
    clip: str

    @property
    def synthetic(self) -> bool:
        """Whether a generator made the clip."""
        return self.family != REAL


@dataclass(frozen=True)
class ForensicRecipe:
    """pairs_per_step: real and synthesized samples per step, each. crop_px: side of the random crop in a training step.
    learning_rate: peak rate of AdamW. augment_prob: probability of each kind of augmentation."""

    network: ForensicConfig = field(default_factory=ForensicConfig)
    pairs_per_step: int = 8
    crop_px: int = 144
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    augment_prob: float = 0.25
    precision: Precision = "bfloat16"


class PairedSampler:
    """Draws pairs of a real and a synthesized sample of the same group, from tensors on its device.

    Small bodies are hard to classify and are drawn more often, in inverse proportion to the fraction of the image they fill.
    """

    def __init__(
        self, clips: Sequence[ClipSamples], device: torch.device | None = None, weights: Mapping[str, float] | None = None
    ) -> None:
        """weights: how often a family is drawn, relative to families that are not named here.

        Raises:
            ValueError: no group has both classes.
        """
        rows: dict[str, dict[str, list[NDArray[np.int64]]]] = defaultdict(lambda: defaultdict(list))
        used, count = [each for each in clips if len(each.images)], 0
        self._family_weights = weights or {}
        for each in used:
            rows[each.group][each.family].append(np.arange(count, count + len(each.images)))
            count += len(each.images)
        self._groups = [
            {family: np.concatenate(parts) for family, parts in sorted(group.items())}
            for _, group in sorted(rows.items())
            if REAL in group and len(group) > 1
        ]
        if not self._groups:
            raise ValueError("no group has both real and synthetic clips")
        self.device = device or torch.device("cpu")
        self._images = torch.empty((count, *used[0].images.shape[1:]), dtype=torch.uint8, device=self.device)
        self._bodies = torch.empty((count, *used[0].bodies.shape[1:]), dtype=torch.uint8, device=self.device)
        first = 0
        for each in used:
            part = slice(first, first + len(each.images))
            self._images[part] = torch.from_numpy(each.images).to(self.device)
            self._bodies[part] = torch.from_numpy(each.bodies).to(self.device)
            first = part.stop
        fractions = np.array([body_fraction(body) for each in used for body in each.bodies])
        self._row_weights = 1.0 / np.maximum(fractions, _MIN_BODY_FRACTION)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw a real and a synthesized row of one group; families are drawn by their weights."""
        group = self._groups[int(rng.integers(len(self._groups)))]
        families = [name for name in group if name != REAL]
        family = families[_weighted_choice(rng, np.array([self._family_weights.get(name, 1.0) for name in families]))]
        real, fake = (int(group[name][_weighted_choice(rng, self._row_weights[group[name]])]) for name in (REAL, family))
        return real, fake

    def batch(self, rng: np.random.Generator, recipe: ForensicRecipe) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs [2B,2,3,W,W] in [-1,1], body maps [2B,1,W/4,W/4] and labels [2B], 1 for synthesized, 0 for real; the classes
        alternate."""
        rows = np.array([self.draw(rng) for _ in range(recipe.pairs_per_step)]).reshape(-1)
        pairs = _FRAME_PAIRS[rng.integers(len(_FRAME_PAIRS), size=len(rows))]
        pairs = np.where(rng.random((len(rows), 1)) < _REVERSED_FRACTION, pairs[:, ::-1], pairs)
        row, first, second = (torch.from_numpy(x).to(self.device) for x in (rows, pairs[:, 0].copy(), pairs[:, 1].copy()))
        images = torch.stack([self._images[row, first], self._images[row, second]], dim=1)
        augmentation = draw_augmentation(rng, len(rows), recipe.augment_prob)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**31)))
        augmented, body = augment(images, self._bodies[row], augmentation, recipe.crop_px, generator)
        return augmented, body, torch.tensor([0.0, 1.0], device=self.device).repeat(recipe.pairs_per_step)


def _weighted_choice(rng: np.random.Generator, weights: NDArray[np.float64]) -> int:
    """Draw an index with probability proportional to its weight."""
    return int(rng.choice(len(weights), p=weights / weights.sum()))


class ForensicTask:
    """A `loop.Task`: the network, its moving average and its optimizer."""

    def __init__(self, sampler: PairedSampler, recipe: ForensicRecipe, *, seed: int, start: ForensicNet | None = None) -> None:
        """Build the networks on the sampler's device. start: of the same configuration; its weights are the first ones."""
        self.sampler, self.recipe, self.seed, self.device = sampler, recipe, seed, sampler.device
        device = sampler.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.net = ForensicNet(recipe.network)
        if start is not None:
            self.net.load_state_dict(start.state_dict())
        self.net.to(device)
        self.average = ForensicNet(recipe.network).to(device).requires_grad_(False)
        self.average.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = 2 * recipe.pairs_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        warmup = min(1.0, (self._images + self.images_per_step) / max(_WARMUP_IMAGES, 50 * self.images_per_step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warmup * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress)))
        pairs, body, synthetic = self.sampler.batch(rng, self.recipe)
        with autocast(self.device, self.recipe.precision):
            logits = self.net(pairs)
        score = pool_logits(logits.float(), body)
        loss = F.binary_cross_entropy_with_logits(score, synthetic * 0.96 + 0.02)
        self._optimizer_step(loss)
        self._images += self.images_per_step
        update_average(self.average, self.net, self.images_per_step, self._images)
        correct = ((score > 0) == (synthetic > 0.5)).float().mean()
        return {"loss": float(loss.detach()), "accuracy": float(correct)}

    @property
    def images(self) -> int:
        """Samples seen."""
        return self._images

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: the batch is small already."""
        return False

    def classifier(self, calibration: Calibration, trained_on: str) -> ForensicClassifier:
        """The trained classifier, with the averaged weights."""
        net = ForensicNet(self.recipe.network)
        net.load_state_dict(self.average.state_dict())
        return ForensicClassifier(net.eval().requires_grad_(False), calibration, trained_on)

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`: not calibrated yet."""
        return self.classifier(Calibration(), "unfinished").to_checkpoint(clock.images)

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"net": self.net, "average": self.average}, {"adam": self.optimizer})
        config: dict[str, Any] = {"kind": KIND, "seed": self.seed, **asdict(self.recipe)}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"net": self.net, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    @cached_property
    def _preview_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.sampler.batch(np.random.default_rng(self.seed), self.recipe)

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Real samples above synthesized ones, as a training step sees them."""
        pairs = self._preview_batch[0][:, 1].add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return np.concatenate([np.concatenate(list(pairs[first::2]), axis=1) for first in (0, 1)], axis=0)
