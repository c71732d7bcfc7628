"""What the face phases share: the judge of a face and its pose, where a face counts, and their schedules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dancenow.face.blending import WHOLE, soft_mask
from dancenow.face.dataset import FaceDataset, Faces
from dancenow.face.landmark_maps import LINES, NUM_MAPS
from dancenow.face.recipe import FaceRecipe
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.networks import losses
from dancenow.networks.pix2pixhd import MultiScalePatchGAN
from dancenow.training.safe_step import SafeOptimizerStep

WARM_STEPS: Final = 5
LEAST_COUNT: Final = 0.05
_COARSE: Final = 4
"""Factor by which a picture is made small and large again before the base sees it: it is made for unfinished ones."""


@dataclass(frozen=True, eq=False)
class JudgedFaces:
    """Two terms of a network that made faces."""

    adversarial: Tensor
    feature_matching: Tensor


class Count(nn.Module):
    """Steps taken, and faces per step, fewer than the recipe's where memory is short; a module, so that it is resumed."""

    steps: Tensor
    batch: Tensor

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batch", torch.tensor(batch))

    def shrink(self) -> bool:
        """Half as many faces per step; False if there is only one."""
        smaller = int(self.batch) // 2
        self.batch.fill_(max(smaller, 1))
        return smaller > 0


class FaceJudge(nn.Module):
    """Tells made faces from real ones, given their maps: a picture with another expression than its maps' is no real one."""

    def __init__(self, width: int, learning_rate: float) -> None:
        super().__init__()
        self.network = MultiScalePatchGAN(3 + NUM_MAPS, width, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate, betas=(0.5, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer, most=math.inf)

    def terms(
        self, made: Tensor, made_maps: Tensor, real: Tensor, real_maps: Tensor, teacher: Tensor | None = None
    ) -> JudgedFaces:
        """Learn from this batch, then say what the network has to answer for; teacher: made faces to learn from instead."""
        learnt = (made if teacher is None else teacher).detach()
        truth, guess = self.network([real, real_maps]), self.network([learnt, made_maps])
        self._optimizer_step(losses.lsgan_discriminator(truth[0], guess[0]))
        self.network.requires_grad_(False)
        try:
            scores, features = self.network([made, made_maps])
            with torch.no_grad():
                _, true_features = self.network([real, real_maps])
        finally:  # memory may run out here, and the next step teaches again
            self.network.requires_grad_(True)
        return JudgedFaces(losses.lsgan_generator(scores), losses.feature_matching(true_features, features))


def shown(canvas_px: int, device: torch.device) -> Tensor:
    """How much each pixel of a face's canvas counts, [1,1,S,S]: as much as it is shown, and a little at the rim, too."""
    mask = soft_mask(canvas_px, WHOLE)
    return torch.from_numpy(np.maximum(mask, LEAST_COUNT)).to(device)[None, None]


def face_terms(perceptual: PerceptualDistance, out: Tensor, real: Tensor) -> dict[str, Tensor]:
    """How far made faces [N,3,S,S] are from the true ones, where they are shown."""
    weight = shown(real.shape[-1], real.device).expand(len(real), -1, -1, -1)
    return {
        "l1": losses.weighted_l1(out, real, weight),
        "structure": losses.structure(out, real, weight),
        "perceptual": perceptual(out, real, weight).mean(),
    }


def played(faces: Faces, base: nn.Module, share: float, rng: np.random.Generator) -> Faces:
    """The batch with some faces given another expression: its landmarks, and in the true picture what the base of the faces
    would change for them in a coarse one.

    Footage shows few expressions, and learnt from alone makes a network forget what the base knows of the others.
    """
    rows = torch.from_numpy(np.flatnonzero(rng.random(len(faces.image)) < share)).to(faces.image.device)
    if not len(rows):
        return faces
    assert faces.other is not None
    truth, maps, other = (each[rows] for each in (faces.image, faces.maps, faces.other))
    small = [side // _COARSE for side in truth.shape[2:]]
    coarse = F.interpolate(F.interpolate(truth, small, mode="area"), truth.shape[2:], mode="bicubic")
    with torch.no_grad():
        change = base(coarse, other).float() - base(coarse, maps).float()
    image = faces.image.index_copy(0, rows, (truth + change).clamp(-1, 1))
    return replace(faces, image=image, maps=faces.maps.index_copy(0, rows, other))


def bared(faces: Faces, share: float, rng: np.random.Generator) -> Faces:
    """The batch with some faces' landmarks left out, as where none can be measured."""
    keep = torch.from_numpy(rng.random(len(faces.image)) >= share).to(faces.maps.device)
    maps = faces.maps.clone()
    maps[:, : len(LINES)] *= keep[:, None, None, None]
    return replace(faces, maps=maps)


def follow_schedule(optimizers: Sequence[tuple[torch.optim.Optimizer, float]], steps: int, share: float) -> None:
    """Warm up over the first steps, then half a cosine down to a twentieth at the end; each optimizer with its peak."""
    level = min(1.0, (steps + 1) / WARM_STEPS) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * min(share, 1.0))))
    for optimizer, peak in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = peak * level


def images_of(recipe: FaceRecipe, canvas_px: int, body_px: int) -> int:
    """What a batch of faces counts for in images of the body: by its area, since that is what it costs."""
    return max(1, round(recipe.faces_per_step * canvas_px**2 / body_px**2))


def sample_rows(store: FaceDataset, count: int = 6) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Some faces of a store, spread over its time."""
    return np.linspace(0, len(store) - 1, min(count, len(store))).round().astype(np.int64)


def side_by_side(rows: Sequence[Tensor]) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Rows of faces [N,3,S,S] in [-1,1] as one picture, enlarged so that something can be seen."""
    picture = torch.cat([torch.cat(list(faces), dim=2) for faces in rows], dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    image = picture.permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(image.repeat(2, axis=0).repeat(2, axis=1))
