"""Training of the residual face network: it learns what to add to the faces that the body generator renders.

The published face GAN (Chan et al., 2019, section 3.3): L1, perceptual distance and, late, a discriminator of face and pose.
The body generator renders frames of its own footage as at transfer; their faces are paired with the real ones.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.face.config import FaceConfig
from dancenow.face.dataset import FaceBatch, FaceDataset
from dancenow.face.face_losses import (
    FaceDiscriminator,
    StepCounter,
    augment_expressions,
    drop_landmarks,
    equivalent_body_images,
    preview_grid,
    preview_rows,
    reconstruction_terms,
    set_learning_rates,
)
from dancenow.face.network import FaceNetwork, FaceNetworkConfig, refine_face
from dancenow.face.pretrained_init import load_pretrained_face
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint, with_prefix
from dancenow.training.distributed import share
from dancenow.training.ema import update_average
from dancenow.training.precision import autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.types import ImageRGB

RenderFrames = Callable[[Checkpoint, NDArray[np.int64]], Iterator[ImageRGB]]
"""Renders some frames of the footage with a body model, as at transfer but without the temporal filter."""


class ResidualPhase:
    """A `FacePhase`: the residual network, its moving average, its discriminator and their optimizers."""

    kind = "residual"

    def __init__(
        self,
        dataset: FaceDataset,
        config: FaceConfig,
        *,
        seed: int,
        render_frames: RenderFrames,
        target_tensors: Mapping[str, Tensor],
        perceptual: PerceptualDistance,
        body_px: int,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> None:
        """dataset: the subject's faces. target_tensors: what the model stores of them. body_px: side of a body image."""
        self.dataset, self.config, self.device, self._render_frames, self._target_tensors, self._on_progress = (
            dataset,
            config,
            device,
            render_frames,
            target_tensors,
            on_progress,
        )
        network_config = FaceNetworkConfig(dataset.canvas_px, config.width, config.blocks)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed + 1)
            self.network = FaceNetwork(network_config).to(device)
            self.base: FaceNetwork | None = None
            if config.start == "base":
                load_pretrained_face().load_into(self.network)
                self.base = copy.deepcopy(self.network).requires_grad_(False)
            self.discriminator = FaceDiscriminator(config.discriminator_width, config.learning_rate / 2).to(device)
        self.average = FaceNetwork(network_config).to(device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.perceptual = perceptual.to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self._count = StepCounter(config.faces_per_step)
        self.images_per_step = equivalent_body_images(config, dataset.canvas_px, body_px)
        self._generated: NDArray[np.uint8] | None = None

    def begin(self, body: Checkpoint) -> None:
        """See `FacePhase.begin`."""
        self._generated = self.dataset.crop_generated(self._render_frames(body, self.dataset.frames), self._on_progress)

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `FacePhase.step`."""
        config = self.config
        rates = ((self.optimizer, config.learning_rate), (self.discriminator.optimizer, config.learning_rate / 2))
        set_learning_rates(rates, int(self._count.steps), progress)
        faces = self.dataset.draw(share(int(self._count.batch)), rng, self.device, self._generated)
        if self.base is not None:
            faces = augment_expressions(faces, self.base, config.expression_augmentation, rng)
        faces = drop_landmarks(faces, config.landmark_dropout, rng)
        with autocast(self.device, config.precision):
            terms = self._terms(faces, adversarial=progress >= config.adversarial_from)
        self._optimizer_step(torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum())
        self._count.steps += 1
        update_average(self.average, self.network, 1, int(self._count.steps))
        return {name: float(term.detach()) for name, term in terms.items()}

    def _terms(self, faces: FaceBatch, *, adversarial: bool) -> dict[str, Tensor]:
        assert faces.generated is not None
        # Not clamped: a color beyond white must be pulled back.
        out = faces.generated + self.network(faces.generated, faces.maps).float()
        terms = reconstruction_terms(self.perceptual, out, faces.image)
        if adversarial:
            adversarial_terms = self.discriminator.terms(out, faces.maps, faces.image, faces.maps)
            terms |= {"adversarial": adversarial_terms.adversarial, "feature_matching": adversarial_terms.feature_matching}
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
        return {**self._target_tensors, **with_prefix("face", self.average.state_dict())}

    def modules(self) -> Mapping[str, nn.Module]:
        """See `FacePhase.modules`."""
        networks = {"face": self.network, "face_average": self.average, "face_judge": self.discriminator.network}
        return {**networks, "face_count": self._count}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """See `FacePhase.optimizers`."""
        return {"face_adam": self.optimizer, "face_judge_adam": self.discriminator.optimizer}

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Some faces: recorded, rendered by the body generator, refined by the network."""
        faces = self.dataset.centered(preview_rows(self.dataset), self.device, self._generated)
        assert faces.generated is not None
        return preview_grid([faces.image, faces.generated, refine_face(self.average, faces.generated, faces.maps)])
