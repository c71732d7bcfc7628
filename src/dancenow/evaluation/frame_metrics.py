"""Image metrics of one frame: a reference frame against the same frame of other videos.

The reference's regions, motion and deep features are computed once for all compared videos; kept in a `ReferenceCache`, they
also serve later comparisons.
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
from dancenow.metrics.motion import Motion, estimate_motion, frame_change, warping_error
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import Box, face_box, frame_box, person_box
from dancenow.types import ImageRGB, Pose

Region = Literal["frame", "person", "face"]
REGIONS: Final[tuple[Region, ...]] = ("frame", "person", "face")
FACE_SIDE_PX: Final = 128
"""Faces are resized to this before the perceptual distance: its coarse stages need more than a few pixels."""

Features = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of one frame of one video against the reference; regions that are not visible are absent from the dicts.

    ssim, psnr_db, perceptual, lpips: value per region, lpips only where its weights are installed. warping_error, frame_change:
    since the previous frame, within the person's box, NaN if unknown. descriptor: float32 [1280] of the person, or None.
    """

    ssim: dict[Region, float]
    psnr_db: dict[Region, float]
    perceptual: dict[Region, float]
    lpips: dict[Region, float]
    warping_error: float
    frame_change: float
    descriptor: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class RegionFeatures:
    """Network features of a region of one image, for both distances (`lpips_features` only where LPIPS is installed), and the
    person's descriptor float32 [1280].
    """

    features: Features
    lpips_features: Features | None
    descriptor: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class ReferenceCache:
    """What was computed for a reference's frames, by frame number. It grows with the clip: at 512 px by about 1 MB per frame
    and 5 MB for every frame with deep features, so it is for short clips that many results are compared with.
    """

    motions: dict[int, Motion] = field(default_factory=dict)
    features: dict[tuple[int, Region], RegionFeatures] = field(default_factory=dict)


class FrameMetrics:
    """Measures the frames of the reference and of other videos in step, in order. Holds one frame of each.

    `every`: the deep distances, which cost more than all the rest, are measured on every n-th frame, and on `deep_regions`
    only. `lpips`: None where its weights are not installed. `cache`: of this reference, compared in the same way.
    """

    def __init__(
        self,
        perceptual: PerceptualDistance,
        every: int,
        lpips: Lpips | None = None,
        *,
        deep_regions: Sequence[Region] = REGIONS,
        cache: ReferenceCache | None = None,
    ) -> None:
        self._perceptual, self._lpips, self._every = perceptual.eval(), lpips, every
        self._deep_regions, self._cache = deep_regions, cache
        self._count = 0
        self._previous: list[ImageRGB] = []
        self._previous_box: Box | None = None

    def measure(self, reference_rgb: ImageRGB, pose: Pose, others_rgb: Sequence[ImageRGB]) -> list[FrameScores]:
        """Scores of the reference by itself (its motion and descriptor only) and then of each other image.

        pose: the reference's keypoints [K], which locate the person and the face.
        """
        height, width = reference_rgb.shape[:2]
        person = person_box(pose, width, height)
        boxes: dict[Region, Box | None] = {
            "frame": frame_box(width, height),
            "person": person,
            "face": face_box(pose, width, height),
        }
        regions = {name: box for name, box in boxes.items() if box is not None}
        images = [reference_rgb, *others_rgb]
        motion_scores = self._motion_scores(images, person)
        is_sampled = self._count % self._every == 0
        deep_scores = self._deep_scores(images, regions) if is_sampled else [DeepScores({}, {}, None)] * len(images)
        scores = [FrameScores({}, {}, {}, {}, *motion_scores[0], deep_scores[0].descriptor)]
        for image, motion, deep in zip(others_rgb, motion_scores[1:], deep_scores[1:], strict=True):
            similarity = ssim_map(image, reference_rgb)
            ssim = {name: float(box.crop(similarity).mean()) for name, box in regions.items()}
            psnr = {name: psnr_db(box.crop(image), box.crop(reference_rgb)) for name, box in regions.items()}
            scores.append(FrameScores(ssim, psnr, deep.perceptual, deep.lpips, *motion, deep.descriptor))
        self._count, self._previous, self._previous_box = self._count + 1, images, person
        return scores

    def _motion_scores(self, images: list[ImageRGB], person: Box | None) -> list[tuple[float, float]]:
        """Warping error and change since the previous frame, of every image; NaN where unknown."""
        if not self._previous or person is None or self._previous_box is None:
            return [(math.nan, math.nan)] * len(images)
        box = person.union(self._previous_box)
        pairs = [(box.crop(before), box.crop(now)) for before, now in zip(self._previous, images, strict=True)]
        cached = {} if self._cache is None else self._cache.motions
        true_motion = cached[self._count] if self._count in cached else estimate_motion(*pairs[0])
        cached[self._count] = true_motion
        return [(warping_error(before, now, true_motion), frame_change(before, now)) for before, now in pairs]

    @torch.inference_mode()
    def _deep_scores(self, images: list[ImageRGB], regions: dict[Region, Box]) -> list["DeepScores"]:
        """Distances to the first image, and descriptors of the person, for every image."""
        scores = [DeepScores({}, {}, None) for _ in images]
        cached = {} if self._cache is None else self._cache.features
        for name, box in regions.items():
            if name not in self._deep_regions:
                continue
            key = (self._count, name)
            cached[key] = true = cached.get(key) or self._extract(box.crop(images[0]), name)
            all_features = [true] + [self._extract(box.crop(image), name) for image in images[1:]]
            for features, score in zip(all_features, scores, strict=True):
                score.perceptual[name] = float(self._perceptual.compare(features.features, true.features))
                score.descriptor = features.descriptor if name == "person" else score.descriptor
                if self._lpips is not None and features.lpips_features is not None and true.lpips_features is not None:
                    score.lpips[name] = float(self._lpips.compare(features.lpips_features, true.lpips_features))
        return scores

    def _extract(self, image_rgb: ImageRGB, region: Region) -> RegionFeatures:
        image = region_to_tensor(image_rgb, region)
        features = self._perceptual.features(image)
        large = self._lpips is not None and min(image.shape[-2:]) >= MIN_SIDE_PX
        lpips_features = self._lpips.features(image) if self._lpips is not None and large else None
        descriptor = self._perceptual.trunk.pool(features)[0].numpy() if region == "person" else None
        return RegionFeatures(features, lpips_features, descriptor)


@dataclass(eq=False)
class DeepScores:
    """Deep metrics of one image: distances to the reference per region, and the person's descriptor."""

    perceptual: dict[Region, float]
    lpips: dict[Region, float]
    descriptor: NDArray[np.float32] | None


def region_to_tensor(image_rgb: ImageRGB, region: Region) -> Tensor:
    """Network input of a region's image: float32 [1,3,H,W] in [-1,1]; faces are resized to one size."""
    if region == "face":
        image_rgb = np.asarray(cv2.resize(image_rgb, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)[None].float() / 127.5 - 1
