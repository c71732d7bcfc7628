"""One frame of the truth beside the same frame of other videos: everything that is measured on pictures.

The reference's regions, motion and deep features are computed once and serve every video that is compared with it; kept in
a `Memory`, they serve later comparisons as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.metrics.images import psnr_db, ssim_map
from dancenow.metrics.lpips import MIN_SIDE_PX, Lpips
from dancenow.metrics.motion import Motion, change, motion, warping_error
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import Box, face_box, person_box, whole
from dancenow.types import ImageRGB, Pose

Region = Literal["frame", "person", "face"]
REGIONS: Final[tuple[Region, ...]] = ("frame", "person", "face")
FACE_SIDE_PX: Final = 128
"""Faces are brought to this size before the perceptual distance: its coarse stages see nothing in a few pixels."""

Features = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class PictureScores:
    """One frame of one video against the reference; regions that are not in sight are absent from the dicts.

    ssim, psnr_db, perceptual, lpips: value per region, lpips only where its weights are installed. warping_error, change:
    since the frame before, within the person's box, NaN if unknown. description: float32 [1280] of the person, None where it
    was not asked for.
    """

    ssim: dict[Region, float]
    psnr_db: dict[Region, float]
    perceptual: dict[Region, float]
    lpips: dict[Region, float]
    warping_error: float
    change: float
    description: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Seen:
    """What networks see in a region of one picture: features for both distances, the latter only where LPIPS is installed,
    and of a person the description float32 [1280]."""

    features: Features
    layers: Features | None
    description: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Memory:
    """What was computed of a reference's frames, by their number. It grows with the clip: at 512 px by about 1 MB a frame and
    5 MB for every one that networks look at, so it is for short clips that many results are compared with."""

    motions: dict[int, Motion] = field(default_factory=dict)
    seen: dict[tuple[int, Region], Seen] = field(default_factory=dict)


class FrameMetrics:
    """Takes the frames of the reference and of others in step, in order, and judges each. Holds one frame of each.

    `every`: the deep distances, which cost more than all the rest, are taken of each `every`-th frame, and of `deep_regions`
    only. `lpips`: None where its weights are not installed. `memory`: of this very reference, compared in the same way.
    """

    def __init__(
        self,
        perceptual: PerceptualDistance,
        every: int,
        lpips: Lpips | None = None,
        *,
        deep_regions: Sequence[Region] = REGIONS,
        memory: Memory | None = None,
    ) -> None:
        self._perceptual, self._lpips, self._every = perceptual.eval(), lpips, every
        self._deep_regions, self._memory = deep_regions, memory
        self._count = 0
        self._previous: list[ImageRGB] = []
        self._previous_box: Box | None = None

    def judge(self, reference_rgb: ImageRGB, pose: Pose, others_rgb: Sequence[ImageRGB]) -> list[PictureScores]:
        """Scores of the reference by itself (its motion and description only) and then of each of the others.

        pose: the reference's keypoints [K], which say where person and face are.
        """
        height, width = reference_rgb.shape[:2]
        person = person_box(pose, width, height)
        boxes: dict[Region, Box | None] = {
            "frame": whole(width, height),
            "person": person,
            "face": face_box(pose, width, height),
        }
        regions = {name: box for name, box in boxes.items() if box is not None}
        images = [reference_rgb, *others_rgb]
        moved = self._moved(images, person)
        deep = self._deep(images, regions) if self._count % self._every == 0 else [Deep({}, {}, None)] * len(images)
        scores = [PictureScores({}, {}, {}, {}, *moved[0], deep[0].description)]
        for image, errors, seen in zip(others_rgb, moved[1:], deep[1:], strict=True):
            similarity = ssim_map(image, reference_rgb)
            ssim = {name: float(box.of(similarity).mean()) for name, box in regions.items()}
            psnr = {name: psnr_db(box.of(image), box.of(reference_rgb)) for name, box in regions.items()}
            scores.append(PictureScores(ssim, psnr, seen.perceptual, seen.lpips, *errors, seen.description))
        self._count, self._previous, self._previous_box = self._count + 1, images, person
        return scores

    def _moved(self, images: list[ImageRGB], person: Box | None) -> list[tuple[float, float]]:
        """Warping error and change since the frame before, of every picture; NaN where unknown."""
        if not self._previous or person is None or self._previous_box is None:
            return [(math.nan, math.nan)] * len(images)
        box = person.union(self._previous_box)
        pairs = [(box.of(before), box.of(now)) for before, now in zip(self._previous, images, strict=True)]
        known = {} if self._memory is None else self._memory.motions
        true_motion = known[self._count] if self._count in known else motion(*pairs[0])
        known[self._count] = true_motion
        return [(warping_error(before, now, true_motion), change(before, now)) for before, now in pairs]

    @torch.inference_mode()
    def _deep(self, images: list[ImageRGB], regions: dict[Region, Box]) -> list["Deep"]:
        """Distances to the first picture, and descriptions of the person, for every picture."""
        deep = [Deep({}, {}, None) for _ in images]
        known = {} if self._memory is None else self._memory.seen
        for name, box in regions.items():
            if name not in self._deep_regions:
                continue
            key = (self._count, name)
            known[key] = true = known.get(key) or self._see(box.of(images[0]), name)
            for seen, each in zip(([true] + [self._see(box.of(image), name) for image in images[1:]]), deep, strict=True):
                each.perceptual[name] = float(self._perceptual.compare(seen.features, true.features))
                each.description = seen.description if name == "person" else each.description
                if self._lpips is not None and seen.layers is not None and true.layers is not None:
                    each.lpips[name] = float(self._lpips.compare(seen.layers, true.layers))
        return deep

    def _see(self, image_rgb: ImageRGB, region: Region) -> Seen:
        picture = as_tensor(image_rgb, region)
        features = self._perceptual.features(picture)
        large = self._lpips is not None and min(picture.shape[-2:]) >= MIN_SIDE_PX
        layers = self._lpips.features(picture) if self._lpips is not None and large else None
        description = self._perceptual.trunk.pool(features)[0].numpy() if region == "person" else None
        return Seen(features, layers, description)


@dataclass(eq=False)
class Deep:
    """What networks say of one picture: distances to the reference per region, description of the person."""

    perceptual: dict[Region, float]
    lpips: dict[Region, float]
    description: NDArray[np.float32] | None


def as_tensor(image_rgb: ImageRGB, region: Region) -> Tensor:
    """What deep distances see of a region's picture: float32 [1,3,H,W] in [-1,1]; faces are brought to one size."""
    if region == "face":
        image_rgb = np.asarray(cv2.resize(image_rgb, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)[None].float() / 127.5 - 1
