"""Training of the base model: one generator over many random dancers, so that a person's own training starts with a body.

A `loop.Task` whose batches mix people. Keypoints are shaken as detectors shake them, because people will come with detected
ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.data.clips import Augmentation, Clip, ClipStore
from dancenow.models.base import KIND
from dancenow.models.generator import GeneratorConfig
from dancenow.models.many import ManyGenerator
from dancenow.models.perceptual import PerceptualDistance
from dancenow.models.rollout import composite, roll_out
from dancenow.skeleton import INDEX
from dancenow.training.average import follow_average
from dancenow.training.care import CarefulStep
from dancenow.training.loop import Clock
from dancenow.training.pictures import draw_window, false_colours, one_above_the_other, picture_terms, pose_maps
from dancenow.training.precision import Precision, autocast
from dancenow.training.presets import LossWeights
from dancenow.training.state import require_same_training, restore_state, state_tensors

_HANDS = [index for name, index in INDEX.items() if name.endswith(("thumb", "index", "pinky"))]


@dataclass(frozen=True)
class BaseConfig:
    """people_per_step: clips in a batch, each of another person. rollout, afresh, judged_px, perceptual_depth: as in
    `BodyConfig`. learning_rate: of Adam at its peak; own_rate: how many times faster what is a person's own learns."""

    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(canvas_px=256, width=24, blocks=3, previous=False)
    )
    weights: LossWeights = field(default_factory=LossWeights)
    people_per_step: int = 4
    rollout: int = 1
    afresh: float = 0.3
    learning_rate: float = 1.5e-3
    own_rate: float = 3.0
    perceptual_depth: int = 3
    judged_px: int = 160
    precision: Precision = "bfloat16"

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)


class BaseTask:
    """A `loop.Task`: the generator of many people, its average and its optimizer."""

    def __init__(
        self,
        stores: Sequence[ClipStore],
        config: BaseConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        people: int | None = None,
    ) -> None:
        """stores: one of each person, all of the generator's canvas. people: how many there are, if some have no store yet."""
        self.stores, self.config, self.seed, self.device = stores, config, seed, device
        self.people = len(stores) if people is None else people
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.generator = ManyGenerator(config.generator, self.people).to(device)
        self.average = ManyGenerator(config.generator, self.people).to(device).requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        self.perceptual = perceptual.to(device)
        own, shared = self.generator.own_and_shared()
        groups = [{"params": shared, "times": 1.0}, {"params": own, "times": config.own_rate}]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, betas=(0.8, 0.99))
        self._careful = CarefulStep(self.optimizer)
        self.images_per_step = config.people_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._set_learning_rate(share)
        config, count = self.config, self.config.people_per_step
        who = self._choose(count, rng)
        clip = shaken(self._draw(who, rng), rng)
        self.generator.show(torch.from_numpy(who).to(self.device))
        with autocast(self.device, config.precision):
            maps = pose_maps(clip, config.generator.canvas_px)
            afresh = torch.from_numpy(rng.random(count) < config.afresh).to(self.device)
            rgba = roll_out(self.generator.shared, maps, clip.to_canvas, afresh, false_colours(count, rng, self.device))
            image = composite(rgba, clip.plate)
            window = draw_window(config.generator.canvas_px, config.judged_px, rng)
            terms = picture_terms(self.perceptual, clip, maps, rgba, image, window)
        self._careful(torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum())
        self._images += count
        follow_average(self.average, self.generator, count, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: four pictures are few already."""
        return False

    def _choose(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Whose clips make a batch; as long as there are enough people, each is another's."""
        return rng.choice(self.people, size=count, replace=self.people < count)

    def _store(self, person: int) -> ClipStore:
        """Where a person's clips are drawn from."""
        return self.stores[person]

    def _draw(self, who: NDArray[np.int64], rng: np.random.Generator) -> Clip:
        length = min(self.config.rollout, self._store(int(who[0])).length)
        clips = [self._store(int(i)).draw(1, rng, Augmentation(), self.device, length, evenly=True) for i in who]
        return Clip(**{each.name: torch.cat([getattr(clip, each.name) for clip in clips]) for each in fields(Clip)})

    def _set_learning_rate(self, share: float) -> None:
        """Warm up over the first 800 images, then half a cosine down to a fiftieth at the end of the budget."""
        warm = min(1.0, (self._images + self.images_per_step) / 800)
        level = warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group["times"] * level

    def model(self, clock: Clock) -> Checkpoint:
        """The mean person's generator, in half precision: it is only a start."""
        info = CheckpointInfo(KIND, {**self.config.to_json(), "people": self.people}, clock.images, clock.seconds)
        weights = {name: value.half() for name, value in self.average.anybody().state_dict().items()}
        return Checkpoint(info, with_prefix("generator", weights))

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        config = {"seed": self.seed, "people": self.people, **self.config.to_json()}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state is of another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"generator": self.generator, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    def _shown(self) -> NDArray[np.int64]:
        """Who is in the preview."""
        return np.arange(min(6, self.people))

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """The first six people, real above generated, with the averaged weights."""
        who = self._shown()
        shown = [self._store(int(i)) for i in who]
        clips = [store.take(np.arange(store.length)[None], store.centred[None], self.device) for store in shown]
        clip = Clip(**{each.name: torch.cat([getattr(clip, each.name) for clip in clips]) for each in fields(Clip)})
        self.average.show(torch.from_numpy(who).to(self.device))
        maps = pose_maps(clip, self.config.generator.canvas_px)
        made = composite(roll_out(self.average.shared, maps, clip.to_canvas), clip.plate)
        return one_above_the_other(clip.image[:, -1], made[:, -1])


def shaken(clip: Clip, rng: np.random.Generator) -> Clip:
    """The clip with keypoints as a detector might give them.

    A steady error of every point and a smaller one that changes from frame to frame; depth overstated or missing; at times no
    hands, as in many formats.
    """
    count, length, keypoints, _ = clip.xy.shape
    size = clip.image.shape[-1]
    steady = rng.normal(0, 0.006, (count, 1, keypoints, 2)) * (rng.random((count, 1, 1, 1)) < 0.7)
    jitter = rng.normal(0, 0.002, (count, length, keypoints, 2)) * (rng.random((count, 1, 1, 1)) < 0.7)
    gain = np.exp(rng.uniform(0, 1.2, (count, 1, 1))) * (rng.random((count, 1, 1)) > 0.15)
    handless = rng.random(count) < 0.25
    confidence = clip.confidence.clone()
    for i in np.flatnonzero(handless):
        confidence[i][:, _HANDS] = 0.0
    move = torch.from_numpy((steady + jitter) * size).float().to(clip.xy.device)
    depth = clip.depth * torch.from_numpy(gain).float().to(clip.xy.device)
    return replace(clip, xy=clip.xy + move, depth=depth, confidence=confidence)
