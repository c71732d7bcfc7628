"""Draw images of one rendered person together with other pictures of them, warped onto the pose, as training sees them."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.dataset import Augmentation, Clip
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.reference_choice import choose_nearest, exclude_near
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.research.recipes.film_damage import damage_pictures
from dancenow.research.recipes.pretraining_task import HANDS
from dancenow.research.recipes.reference_people import ReferencePerson
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import Pose

_MOST_ERROR: Final = 0.01
"""Largest standard deviation of keypoints, as a fraction of the canvas."""
_MOST_HIDDEN: Final = 0.8
"""Largest part of the pictures that are withheld from an image, so that it also learns to do without."""
_HIDDEN: Final = 50.0


@dataclass(frozen=True, eq=False)
class Detector:
    """How a detector errs with one person, in their pictures and in a dance alike.

    error: standard deviation of the keypoints as a fraction of the canvas. depth_gain: depth is exaggerated, or 0 if unknown.
    visible: float32 [K], 0 for keypoints that it does not know.
    """

    error: float
    depth_gain: float
    visible: NDArray[np.float32]

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """Errors as in `pretraining_task.jitter_track`."""
        gain = float(np.exp(rng.uniform(0, 1.2))) * (rng.random() > 0.15)
        is_handless = rng.random() < 0.25
        visible = np.where(is_handless & np.isin(np.arange(NUM_KEYPOINTS), HANDS), np.float32(0), np.float32(1))
        return cls(float(rng.uniform(0, _MOST_ERROR)), gain, visible)

    def find(self, pose: Pose, px: float, rng: np.random.Generator) -> Pose:
        """What it finds of exact poses [N,K], on images in which a canvas is `px` wide."""
        off = (rng.standard_normal(pose.xy.shape) * self.error * px).astype(np.float32)
        return Pose(pose.xy + off, pose.confidence * self.visible, pose.depth * np.float32(self.depth_gain))


class SampledPerson:
    """A person whose images can be drawn."""

    def __init__(
        self, person: ReferencePerson, options: ReferenceOptions, rng: np.random.Generator, device: torch.device
    ) -> None:
        """rng: of the errors of detection and the damage to the pictures."""
        self._crops, self._options, self._device = person.crops, options, device
        self._detector = Detector.random(rng)
        references, canvas_px = damage_pictures(person.references, rng), person.crops.canvas_px
        found = self._detector.find(references.pose, canvas_px * references.px_per_canvas_px, rng)
        self._warper = create_warper(replace(references, pose=found), canvas_px, device)
        self._time_s = torch.from_numpy(person.time_s).to(device)

    def draw(self, rng: np.random.Generator, augmentation: Augmentation) -> tuple[Clip, Tensor]:
        """A random image, randomly placed: a clip [1,1,...] and warped pictures [1,C,S/4,S/4], of another time of the dance and
        at times few."""
        frames = self._crops.draw_frames(1, rng, length=1, evenly=True)
        clip = self._found(self._crops.place(frames, rng, augmentation, self._device), rng)
        withheld = rng.random(len(self._warper.pictures.time_s)) < rng.uniform(0, _MOST_HIDDEN)
        return clip, self._warp(clip, frames, rng, withheld)

    def show(self, count: int) -> tuple[Clip, Tensor]:
        """Images spread over the dance, placed as in a transfer, with all pictures of other times."""
        frames = np.linspace(0, len(self._crops.image) - 1, count + 2).round().astype(np.int64)[1:-1, None]
        rng = np.random.default_rng(count)
        clip = self._crops.take(frames, np.repeat(self._crops.centered[None], count, axis=0), self._device)
        clip = self._found(clip, rng)
        return clip, self._warp(clip, frames, None, np.zeros(len(self._warper.pictures.time_s), np.bool_))

    def _found(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """The clip with its keypoints as a detector finds them."""
        exact = Pose(*(each.flatten(0, 1).cpu().numpy() for each in (clip.xy, clip.confidence, clip.depth)))
        found = self._detector.find(exact, self._crops.canvas_px, rng)
        shape = clip.confidence.shape
        xy, confidence, depth = (torch.from_numpy(a).to(clip.xy) for a in (found.xy, found.confidence, found.depth))
        return replace(clip, xy=xy.reshape(*shape, 2), confidence=confidence.reshape(shape), depth=depth.reshape(shape))

    def _warp(
        self, clip: Clip, frames: NDArray[np.int64], rng: np.random.Generator | None, withheld: NDArray[np.bool_]
    ) -> Tensor:
        """Pictures for clips [B,1,...] of the given frames [B,1]; those withheld, [M], are not used."""
        pose = clip.xy[:, 0], clip.confidence[:, 0], clip.depth[:, 0]
        distances = self._warper.pictures.distances(*pose)
        time_s = self._time_s[torch.from_numpy(frames[:, 0]).to(self._device)]
        distances = exclude_near(distances, time_s, self._warper.pictures.time_s, self._options.gap_s)
        distances = distances + _HIDDEN * torch.from_numpy(withheld).to(distances)
        choice = choose_nearest(distances, self._options.slots, rng)
        return self._warper.warp(*pose, choice, distances)
