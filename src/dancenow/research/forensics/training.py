"""Training of the classifier that tells synthesized from real, on clips of both, of the same people in the same encodings.

A batch holds as many real looks as synthetic ones, each beside one of the same person, each disguised by itself: blurred,
noisy, recoloured, shrunk, compressed. What is left to learn is how the person was made.
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

from dancenow.provenance.forensics.classifier import KIND, Calibration, Forensic, pool
from dancenow.provenance.forensics.network import FineNet, ForensicConfig
from dancenow.provenance.forensics.samples import body_share
from dancenow.research.forensics.augmentation import disguised, draw_disguise
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.training.ema import follow_average
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

OFFSETS: Final = (0, 1, 3)
"""Frames of a stored run, from its first: pairs of these are what videos of lower frame rates show."""
REAL: Final = "real"
"""Family of what was filmed, or rendered as if."""
_PAIRS: Final = np.array([(0, 1), (0, 1), (1, 2), (0, 2)])
"""Of the pictures of a run; most are consecutive."""
_TURNED: Final = 0.3
"""Share of the pairs that are seen turned round in time."""
_WARM_IMAGES: Final = 800
_LEAST_SHARE: Final = 0.03
"""Of a look, which its body fills: still smaller ones are drawn no more often than these."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One clip in one encoding. pictures: uint8 [N,3,S,S,3] at `OFFSETS`; bodies: uint8 [N,S/4,S/4]; family: `REAL`, or what
    made it; group: of clips that show the same person; clip: whose it is, whatever the encoding."""

    pictures: NDArray[np.uint8]
    bodies: NDArray[np.uint8]
    family: str
    group: str
    clip: str

    @property
    def synthetic(self) -> bool:
        """Whether it was made by a generator."""
        return self.family != REAL


@dataclass(frozen=True)
class ForensicRecipe:
    """pairs_per_step: real and synthetic looks of a step, each. window_px: side of the part of a picture that a step sees.
    learning_rate: of AdamW at its peak. disguise: the chance of each kind of disguise."""

    network: ForensicConfig = field(default_factory=ForensicConfig)
    pairs_per_step: int = 8
    window_px: int = 144
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    disguise: float = 0.25
    precision: Precision = "bfloat16"


class Shelf:
    """The evidence that a training draws from, on its device: groups that have both real and synthetic looks.

    Small bodies are hard to tell and are drawn more often, in inverse proportion to what they fill of their pictures.
    """

    def __init__(
        self, evidence: Sequence[Evidence], device: torch.device | None = None, counts: Mapping[str, float] | None = None
    ) -> None:
        """counts: how often a family is drawn, over those that are not named here.

        Raises:
            ValueError: no group has both.
        """
        places: dict[str, dict[str, list[NDArray[np.int64]]]] = defaultdict(lambda: defaultdict(list))
        kept, count = [each for each in evidence if len(each.pictures)], 0
        self._counts = counts or {}
        for each in kept:
            places[each.group][each.family].append(np.arange(count, count + len(each.pictures)))
            count += len(each.pictures)
        self._groups = [
            {family: np.concatenate(rows) for family, rows in sorted(group.items())}
            for _, group in sorted(places.items())
            if REAL in group and len(group) > 1
        ]
        if not self._groups:
            raise ValueError("no group has both real and synthetic clips")
        self.device = device or torch.device("cpu")
        self._pictures = torch.empty((count, *kept[0].pictures.shape[1:]), dtype=torch.uint8, device=self.device)
        self._bodies = torch.empty((count, *kept[0].bodies.shape[1:]), dtype=torch.uint8, device=self.device)
        first = 0
        for each in kept:
            part = slice(first, first + len(each.pictures))
            self._pictures[part] = torch.from_numpy(each.pictures).to(self.device)
            self._bodies[part] = torch.from_numpy(each.bodies).to(self.device)
            first = part.stop
        shares = np.array([body_share(body) for each in kept for body in each.bodies])
        self._often = 1.0 / np.maximum(shares, _LEAST_SHARE)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """A real and a synthetic row of one group, every family of the group as often as it counts."""
        group = self._groups[int(rng.integers(len(self._groups)))]
        families = [name for name in group if name != REAL]
        family = families[_drawn(rng, np.array([self._counts.get(name, 1.0) for name in families]))]
        real, made = (int(group[name][_drawn(rng, self._often[group[name]])]) for name in (REAL, family))
        return real, made

    def batch(self, rng: np.random.Generator, recipe: ForensicRecipe) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs [2B,2,3,W,W] in [-1,1], bodies [2B,1,W/4,W/4] and 1 for synthetic, 0 for real [2B]; real and synthetic take
        turns."""
        rows = np.array([self.draw(rng) for _ in range(recipe.pairs_per_step)]).reshape(-1)
        pairs = _PAIRS[rng.integers(len(_PAIRS), size=len(rows))]
        pairs = np.where(rng.random((len(rows), 1)) < _TURNED, pairs[:, ::-1], pairs)
        row, first, second = (torch.from_numpy(x).to(self.device) for x in (rows, pairs[:, 0].copy(), pairs[:, 1].copy()))
        pictures = torch.stack([self._pictures[row, first], self._pictures[row, second]], dim=1)
        how = draw_disguise(rng, len(rows), recipe.disguise)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**31)))
        seen, body = disguised(pictures, self._bodies[row], how, recipe.window_px, generator)
        return seen, body, torch.tensor([0.0, 1.0], device=self.device).repeat(recipe.pairs_per_step)


def _drawn(rng: np.random.Generator, often: NDArray[np.float64]) -> int:
    """One of several, as often as given."""
    return int(rng.choice(len(often), p=often / often.sum()))


class ForensicTask:
    """A `loop.Task`: the network, its average and its optimizer."""

    def __init__(self, shelf: Shelf, recipe: ForensicRecipe, *, seed: int) -> None:
        """Build the networks, on the shelf's device."""
        self.shelf, self.recipe, self.seed, self.device = shelf, recipe, seed, shelf.device
        device = shelf.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.net = FineNet(recipe.network)
        self.net.to(device)
        self.average = FineNet(recipe.network).to(device).requires_grad_(False)
        self.average.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = 2 * recipe.pairs_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        warm = min(1.0, (self._images + self.images_per_step) / max(_WARM_IMAGES, 50 * self.images_per_step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        pairs, body, synthetic = self.shelf.batch(rng, self.recipe)
        with autocast(self.device, self.recipe.precision):
            logits = self.net(pairs)
        score = pool(logits.float(), body)
        loss = F.binary_cross_entropy_with_logits(score, synthetic * 0.96 + 0.02)
        self._optimizer_step(loss)
        self._images += self.images_per_step
        follow_average(self.average, self.net, self.images_per_step, self._images)
        right = ((score > 0) == (synthetic > 0.5)).float().mean()
        return {"loss": float(loss.detach()), "right": float(right)}

    @property
    def images(self) -> int:
        """Looks seen."""
        return self._images

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: the batch is small already."""
        return False

    def forensic(self, calibration: Calibration, trained_on: str) -> Forensic:
        """What was learnt."""
        net = FineNet(self.recipe.network)
        net.load_state_dict(self.average.state_dict())
        return Forensic(net.eval().requires_grad_(False), calibration, trained_on)

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`: not calibrated yet."""
        return self.forensic(Calibration(), "unfinished").to_checkpoint(clock.images)

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"net": self.net, "average": self.average}, {"adam": self.optimizer})
        config: dict[str, Any] = {"kind": KIND, "seed": self.seed, **asdict(self.recipe)}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state is of another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"net": self.net, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    @cached_property
    def _preview_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.shelf.batch(np.random.default_rng(self.seed), self.recipe)

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Real above synthetic looks as a step sees them."""
        pairs = self._preview_batch[0][:, 1].add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return np.concatenate([np.concatenate(list(pairs[first::2]), axis=1) for first in (0, 1)], axis=0)
