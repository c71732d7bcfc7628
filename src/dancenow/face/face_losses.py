"""Parts that the face phases share: the conditional discriminator, pixel weights of a face, augmentation and schedules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dancenow.face.blending import WIDE_RAMP, feather_mask
from dancenow.face.config import FaceConfig
from dancenow.face.dataset import FaceBatch, FaceDataset
from dancenow.face.landmark_maps import LINES, NUM_MAPS
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks import losses
from dancenow.networks.pix2pixhd import MultiScalePatchGAN
from dancenow.training.safe_step import SafeOptimizerStep

WARMUP_STEPS: Final = 5
MIN_WEIGHT: Final = 0.05
_DOWNSAMPLING: Final = 4
"""Factor by which an image is downsampled and upsampled again before the pretrained network sees it: it is trained on coarse
images.
"""


@dataclass(frozen=True, eq=False)
class AdversarialTerms:
    """Two loss terms of a network that generates faces."""

    adversarial: Tensor
    feature_matching: Tensor


class StepCounter(nn.Module):
    """Steps taken, and faces per step, fewer than configured where memory is short; a module, so that resuming restores it."""

    steps: Tensor
    batch: Tensor

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batch", torch.tensor(batch))

    def shrink(self) -> bool:
        """Halve the number of faces per step; return False if there is only one."""
        smaller = int(self.batch) // 2
        self.batch.fill_(max(smaller, 1))
        return smaller > 0


class FaceDiscriminator(nn.Module):
    """Tells generated faces from real ones, given their maps: an image whose expression differs from its maps counts as
    generated.
    """

    def __init__(self, width: int, learning_rate: float) -> None:
        super().__init__()
        self.network = MultiScalePatchGAN(3 + NUM_MAPS, width, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer, max_norm=math.inf)

    def terms(
        self, generated: Tensor, generated_maps: Tensor, real: Tensor, real_maps: Tensor, teacher: Tensor | None = None
    ) -> AdversarialTerms:
        """Train on this batch, then return the generator's loss terms. teacher: generated faces to train on instead."""
        training_faces = (generated if teacher is None else teacher).detach()
        truth, guess = self.network([real, real_maps]), self.network([training_faces, generated_maps])
        self._optimizer_step(losses.lsgan_discriminator(truth[0], guess[0]))
        self.network.requires_grad_(False)
        try:
            scores, features = self.network([generated, generated_maps])
            with torch.no_grad():
                _, true_features = self.network([real, real_maps])
        finally:  # memory may run out here, and the next step trains it again
            self.network.requires_grad_(True)
        return AdversarialTerms(losses.lsgan_generator(scores), losses.feature_matching(true_features, features))


def visibility_weight(canvas_px: int, device: torch.device) -> Tensor:
    """Weight of each pixel of a face canvas, [1,1,S,S]: its opacity in the blend, and a little at the rim."""
    mask = feather_mask(canvas_px, WIDE_RAMP)
    return torch.from_numpy(np.maximum(mask, MIN_WEIGHT)).to(device)[None, None]


def reconstruction_terms(perceptual: PerceptualDistance, out: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Distances of generated faces [N,3,S,S] to the real ones, weighted by visibility."""
    weight = visibility_weight(real.shape[-1], real.device).expand(len(real), -1, -1, -1)
    return {
        "l1": losses.weighted_l1(out, real, weight),
        "structure": losses.structure(out, real, weight),
        "perceptual": perceptual(out, real, weight).mean(),
    }


def augment_expressions(faces: FaceBatch, base: nn.Module, fraction: float, rng: np.random.Generator) -> FaceBatch:
    """Give a fraction of the batch another expression: other landmarks, and in the real image the change that the pretrained
    network makes for them in a coarse version of it.

    Footage shows few expressions; trained on it alone a network forgets what the pretrained one knows of others.
    """
    rows = torch.from_numpy(np.flatnonzero(rng.random(len(faces.image)) < fraction)).to(faces.image.device)
    if not len(rows):
        return faces
    assert faces.augmented_maps is not None
    truth, maps, other = (each[rows] for each in (faces.image, faces.maps, faces.augmented_maps))
    small = [side // _DOWNSAMPLING for side in truth.shape[2:]]
    coarse = F.interpolate(F.interpolate(truth, small, mode="area"), truth.shape[2:], mode="bicubic")
    with torch.no_grad():
        change = base(coarse, other).float() - base(coarse, maps).float()
    image = faces.image.index_copy(0, rows, (truth + change).clamp(-1, 1))
    return replace(faces, image=image, maps=faces.maps.index_copy(0, rows, other))


def drop_landmarks(faces: FaceBatch, fraction: float, rng: np.random.Generator) -> FaceBatch:
    """Remove the landmarks of a fraction of the batch, as in frames where none can be measured."""
    keep = torch.from_numpy(rng.random(len(faces.image)) >= fraction).to(faces.maps.device)
    maps = faces.maps.clone()
    maps[:, : len(LINES)] *= keep[:, None, None, None]
    return replace(faces, maps=maps)


def set_learning_rates(optimizers: Sequence[tuple[torch.optim.Optimizer, float]], steps: int, fraction: float) -> None:
    """Warm up over the first steps, then follow half a cosine down to a twentieth of each optimizer's peak rate at the end."""
    level = min(1.0, (steps + 1) / WARMUP_STEPS) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * min(fraction, 1.0))))
    for optimizer, peak in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = peak * level


def equivalent_body_images(config: FaceConfig, canvas_px: int, body_px: int) -> int:
    """Number of body images that cost as much as a batch of faces, by area."""
    return max(1, round(config.faces_per_step * canvas_px**2 / body_px**2))


def preview_rows(dataset: FaceDataset, count: int = 6) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Some faces of a dataset, evenly spread over time."""
    return np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(np.int64)


def preview_grid(rows: Sequence[Tensor]) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Rows of faces [N,3,S,S] in [-1,1] as one image, enlarged twice."""
    grid = torch.cat([torch.cat(list(faces), dim=2) for faces in rows], dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    image = grid.permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(image.repeat(2, axis=0).repeat(2, axis=1))
