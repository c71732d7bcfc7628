"""Training of the whole-frame generator as in Everybody Dance Now (Chan et al., 2019) on pix2pixHD (Wang et al., 2018).

Two consecutive frames are generated and shown to multi-scale patch discriminators together. Least-squares adversarial loss,
feature matching and perceptual distance are summed as in the papers, whose weights are the defaults of `EdnConfig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.errors import OptionError
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.edn.dataset import FrameClip, FrameDataset
from dancenow.generators.edn.network import RGB_CHANNELS, EdnGenerator, EdnNetworkConfig
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks import losses
from dancenow.networks.pix2pixhd import DEPTH, MIN_DISCRIMINATOR_PX, MultiScalePatchGAN
from dancenow.pose.letterbox import Letterbox
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.distributed import average_gradients, whole
from dancenow.training.loop import Clock
from dancenow.training.precision import autocast
from dancenow.training.state import require_same_training, restore_state, state_tensors

DISCRIMINATOR_WIDTH = 64
BETAS = (0.5, 0.999)


@dataclass(frozen=True)
class DiscriminatorInput:
    """What one discriminator sees together: the last `poses` drawn poses and the last `images` images of a clip."""

    poses: int
    images: int

    def channels(self, config: EdnNetworkConfig) -> int:
        """Channels of the input."""
        return self.poses * config.map_channels + self.images * RGB_CHANNELS

    def of(self, maps: Tensor, images: Tensor) -> list[Tensor]:
        """Its input for clips drawn as [B,T,C,H,W] with images [B,T',3,H,W]: tensors [B,*,H,W] to concatenate."""
        return [
            maps[:, maps.shape[1] - self.poses :].flatten(1, 2),
            images[:, images.shape[1] - self.images :].flatten(1, 2),
        ]


def discriminator_inputs(config: EdnNetworkConfig) -> dict[str, DiscriminatorInput]:
    """The inputs of the discriminators by name.

    The paper's one sees (x0, x1, I0, I1). With heatmaps there are two: an image with its pose, and two consecutive images.
    Frame by frame there is the first of them alone.
    """
    realism = DiscriminatorInput(poses=1, images=1)
    if not config.temporal:
        return {"realism": realism}
    if config.conditioning == "stick":
        return {"temporal": DiscriminatorInput(poses=2, images=2)}
    return {"realism": realism, "temporal": DiscriminatorInput(poses=0, images=2)}


def global_box(config: EdnConfig, frame_width_px: int, frame_height_px: int) -> Letterbox:
    """The canvas of the global generator for frames of that size."""
    return Letterbox.of_frame(frame_width_px, frame_height_px, config.longer_px)


def stored_box(config: EdnConfig, frame_width_px: int, frame_height_px: int) -> Letterbox:
    """The largest canvas of the configuration: twice the global generator's if an enhancer will be trained."""
    box = global_box(config, frame_width_px, frame_height_px)
    return box.doubled() if config.enhance_from < 1 else box


class EdnTask:
    """A `loop.Task`: generator, its discriminators and their optimizers; first the global generator, then the enhancer."""

    generator: EdnGenerator

    def __init__(
        self,
        dataset: FrameDataset,
        config: EdnConfig,
        *,
        seed: int,
        kept: Checkpoint,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """Build the networks.

        dataset: on the canvas of `stored_box`. kept: what the model stores of its subject (see `Target.to_checkpoint`).

        Raises:
            UserError: the canvas is too small for the discriminators.
        """
        self.dataset, self.config, self.seed, self.device, self._kept = dataset, config, seed, device, kept
        self.perceptual = perceptual.to(device)
        self._inputs = discriminator_inputs(config)
        self._global_box = global_box(config, dataset.box.frame_width_px, dataset.box.frame_height_px)
        smallest_px = min(self._global_box.width_px, self._global_box.height_px) // 2 ** (config.scales - 1)
        if smallest_px < MIN_DISCRIMINATOR_PX:
            raise OptionError(
                f"at {config.longer_px} px the image is too narrow for {config.scales} scales of discriminators; give a"
                " longer side of more px."
            )
        self._enter_stage(enhanced=False)

    @property
    def images_per_step(self) -> int:
        """See `loop.Task.images_per_step`: one in each process."""
        return whole(1)

    def _enter_stage(self, *, enhanced: bool) -> None:
        """Create the networks of a stage; the enhancer is built around the global generator that was trained before it."""
        before = self.generator.whole.state_dict() if enhanced else {}
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(2 * self.seed + enhanced)
            self.generator = EdnGenerator(self.config.network, enhanced=enhanced).to(self.device)
            width, scales = self.config.channels(DISCRIMINATOR_WIDTH), self.config.scales + enhanced
            self.discriminators = nn.ModuleDict(
                {name: MultiScalePatchGAN(view.channels(self.config), width, scales) for name, view in self._inputs.items()}
            ).to(self.device)
        if enhanced:
            self.generator.whole.load_state_dict(before)
        rate = self.config.learning_rate
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), lr=rate, betas=BETAS)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminators.parameters(), lr=rate, betas=BETAS)

    @property
    def _enhanced(self) -> bool:
        return self.generator.enhancer is not None

    @property
    def _box(self) -> Letterbox:
        """The canvas of the present stage; the dataset has that of the last stage."""
        return self._global_box.doubled() if self._enhanced else self._global_box

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: there is nothing to shrink."""
        return False

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        self._begin_step(progress)
        clip = self.dataset.draw(1, rng, self.device)
        with autocast(self.device, self.config.precision):
            maps, real = self._frames(clip)
            generated = self.generator.generate_clip(maps)
            terms, discriminator_loss = self._discriminate(maps, real, generated)
            terms["perceptual"] = self.perceptual(generated.flatten(0, 1), real.flatten(0, 1)).sum()
        total = torch.stack([getattr(self.config.weights, name) * term for name, term in terms.items()]).sum()
        for optimizer, loss in ((self.generator_optimizer, total), (self.discriminator_optimizer, discriminator_loss)):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            average_gradients(each for group in optimizer.param_groups for each in group["params"])
            optimizer.step()
        return {**{name: float(term.detach()) for name, term in terms.items()}, "judges": float(discriminator_loss.detach())}

    def _begin_step(self, progress: float) -> None:
        """Enter the next stage when it is due, and apply the schedules of the present one."""
        start = self.config.enhance_from
        if progress >= start and not self._enhanced:
            self._enter_stage(enhanced=True)
        stage_progress = (progress - start) / (1 - start) if self._enhanced else progress / start
        for optimizer in self._optimizers().values():
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * min(1.0, 2 * (1 - stage_progress))
        if self._enhanced:
            self.generator.whole.requires_grad_(stage_progress >= 0.5)

    def _frames(self, clip: FrameClip) -> tuple[Tensor, Tensor]:
        """The drawn poses [B,T,C,H,W] and the real images [B,T',3,H,W] on the canvas of the present stage."""
        image, xy, box = clip.image[:, -self.config.generated_frames :], clip.xy, self._box
        if image.shape[-1] != box.width_px:
            image = F.avg_pool2d(image.flatten(0, 1), 2).unflatten(0, image.shape[:2])
            xy = (xy + 0.5) / 2 - 0.5  # pixel centers are at integers
        maps = self.generator.draw(xy.flatten(0, 1), clip.confidence.flatten(0, 1), box)
        return maps.unflatten(0, xy.shape[:2]), image

    def _discriminate(self, maps: Tensor, real: Tensor, generated: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The generator's loss terms and the discriminators' loss, both before any update; sums as published."""
        adversarial, matching, discriminator_losses = [], [], []
        scales = self.config.scales + self._enhanced
        for name, inputs in self._inputs.items():
            discriminator = self.discriminators[name]
            real_scores, real_features = discriminator(inputs.of(maps, real))
            generated_scores, _ = discriminator(inputs.of(maps, generated.detach()))
            discriminator_losses.append(scales * losses.lsgan_discriminator(real_scores, generated_scores))
            discriminator.requires_grad_(False)
            scores, features = discriminator(inputs.of(maps, generated))
            discriminator.requires_grad_(True)
            adversarial.append(scales * losses.lsgan_generator(scores))
            matching.append(scales * DEPTH * losses.feature_matching(real_features, features))
        terms = {"adversarial": torch.stack(adversarial).sum(), "feature_matching": torch.stack(matching).sum()}
        return terms, torch.stack(discriminator_losses).sum()

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`."""
        info = self._kept.info
        model_info = CheckpointInfo(
            kind=info.kind,
            config={"recipe": self.config.to_json(), "enhanced": self._enhanced},
            images_seen=clock.images,
            train_seconds=clock.seconds,
            subject=info.subject,
            parents=info.parents,
        )
        return Checkpoint(model_info, {**self._kept.tensors, **with_prefix("generator", self.generator.state_dict())})

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors(self._modules(), self._optimizers())
        config = {"seed": self.seed, "enhanced": self._enhanced, "recipe": self.config.to_json()}
        return Checkpoint(
            CheckpointInfo("training-state", config, clock.images, clock.seconds, self._kept.info.subject), tensors
        )

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another configuration or subject.
        """
        enhanced = bool(state.info.config.get("enhanced"))
        mine = {"seed": self.seed, "enhanced": enhanced, "recipe": self.config.to_json()}
        require_same_training(state, mine, self._kept.info.subject)
        if enhanced:
            self._enter_stage(enhanced=True)
        restore_state(state, self._modules(), self._optimizers())

    def _modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "judges": self.discriminators}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"generator_adam": self.generator_optimizer, "judge_adam": self.discriminator_optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Three moments of the footage: the drawn pose above the real above the generated image."""
        starts = self.dataset.starts[np.linspace(0, len(self.dataset.starts) - 1, 3).astype(int)]
        columns = []
        for start in starts:
            maps, real = self._frames(self.dataset.take(start[None], self.device))
            generated = self.generator.generate_clip(maps)
            pose = maps[0, -1] if self.config.conditioning == "stick" else maps[0, -1].amax(dim=0).expand(RGB_CHANNELS, -1, -1)
            columns.append(torch.cat([pose * 2 - 1, real[0, -1], generated[0, -1].float()], dim=1))
        image = torch.cat(columns, dim=2).clamp(-1, 1).add(1).mul(127.5).round().byte()
        return image.permute(1, 2, 0).cpu().numpy()
