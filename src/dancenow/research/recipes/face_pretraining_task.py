"""Pretraining of the face network: one residual network for many random people, as the initialization for a person's own.

Its input images are degraded like the output of a half-trained body generator: blurred, shifted, with wrong colors, and with
another expression than the landmarks', so that the network must follow the landmarks. The person's own training then shows the
real output of their body generator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.face.dataset import FaceBatch, images_to_tensor
from dancenow.face.face_losses import drop_landmarks, preview_grid, reconstruction_terms, set_learning_rates
from dancenow.face.network import FaceNetwork, FaceNetworkConfig, refine_face
from dancenow.face.pretrained_init import FACE_KIND
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.research.recipes.face_renders import Closeups
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.distributed import share, whole
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.safe_step import SafeOptimizerStep
from dancenow.training.state import require_same_training, restore_state, state_tensors


@dataclass(frozen=True)
class FacePretrainingConfig:
    """How the shared face network is trained.

    faces_per_step: in a batch, each of another person. landmark_dropout: as in `FaceConfig`. untold: fraction of faces whose
    degraded image shows nothing of the expression; the others show some. coarse: range of the factors by which images are
    downsampled and upsampled again; moved: largest shift as a fraction of the canvas.
    """

    network: FaceNetworkConfig = field(default_factory=FaceNetworkConfig)
    faces_per_step: int = 8
    learning_rate: float = 7e-4
    landmark_dropout: float = 0.15
    untold: float = 0.7
    coarse: tuple[float, float] = (3.0, 9.0)
    moved: float = 0.03
    precision: Precision = "bfloat16"


class FacePretrainingTask:
    """A `loop.Task`: the network, its average and its optimizer."""

    def __init__(
        self,
        people: Sequence[Closeups],
        config: FacePretrainingConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        self.people, self.config, self.seed, self.device = people, config, seed, device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.network = FaceNetwork(config.network).to(device)
        self.average = FaceNetwork(config.network).to(device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.perceptual = perceptual.to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self._optimizer_step = SafeOptimizerStep(self.optimizer)
        self.images_per_step = whole(config.faces_per_step)
        self._images = 0

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        config, count = self.config, share(self.images_per_step)
        set_learning_rates([(self.optimizer, config.learning_rate)], self._images // self.images_per_step, progress)
        faces = drop_landmarks(self._draw(count, rng), config.landmark_dropout, rng)
        assert faces.generated is not None
        with autocast(self.device, config.precision):
            out = faces.generated + self.network(faces.generated, faces.maps).float()
            terms = reconstruction_terms(self.perceptual, out, faces.image)
        self._optimizer_step(terms["l1"] + 0.3 * terms["structure"] + 2 * terms["perceptual"])
        self._images += self.images_per_step
        update_average(self.average, self.network, self.images_per_step, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: the images are small already."""
        return False

    def _draw(self, count: int, rng: np.random.Generator) -> FaceBatch:
        side = self.config.network.canvas_px
        images, rendered, maps = [], [], []
        for who in rng.choice(len(self.people), count, replace=len(self.people) < count):
            person = self.people[int(who)]
            i, (x, y) = int(rng.integers(len(person.image))), rng.integers(0, person.image.shape[1] - side + 1, 2)
            told = 0.0 if rng.random() < self.config.untold else float(rng.uniform(0, 1))
            both = [each[i, y : y + side, x : x + side] for each in (person.image, person.usual)]
            images.append(both[0])
            rendered.append(cv2.addWeighted(both[0], told, both[1], 1 - told, 0))
            maps.append(person.maps[i, :, y : y + side, x : x + side])
        image, degraded = (images_to_tensor(np.stack(each), self.device) for each in (images, rendered))
        shown = torch.from_numpy(np.stack(maps)).to(self.device).float() / 255
        return FaceBatch(image, shown, degrade_faces(degraded, self.config, rng))

    def model(self, clock: Clock) -> Checkpoint:
        """The averaged network in half precision, sufficient for an initialization."""
        info = CheckpointInfo(FACE_KIND, {**asdict(self.config), "people": len(self.people)}, clock.images, clock.seconds)
        weights = {name: value.half() for name, value in self.average.state_dict().items()}
        return Checkpoint(info, with_prefix("face", weights))

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"network": self.network, "average": self.average}, {"adam": self.optimizer})
        return Checkpoint(CheckpointInfo("training-state", self._described, clock.images, clock.seconds), tensors)

    @property
    def _described(self) -> dict[str, Any]:
        return {"seed": self.seed, "people": len(self.people), **asdict(self.config)}

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another recipe.
        """
        require_same_training(state, self._described, {})
        restore_state(state, {"network": self.network, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Eight faces: truth, degraded, refined."""
        faces = self._draw(min(8, len(self.people)), np.random.default_rng(self.seed))
        assert faces.generated is not None
        return preview_grid([faces.image, faces.generated, refine_face(self.average, faces.generated, faces.maps)])


def degrade_faces(image: Tensor, config: FacePretrainingConfig, rng: np.random.Generator) -> Tensor:
    """Degrade faces [N,3,S,S] like the output of a half-trained generator."""
    side = image.shape[-1]
    out = []
    for face in image[:, None]:
        small = round(side / rng.uniform(*config.coarse))
        coarse = F.interpolate(F.interpolate(face, (small, small), mode="area"), (side, side), mode="bicubic")
        x, y = (int(v) for v in rng.integers(-round(config.moved * side), round(config.moved * side) + 1, 2))
        coarse_noise = torch.from_numpy(rng.normal(0, 0.05, (1, 3, side // 8, side // 8))).float().to(face.device)
        fine_noise = torch.from_numpy(rng.normal(0, 0.03, (1, 3, side // 4, side // 4))).float().to(face.device)
        tint = torch.from_numpy(rng.normal(0, 0.04, (1, 3, 1, 1))).float().to(face.device)
        noise = F.interpolate(coarse_noise, (side, side), mode="bicubic") + F.interpolate(
            fine_noise, (side, side), mode="bicubic"
        )
        out.append(torch.roll(coarse, (y, x), (2, 3)) * float(rng.normal(1, 0.05)) + tint + noise)
    return torch.cat(out).clamp(-1, 1)
