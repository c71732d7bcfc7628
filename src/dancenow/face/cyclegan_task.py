"""Training of the unpaired face: the source's face made the target's, by cycles, identities and judges.

CycleGAN (Zhu, Park, Isola and Efros, 2017) on the faces of two people, each on its upright canvas, with their landmarks. There
is no history of made pictures: a training of minutes never comes to the oscillations that it is against.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dancenow.face.cyclegan_network import FaceCycle
from dancenow.face.dataset import FaceDataset
from dancenow.face.face_losses import Count, FaceJudge, follow_schedule, images_of, sample_rows, side_by_side
from dancenow.face.network import FaceNetworkConfig, refined
from dancenow.face.recipe import FaceRecipe
from dancenow.storage.checkpoint import Checkpoint, with_prefix
from dancenow.training.ema import follow_average
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep


class CyclePhase:
    """A `phases.FacePhase`: both networks, the average of the one that transfer needs, two judges and their optimizers."""

    kind = "cyclegan"

    def __init__(
        self,
        target: FaceDataset,
        source: FaceDataset,
        recipe: FaceRecipe,
        *,
        seed: int,
        kept: Mapping[str, Tensor],
        source_sha256: str,
        body_px: int,
        device: torch.device,
    ) -> None:
        """target, source: faces of both people on canvases of one size. kept: what the model must carry of the target's."""
        self.target, self.source, self.recipe, self.device = target, source, recipe, device
        self._kept, self._source_sha256 = kept, source_sha256
        config = FaceNetworkConfig(target.canvas_px, recipe.width, recipe.blocks)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed + 1)
            self.networks = FaceCycle(config).to(device)
            rate = recipe.learning_rate / 4
            self.target_judge, self.source_judge = (FaceJudge(recipe.judge_width, rate).to(device) for _ in range(2))
        self.average = FaceCycle(config).to(device).requires_grad_(False)
        self.average.load_state_dict(self.networks.state_dict())
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self._count = Count(recipe.faces_per_step)
        self.images_per_step = 2 * images_of(recipe, target.canvas_px, body_px)

    def begin(self, body: Checkpoint) -> None:
        """See `FacePhase.begin`: these faces are filmed ones, and need no body."""

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `FacePhase.step`."""
        recipe, batch = self.recipe, int(self._count.batch)
        optimizers = (self.optimizer, self.target_judge.optimizer, self.source_judge.optimizer)
        follow_schedule([(each, recipe.learning_rate / 4) for each in optimizers], int(self._count.steps), share)
        source, target = (store.draw(batch, rng, self.device) for store in (self.source, self.target))
        with autocast(self.device, recipe.precision):
            made = self.networks(source.image, source.maps, target.image, target.maps)
            as_target = self.target_judge.terms(made.target, source.maps, target.image, target.maps)
            as_source = self.source_judge.terms(made.source, target.maps, source.image, source.maps)
        cycle = functional.l1_loss(made.source_again, source.image) + functional.l1_loss(made.target_again, target.image)
        same = functional.l1_loss(made.target_same, target.image) + functional.l1_loss(made.source_same, source.image)
        terms = {"adversarial": as_target.adversarial + as_source.adversarial, "cycle": cycle, "identity": same}
        self._optimizer_step(terms["adversarial"] + recipe.cycle * cycle + recipe.identity * same)
        self._count.steps += 1
        follow_average(self.average, self.networks, 1, int(self._count.steps))
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `FacePhase.shrink`."""
        for each in (self.optimizer, self.target_judge.optimizer, self.source_judge.optimizer):
            each.zero_grad(set_to_none=True)
        return self._count.shrink()

    def describe(self) -> Mapping[str, Any]:
        """See `FacePhase.describe`."""
        return {**asdict(self.networks.config), "source_sha256": self._source_sha256}

    def tensors(self) -> Mapping[str, Tensor]:
        """See `FacePhase.tensors`."""
        return {**self._kept, **with_prefix("face", self.average.to_target.state_dict())}

    def modules(self) -> Mapping[str, nn.Module]:
        """See `FacePhase.modules`."""
        discriminators = {"target_judge": self.target_judge.network, "source_judge": self.source_judge.network}
        return {"cycle": self.networks, "cycle_average": self.average, **discriminators, "face_count": self._count}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """See `FacePhase.optimizers`."""
        discriminators = {"target_judge_adam": self.target_judge.optimizer, "source_judge_adam": self.source_judge.optimizer}
        return {"cycle_adam": self.optimizer, **discriminators}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Some faces of the source above what the network makes of them."""
        faces = self.source.centred(sample_rows(self.source), self.device)
        return side_by_side([faces.image, refined(self.average.to_target, faces.image, faces.maps)])
