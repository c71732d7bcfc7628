"""Training of the residual face: what has to be added to the faces that the body's generator paints.

The published face GAN (Chan et al., 2019, section 3.3): L1, perceptual distance and, late, a discriminator of face and pose.
The body paints frames of its own footage as it will at transfer; their faces are paired with the true ones.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.face.dataset import FaceDataset, Faces
from dancenow.face.face_losses import (
    Count,
    FaceJudge,
    bared,
    face_terms,
    follow_schedule,
    images_of,
    played,
    sample_rows,
    side_by_side,
)
from dancenow.face.network import FaceNetwork, FaceNetworkConfig, refined
from dancenow.face.pretrained_init import load_face_base
from dancenow.face.recipe import FaceRecipe
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint, with_prefix
from dancenow.training.ema import follow_average
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.types import ImageRGB

FACE_RECIPE: Final = 3
"""Raise it when the training of faces changes in a way that `FaceRecipe` does not show."""
RenderFrames = Callable[[Checkpoint, NDArray[np.int64]], Iterator[ImageRGB]]
"""What a body's model paints of some frames of its own footage, as at transfer time, but not steadied."""


class ResidualPhase:
    """A `phases.FacePhase`: the residual network, its average, its judge and their optimizers."""

    kind = "residual"

    def __init__(
        self,
        store: FaceDataset,
        recipe: FaceRecipe,
        *,
        seed: int,
        render_frames: RenderFrames,
        kept: Mapping[str, Tensor],
        perceptual: PerceptualDistance,
        body_px: int,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> None:
        """store: the subject's faces. kept: what the model must carry of them. body_px: side of a body's image."""
        self.store, self.recipe, self.device, self._paint, self._kept, self._on_progress = (
            store,
            recipe,
            device,
            render_frames,
            kept,
            on_progress,
        )
        config = FaceNetworkConfig(store.canvas_px, recipe.width, recipe.blocks)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed + 1)
            self.network = FaceNetwork(config).to(device)
            self.base: FaceNetwork | None = None
            if recipe.start == "base":
                load_face_base().give_to(self.network)
                self.base = copy.deepcopy(self.network).requires_grad_(False)
            self.discriminator = FaceJudge(recipe.judge_width, recipe.learning_rate / 2).to(device)
        self.average = FaceNetwork(config).to(device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.perceptual = perceptual.to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self._count = Count(recipe.faces_per_step)
        self.images_per_step = images_of(recipe, store.canvas_px, body_px)
        self._made: NDArray[np.uint8] | None = None

    def begin(self, body: Checkpoint) -> None:
        """See `FacePhase.begin`."""
        self._made = self.store.cut(self._paint(body, self.store.frames), self._on_progress)

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `FacePhase.step`."""
        recipe = self.recipe
        rates = ((self.optimizer, recipe.learning_rate), (self.discriminator.optimizer, recipe.learning_rate / 2))
        follow_schedule(rates, int(self._count.steps), share)
        faces = self.store.draw(int(self._count.batch), rng, self.device, self._made)
        if self.base is not None:
            faces = played(faces, self.base, recipe.played, rng)
        faces = bared(faces, recipe.bare, rng)
        with autocast(self.device, recipe.precision):
            terms = self._terms(faces, judged=share >= recipe.adversarial_from)
        self._optimizer_step(torch.stack([getattr(recipe, name) * term for name, term in terms.items()]).sum())
        self._count.steps += 1
        follow_average(self.average, self.network, 1, int(self._count.steps))
        return {name: float(term.detach()) for name, term in terms.items()}

    def _terms(self, faces: Faces, *, judged: bool) -> dict[str, Tensor]:
        assert faces.made is not None
        # Unclamped: a colour beyond white is to be pulled back.
        out = faces.made + self.network(faces.made, faces.maps).float()
        terms = face_terms(self.perceptual, out, faces.image)
        if judged:
            verdict = self.discriminator.terms(out, faces.maps, faces.image, faces.maps)
            terms |= {"adversarial": verdict.adversarial, "feature_matching": verdict.feature_matching}
        return terms

    def shrink(self) -> bool:
        """See `FacePhase.shrink`."""
        self.optimizer.zero_grad(set_to_none=True)
        self.discriminator.optimizer.zero_grad(set_to_none=True)
        return self._count.shrink()

    def describe(self) -> Mapping[str, Any]:
        """See `FacePhase.describe`."""
        return asdict(self.network.config)

    def tensors(self) -> Mapping[str, Tensor]:
        """See `FacePhase.tensors`."""
        return {**self._kept, **with_prefix("face", self.average.state_dict())}

    def modules(self) -> Mapping[str, nn.Module]:
        """See `FacePhase.modules`."""
        networks = {"face": self.network, "face_average": self.average, "face_judge": self.discriminator.network}
        return {**networks, "face_count": self._count}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """See `FacePhase.optimizers`."""
        return {"face_adam": self.optimizer, "face_judge_adam": self.discriminator.optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Some faces: as filmed, as the body paints them, as the network leaves them."""
        faces = self.store.centred(sample_rows(self.store), self.device, self._made)
        assert faces.made is not None
        return side_by_side([faces.image, faces.made, refined(self.average, faces.made, faces.maps)])
