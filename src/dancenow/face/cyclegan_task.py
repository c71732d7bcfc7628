"""Training of the unpaired face network: from the source's face to the target's, with cycle, identity and adversarial losses.

CycleGAN (Zhu, Park, Isola and Efros, 2017) on the faces of two people, each on its upright canvas, with their landmarks. It
keeps no history of generated images: a training of minutes never reaches the oscillations that the history prevents.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dancenow.face.config import FaceConfig
from dancenow.face.cyclegan_network import FaceCycle
from dancenow.face.dataset import FaceDataset
from dancenow.face.face_losses import (
    FaceDiscriminator,
    StepCounter,
    equivalent_body_images,
    preview_grid,
    preview_rows,
    set_learning_rates,
)
from dancenow.face.network import FaceNetworkConfig, refine_face
from dancenow.storage.checkpoint import Checkpoint, with_prefix
from dancenow.training.distributed import share
from dancenow.training.ema import update_average
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep


class CycleGanPhase:
    """A `FacePhase`: both networks, the moving average of the one used at transfer, two discriminators and their optimizers."""

    kind = "cyclegan"

    def __init__(
        self,
        target: FaceDataset,
        source: FaceDataset,
        config: FaceConfig,
        *,
        seed: int,
        target_tensors: Mapping[str, Tensor],
        source_sha256: str,
        body_px: int,
        device: torch.device,
    ) -> None:
        """target, source: faces of both people on canvases of one size. target_tensors: what the model stores of the target's
        faces.
        """
        self.target, self.source, self.config, self.device = target, source, config, device
        self._target_tensors, self._source_sha256 = target_tensors, source_sha256
        network_config = FaceNetworkConfig(target.canvas_px, config.width, config.blocks)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed + 1)
            self.networks = FaceCycle(network_config).to(device)
            rate = config.learning_rate / 4
            self.target_discriminator, self.source_discriminator = (
                FaceDiscriminator(config.discriminator_width, rate).to(device) for _ in range(2)
            )
        self.average = FaceCycle(network_config).to(device).requires_grad_(False)
        self.average.load_state_dict(self.networks.state_dict())
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self._count = StepCounter(config.faces_per_step)
        self.images_per_step = 2 * equivalent_body_images(config, target.canvas_px, body_px)

    def begin(self, body: Checkpoint) -> None:
        """See `FacePhase.begin`: this phase uses recorded faces and does not need the body's model."""

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `FacePhase.step`."""
        config, batch = self.config, share(int(self._count.batch))
        optimizers = (self.optimizer, self.target_discriminator.optimizer, self.source_discriminator.optimizer)
        set_learning_rates([(each, config.learning_rate / 4) for each in optimizers], int(self._count.steps), progress)
        source, target = (store.draw(batch, rng, self.device) for store in (self.source, self.target))
        with autocast(self.device, config.precision):
            output = self.networks(source.image, source.maps, target.image, target.maps)
            as_target = self.target_discriminator.terms(output.target, source.maps, target.image, target.maps)
            as_source = self.source_discriminator.terms(output.source, target.maps, source.image, source.maps)
        cycle = functional.l1_loss(output.reconstructed_source, source.image) + functional.l1_loss(
            output.reconstructed_target, target.image
        )
        same = functional.l1_loss(output.identity_target, target.image) + functional.l1_loss(
            output.identity_source, source.image
        )
        terms = {"adversarial": as_target.adversarial + as_source.adversarial, "cycle": cycle, "identity": same}
        self._optimizer_step(terms["adversarial"] + config.cycle * cycle + config.identity * same)
        self._count.steps += 1
        update_average(self.average, self.networks, 1, int(self._count.steps))
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `FacePhase.shrink`."""
        for each in (self.optimizer, self.target_discriminator.optimizer, self.source_discriminator.optimizer):
            each.zero_grad(set_to_none=True)
        return self._count.shrink()

    def describe(self) -> Mapping[str, Any]:
        """See `FacePhase.describe`."""
        return {**asdict(self.networks.config), "source_sha256": self._source_sha256}

    def tensors(self) -> Mapping[str, Tensor]:
        """See `FacePhase.tensors`."""
        return {**self._target_tensors, **with_prefix("face", self.average.to_target.state_dict())}

    def modules(self) -> Mapping[str, nn.Module]:
        """See `FacePhase.modules`."""
        discriminators = {"target_judge": self.target_discriminator.network, "source_judge": self.source_discriminator.network}
        return {"cycle": self.networks, "cycle_average": self.average, **discriminators, "face_count": self._count}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """See `FacePhase.optimizers`."""
        discriminators = {
            "target_judge_adam": self.target_discriminator.optimizer,
            "source_judge_adam": self.source_discriminator.optimizer,
        }
        return {"cycle_adam": self.optimizer, **discriminators}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Some faces of the source, above their translations."""
        faces = self.source.centered(preview_rows(self.source), self.device)
        return preview_grid([faces.image, refine_face(self.average.to_target, faces.image, faces.maps)])
