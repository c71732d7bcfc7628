"""Training of the body generator: the losses of one step, in the order in which they are computed.

Pictures are generated one from another along each clip, composited on the plate, and compared with the real frames by
L1 and perceptual distance; later a discriminator of single pictures and one of consecutive pairs join in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.data.clips import Augmentation, Clip, ClipStore
from dancenow.models import losses
from dancenow.models.discriminator import Discriminator
from dancenow.models.generator import POSE_STRIDE, Generator
from dancenow.models.perceptual import PerceptualDistance
from dancenow.models.rollout import between, composite, roll_out, warp
from dancenow.pose.render import draw_pose
from dancenow.skeleton import INDEX
from dancenow.training.loop import Clock
from dancenow.training.precision import autocast
from dancenow.training.presets import BodyConfig
from dancenow.training.state import require_same_training, restore_state, state_tensors

DETAIL_PARTS = ("nose", "eye", "ear", "wrist", "thumb", "index", "pinky", "ankle", "heel", "toe")
DETAIL_POINTS = [index for name, index in INDEX.items() if name.endswith(DETAIL_PARTS)]
"""Keypoints around which pictures are judged most strictly: face, hands and feet are small and are looked at first."""


ALIGN_PX = 16
LONG_SHARE = 0.25
TINT = 0.2
"""Standard deviation of the logarithm of the false colours in which the previous picture is shown."""
RECIPE = 1
"""Raise it when training changes in a way that `BodyConfig` does not show: models in the cache are then made anew."""


@dataclass(frozen=True)
class Window:
    """A square part of the canvas, in canvas px."""

    top_px: int
    left_px: int
    side_px: int

    def of(self, maps: Tensor, stride: int = 1) -> Tensor:
        """The part of pictures or maps [...,H,W] whose cells are `stride` px wide."""
        top, left, side = self.top_px // stride, self.left_px // stride, self.side_px // stride
        return maps[..., top : top + side, left : left + side]


@dataclass(frozen=True, eq=False)
class Judged:
    """One discriminator and what it is shown."""

    judge: Discriminator
    made: Tensor
    real: Tensor
    maps: Tensor


class BodyTask:
    """A `loop.Task`: generator, its average, two discriminators and their optimizers."""

    def __init__(
        self,
        store: ClipStore,
        config: BodyConfig,
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
            self.generator = Generator(config.generator).to(device)
            self.spatial = Discriminator(config.spatial).to(device)
            self.temporal = Discriminator(config.temporal).to(device)
        self.average = Generator(config.generator).to(device).requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        self.perceptual = perceptual.to(device)
        judges = [*self.spatial.parameters(), *self.temporal.parameters()]
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self.judge_optimizer = torch.optim.Adam(judges, lr=config.learning_rate / 2, betas=(0.5, 0.99))
        self.images_per_step = config.clips_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._set_learning_rate(share)
        # Mostly pairs, now and then a longer run, so that what is generated from generated pictures does not drift.
        length = self.config.rollout if rng.random() < LONG_SHARE else min(2, self.config.rollout)
        clip = self.store.draw(self.config.clips_per_step, rng, Augmentation(), self.device, length)
        with autocast(self.device, self.config.precision):
            maps = pose_maps(clip, self.config.generator.canvas_px)
            afresh = torch.from_numpy(rng.random(self.config.clips_per_step) < self.config.afresh).to(self.device)
            tint = false_colours(self.config.clips_per_step, rng, self.device)
            rgba = roll_out(self.generator, maps, clip.to_canvas, afresh, tint)
            image = composite(rgba, clip.plate)
            window = draw_window(self.config.generator.canvas_px, self.config.judged_px, rng)
            terms = picture_terms(self.perceptual, clip, maps, rgba, image, window)
            if share >= self.config.adversarial_from:
                judged = self._judged(clip, maps, image, window)
                self._teach_judges(judged)
                terms |= self._judge_terms(judged)
        weights = self.config.weights
        total = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
        self.generator_optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        self.generator_optimizer.step()
        self._images += self.images_per_step
        self._update_average()
        return {name: float(term.detach()) for name, term in terms.items()}

    def _judged(self, clip: Clip, maps: Tensor, image: Tensor, window: Window) -> list[Judged]:
        """What each discriminator sees: the last picture, and the last two in the last one's window."""
        last = window.of(maps[:, -1], POSE_STRIDE)
        single = Judged(self.spatial, window.of(image[:, -1]), window.of(clip.image[:, -1]), last)
        made, real = window.of(_last_two(image, clip)), window.of(_last_two(clip.image, clip))
        before = window.of(_maps_before(clip, self.config.generator.canvas_px), POSE_STRIDE)
        return [single, Judged(self.temporal, made, real, torch.cat([before, last], dim=1))]

    def _judge_terms(self, judged: list[Judged]) -> dict[str, Tensor]:
        adversarial, matching = [], []
        for each in judged:
            each.judge.requires_grad_(False)
            verdict = each.judge(each.made, each.maps)
            with torch.no_grad():
                truth = each.judge(each.real, each.maps)
            each.judge.requires_grad_(True)
            adversarial.append(losses.lsgan_generator(verdict.scores))
            matching.append(losses.feature_matching(truth.features, verdict.features))
        return {"adversarial": torch.stack(adversarial).sum(), "feature_matching": torch.stack(matching).sum()}

    def _teach_judges(self, judged: list[Judged]) -> None:
        terms = []
        for each in judged:
            real, made = each.judge(each.real, each.maps), each.judge(each.made.detach(), each.maps)
            terms.append(losses.lsgan_discriminator(real.scores, made.scores))
        self.judge_optimizer.zero_grad(set_to_none=True)
        torch.stack(terms).sum().backward()
        self.judge_optimizer.step()

    def _set_learning_rate(self, share: float) -> None:
        """Warm up over the first 200 images, then half a cosine down to a twentieth at the end of the budget."""
        warm = min(1.0, (self._images + self.images_per_step) / 200)
        level = warm * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * share)))
        for optimizer, peak in (
            (self.generator_optimizer, self.config.learning_rate),
            (self.judge_optimizer, self.config.learning_rate / 2),
        ):
            for group in optimizer.param_groups:
                group["lr"] = peak * level

    @torch.no_grad()
    def _update_average(self) -> None:
        """Average over about the last twentieth of what was seen (a power-law profile, as in EDM2)."""
        keep = 1.0 - min(1.0, 20 * self.images_per_step / self._images)
        for mean, value in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(value, 1 - keep)

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`."""
        info = self._kept.info
        made = CheckpointInfo(
            kind=info.kind,
            config=self.config.to_json(),
            images_seen=clock.images,
            train_seconds=clock.seconds,
            subject=info.subject,
            parents=info.parents,
        )
        return Checkpoint(made, {**self._kept.tensors, **with_prefix("generator", self.average.state_dict())})

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors(self._modules(), self._optimizers())
        config = {"seed": self.seed, **self.config.to_json()}
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

    def _modules(self) -> dict[str, nn.Module]:
        parts = {"generator": self.generator, "average": self.average}
        return {**parts, "spatial": self.spatial, "temporal": self.temporal}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"generator_adam": self.generator_optimizer, "judge_adam": self.judge_optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Three moments of the footage, real above generated, with the averaged weights."""
        starts = self.store.starts[np.linspace(0, len(self.store.starts) - 1, 3).astype(int)]
        frames = starts[:, None] + np.arange(self.store.length)
        clip = self.store.take(frames, np.repeat(self.store.centred[None], 3, axis=0), self.device)
        maps = pose_maps(clip, self.config.generator.canvas_px)
        made = composite(roll_out(self.average, maps, clip.to_canvas), clip.plate)
        rows = [torch.cat(list(x[:, -1]), dim=2) for x in (clip.image, made)]
        picture = torch.cat(rows, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
        return picture.permute(1, 2, 0).cpu().numpy()


def false_colours(count: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """What the picture before is multiplied by per channel, [N,4]: see `roll_out`."""
    return torch.from_numpy(np.exp(rng.normal(0.0, TINT, (count, 4)))).float().to(device)


def draw_window(canvas_px: int, judged_px: int, rng: np.random.Generator) -> Window:
    """A random part of the canvas, aligned with the cells of the deepest maps that the judges see."""
    side = min(judged_px, canvas_px)
    top, left = (ALIGN_PX * int(rng.integers(0, (canvas_px - side) // ALIGN_PX + 1)) for _ in range(2))
    return Window(top, left, side)


def picture_terms(
    perceptual: PerceptualDistance, clip: Clip, maps: Tensor, rgba: Tensor, image: Tensor, window: Window
) -> dict[str, Tensor]:
    """What the last picture of each clip is judged by, without discriminators."""
    weight = attention(clip.mask[:, -1], maps[:, -1])
    made, real = image[:, -1], clip.image[:, -1]
    alpha, mask, known = rgba[:, -1, 3:], clip.mask[:, -1], clip.known[:, -1]
    return {
        "l1": losses.weighted_l1(made, real, weight),
        "perceptual": perceptual(window.of(made), window.of(real), window.of(weight)).mean(),
        "matte": losses.matte_prior(alpha, mask, known),
    }


def pose_maps(clip: Clip, canvas_px: int) -> Tensor:
    """The conditioning of every frame, [B,T,C,S/4,S/4]."""
    xy, confidence, depth = (x.flatten(0, 1) for x in (clip.xy, clip.confidence, clip.depth))
    maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
    return maps.reshape(*clip.xy.shape[:2], *maps.shape[1:])


def _maps_before(clip: Clip, canvas_px: int) -> Tensor:
    """The pose before the last, drawn where `_last_two` shows it: in the last one's window. [B,C,S/4,S/4]."""
    to_last = between(clip.to_canvas[:, -2], clip.to_canvas[:, -1])
    with torch.autocast(to_last.device.type, enabled=False):
        xy = clip.xy[:, -2] @ to_last[:, :, :2].mT + to_last[:, None, :, 2]
    return draw_pose(xy, clip.confidence[:, -2], clip.depth[:, -2], canvas_px, canvas_px // POSE_STRIDE)


def attention(mask: Tensor, maps: Tensor) -> Tensor:
    """How much each pixel counts, [B,1,S,S]: little far from the person, most at face and hands."""
    near = F.max_pool2d(F.avg_pool2d(mask, POSE_STRIDE), 5, stride=1, padding=2)
    detail = maps[:, DETAIL_POINTS].amax(dim=1, keepdim=True)
    return F.interpolate(0.15 + near + 1.5 * detail, scale_factor=POSE_STRIDE, mode="bilinear", align_corners=False)


def _last_two(images: Tensor, clip: Clip) -> Tensor:
    """The last picture and, in its window, the one before: [B,6,S,S]."""
    moved = warp(images[:, -2].float(), between(clip.to_canvas[:, -2], clip.to_canvas[:, -1]), images.shape[-1])
    return torch.cat([moved, images[:, -1]], dim=1)
