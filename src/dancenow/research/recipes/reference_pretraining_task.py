"""Pretraining of the generator with references on many random people: when a warped picture can be trusted is the same for
everybody.

A `loop.Task` that starts from the crop family's base. Unlike there, people have no norm gains of their own: what a person looks
like has to come from the pictures, so the result works for a stranger. A few people at a time are in memory; who they are
depends on the images seen alone, so a training that was stopped continues exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.dataset import Augmentation, Clip
from dancenow.generators.crop.image_losses import Patch, image_terms, pose_maps, random_patch, stack_rows
from dancenow.generators.crop.network import GeneratorConfig, generate_clips
from dancenow.generators.crop.pretrained_init import KIND, PretrainedGenerator
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks.warping import composite
from dancenow.research.recipes.pretraining_task import concatenate_clips, set_learning_rate
from dancenow.research.recipes.reference_people import load_reference_person
from dancenow.research.recipes.reference_sampling import SampledPerson
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.distributed import share, whole
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors

_NEW: Final = ("see", "align", "recall", "correct", "mix")
"""Layers that the crop family's base does not have."""
_SHOWN: Final = 6
"""Images in the preview."""


@dataclass(frozen=True)
class ReferencePretrainingConfig:
    """generator: of the crop family's base. people_per_step: images in a batch, each of another person. learning_rate: of Adam
    at its peak, for layers that the base has; new_rate: factor on it for new layers. perceptual_depth, patch_px: as in
    `CropConfig`. present: people in memory at a time, of whom one is replaced after `images_per_change`. score_frames: of each
    held-out person."""

    generator: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(canvas_px=256, width=24, blocks=3, shade=True))
    references: ReferenceOptions = field(default_factory=ReferenceOptions)
    weights: LossWeights = field(default_factory=lambda: LossWeights(structure=0.3, far=0.0))
    people_per_step: int = 4
    learning_rate: float = 8e-4
    new_rate: float = 2.5
    perceptual_depth: int = 3
    patch_px: int = 160
    precision: Precision = "bfloat16"
    present: int = 12
    images_per_change: int = 64
    score_frames: int = 2

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)


class ReferencePretrainingTask:
    """A `loop.Task`: the generator, its moving average and its optimizer."""

    def __init__(
        self,
        packs: Sequence[Path],
        held_out: Sequence[Path],
        config: ReferencePretrainingConfig,
        *,
        seed: int,
        start: PretrainedGenerator,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """packs, held_out: people to learn from and to be scored on, see `render_reference_people`. start: the base of the crop
        family.

        Raises:
            UserError: a held-out person is missing or damaged.
        """
        self.config, self.seed, self.device, self._start = config, seed, device, start
        self._packs, self._present = list(packs), dict[int, SampledPerson]()
        self.generator = self.new_generator()
        self.average = self.new_generator().requires_grad_(False)
        self.perceptual = perceptual.to(device)
        new = [parameter for name, parameter in self.generator.named_parameters() if name.split(".")[0] in _NEW]
        known = [parameter for name, parameter in self.generator.named_parameters() if name.split(".")[0] not in _NEW]
        groups = [{"params": known, "times": 1.0}, {"params": new, "times": config.new_rate}]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = whole(config.people_per_step)
        self._images = 0
        self._held_out = self._load_held_out(held_out)

    def new_generator(self) -> ReferenceGenerator:
        """The generator before the training: the crop family's base, and new layers."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            generator = ReferenceGenerator(self.config.generator, self.config.references.slots)
        self._start.load_into(generator)
        return generator.to(self.device)

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        set_learning_rate(self.optimizer, self.config.learning_rate, self._images / self.images_per_step, progress)
        config, count = self.config, share(self.images_per_step)
        people = self._people_now()
        who = rng.choice(len(people), size=count, replace=len(people) < count)
        drawn = [people[i].draw(rng, Augmentation()) for i in who]
        clip, warped = concatenate_clips([each for each, _ in drawn]), torch.cat([each for _, each in drawn])
        patch = random_patch(config.generator.canvas_px, config.patch_px, rng)
        terms, _ = self._generate(self.generator, clip, warped, patch)
        self._optimizer_step(torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum())
        self._images += self.images_per_step
        update_average(self.average, self.generator, self.images_per_step, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: halve the number of people per batch."""
        self.optimizer.zero_grad(set_to_none=True)
        smaller = self.images_per_step // 2
        self.images_per_step = max(smaller, 1)
        return smaller > 0

    def _generate(
        self, generator: ReferenceGenerator, clip: Clip, warped: Tensor, patch: Patch
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The loss terms of clips [B,1,...] with their warped references [B,C,S/4,S/4], and the images [B,3,S,S]."""
        with autocast(self.device, self.config.precision):
            maps = pose_maps(clip, self.config.generator.canvas_px)
            rgba = generate_clips(generator, torch.cat([maps, warped[:, None].to(maps.dtype)], dim=2))
            image = composite(rgba, clip.plate)
            with_structure = self.config.weights.structure > 0
            terms = image_terms(self.perceptual, clip, maps, rgba, image, patch, with_structure=with_structure)
        return terms, image[:, -1]

    def _people_now(self) -> list[SampledPerson]:
        """The people of this moment of the training: a window over random orders of everybody, moving by one."""
        first = self._images // self.config.images_per_change
        wanted = range(first, first + min(self.config.present, len(self._packs)))
        for position in self._present.keys() - set(wanted):  # first, because people are large
            del self._present[position]
        for position in wanted:
            if position not in self._present:
                epoch, place = divmod(position, len(self._packs))
                number = int(np.random.default_rng((self.seed, epoch)).permutation(len(self._packs))[place])
                # With other errors of detection than last time.
                self._present[position] = self._person(self._packs[number], (self.seed, position))
        return [self._present[position] for position in wanted]

    def _person(self, pack: Path, seed: tuple[int, ...]) -> SampledPerson:
        """Read a person, with errors of detection drawn by `seed`."""
        rng = np.random.default_rng(seed)
        return SampledPerson(load_reference_person(pack), self.config.references, rng, self.device)

    def _load_held_out(self, packs: Sequence[Path]) -> list[tuple[Clip, Tensor]]:
        """Moments of each held-out person, spread over the dance, with their warped references."""
        return [self._person(pack, (self.seed, i)).show(self.config.score_frames) for i, pack in enumerate(packs)]

    @torch.no_grad()
    def score(self, generator: ReferenceGenerator) -> dict[str, float]:
        """The mean loss terms of a generator on the held-out people, over the whole canvas."""
        whole = Patch(0, 0, self.config.generator.canvas_px)
        scores = [self._generate(generator, clip, warped, whole)[0] for clip, warped in self._held_out]
        return {name: float(torch.stack([each[name].float() for each in scores]).mean()) for name in scores[0]}

    def model(self, clock: Clock) -> Checkpoint:
        """The averaged generator in half precision, sufficient for an initialization."""
        config = {**self.config.to_json(), "people": len(self._packs)}
        info = CheckpointInfo(KIND, config, clock.images, clock.seconds, parents=(self._start.sha256,))
        weights = {name: value.half() for name, value in self.average.state_dict().items()}
        return Checkpoint(info, with_prefix("generator", weights))

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        config = {"seed": self.seed, "base": self._start.sha256, "people": len(self._packs), **self.config.to_json()}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Held-out people, real above generated by the averaged weights."""
        whole = Patch(0, 0, self.config.generator.canvas_px)
        shown = self._held_out[:_SHOWN]
        real = torch.cat([clip.image[:1, -1] for clip, _ in shown])
        return stack_rows(real, torch.cat([self._generate(self.average, *each, whole)[1][:1] for each in shown]))
