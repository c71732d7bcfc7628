"""Training of a generator with references: a crop training whose generator also sees warped pictures of the person.

Pictures near in time to the wanted frame are not used, or the network would learn to copy the very frame. What the pretrained
weights know about other poses is rehearsed, see `rehearsal`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.assets import BASE, REFERENCES_BASE
from dancenow.generators.crop.dataset import Clip, CropDataset
from dancenow.generators.crop.task import CropTask
from dancenow.generators.references.config import ReferenceConfig
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.reference_choice import ReferenceChoice, choose_nearest, exclude_near
from dancenow.generators.references.reference_set import PREFIX, ReferenceSet
from dancenow.generators.references.rehearsal import Rehearsal
from dancenow.generators.references.unseen_poses import UnseenPoses
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.provenance.stored_pictures import PICTURES_KEY
from dancenow.storage.checkpoint import Checkpoint, with_prefix
from dancenow.training.distributed import share


class ReferenceTask(CropTask):
    """See the module."""

    def __init__(
        self,
        dataset: CropDataset,
        config: ReferenceConfig,
        references: ReferenceSet,
        time_s: NDArray[np.float64],
        *,
        seed: int,
        kept: Checkpoint,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """As `CropTask`. time_s: float64 [N] of the dataset's frames in the footage."""
        self._options, self._rehearsed = config.references, config.rehearsed
        self._warper = create_warper(references, config.generator.canvas_px, device)
        self._time_s = torch.from_numpy(time_s).to(device)
        info = replace(kept.info, subject={**kept.info.subject, PICTURES_KEY: len(references)})
        kept = Checkpoint(info, {**kept.tensors, **with_prefix(PREFIX, references.to_tensors())})
        super().__init__(dataset, config, seed=seed, kept=kept, perceptual=perceptual, device=device)
        self._rehearsal = self._create_rehearsal()

    def _base_path(self) -> Path:
        """The base of this family if there is one, else that of the crop family, which knows nothing of pictures."""
        return REFERENCES_BASE if REFERENCES_BASE.is_file() else BASE

    def _new_generator(self) -> ReferenceGenerator:
        return ReferenceGenerator(self.config.generator, self._options.slots)

    def _inputs(self, clip: Clip, maps: Tensor, frames: NDArray[np.int64], rng: np.random.Generator | None = None) -> Tensor:
        """Pose maps and warped references; all frames of a clip see the pictures chosen for its last one."""
        with torch.autocast(self.device.type, enabled=False):
            last = self._warper.pictures.distances(clip.xy[:, -1], clip.confidence[:, -1], clip.depth[:, -1])
            time_s = self._time_s[torch.from_numpy(frames[:, -1]).to(self.device)]
            last = exclude_near(last, time_s, self._warper.pictures.time_s, self._options.gap_s)
            choice = choose_nearest(last, self._options.slots, rng)
            warped = [self._warp(clip, frame, choice, last) for frame in range(maps.shape[1])]
        return torch.cat([maps, torch.stack(warped, dim=1).to(maps.dtype)], dim=2)

    def _create_rehearsal(self) -> Rehearsal | None:
        """None without pretrained weights of this family: those of another know nothing of pictures."""
        if self._pretrained is None or not self._rehearsed or self._base_path() != REFERENCES_BASE:
            return None
        teacher = self._new_generator().requires_grad_(False)
        self._pretrained.load_into(teacher)
        off = np.float32((self.dataset.canvas_px - self.dataset.image.shape[1]) / 2)
        footage = replace(self.dataset.pose, xy=self.dataset.pose.xy + off)
        return Rehearsal(teacher.to(self.device), self._warper, UnseenPoses(footage))

    def _further_terms(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """The rehearsal."""
        if self._rehearsal is None:
            return {}
        assert isinstance(self.generator, ReferenceGenerator)
        return {"rehearsal": self._rehearsal.term(self.generator, share(self._rehearsed), rng)}

    def _warp(self, clip: Clip, frame: int, choice: ReferenceChoice, distances: Tensor) -> Tensor:
        pose = clip.xy[:, frame], clip.confidence[:, frame], clip.depth[:, frame]
        return self._warper.warp(*pose, choice, distances)
