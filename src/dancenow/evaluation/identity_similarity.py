"""Identity similarity: descriptors of body and face in a video, compared with those of a person's own footage.

The body is described by the colors of its parts (`pose.tracking.reidentification`), the face by the colors of hair and skin and
by the last features of the ImageNet trunk; both were chosen by how well they distinguish the synthetic people across rooms.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from torch.nn import functional

from dancenow.errors import InputError
from dancenow.media.source import VideoInput, open_video
from dancenow.metrics.identity import concatenate_descriptors, gallery_similarity, head_color_histograms, head_crop, head_mask
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.metrics.regions import person_box
from dancenow.pose.tracking.reidentification import appearance_of
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.types import FloatArray, ImageRGB, Pose, PoseTrack

Aspect = Literal["body", "face"]
ASPECTS: Final[tuple[Aspect, ...]] = ("body", "face")
GALLERY_FRAMES: Final = 40
"""Number of frames, spread over a person's footage, in the gallery; they cover views and lighting."""


@dataclass(frozen=True, eq=False)
class PersonDescriptor:
    """Descriptors of the person in one image: float32 [D] of body and face, None where not visible."""

    body: FloatArray | None
    face: FloatArray | None


@dataclass(frozen=True)
class IdentitySimilarity:
    """Similarity of one image to a person, body and face, as `metrics.identity.gallery_similarity`; NaN where not visible."""

    body: float
    face: float


class IdentityEncoder:
    """Computes descriptors of people; holds the trunk."""

    def __init__(self, trunk: EfficientNetTrunk) -> None:
        self._trunk = trunk
        self._mask = torch.from_numpy(head_mask()).float()[None, None]

    def describe(self, image_rgb: ImageRGB, pose: Pose) -> PersonDescriptor:
        """Describe body and face of the person with these keypoints [K]."""
        height, width = image_rgb.shape[:2]
        if person_box(pose, width, height) is None:
            return PersonDescriptor(None, None)
        crop = head_crop(image_rgb, pose)
        face = None if crop is None else concatenate_descriptors(head_color_histograms(crop), self._head_features(crop))
        return PersonDescriptor(concatenate_descriptors(appearance_of(image_rgb, pose)), face)

    @torch.inference_mode()
    def _head_features(self, crop_rgb: ImageRGB) -> FloatArray:
        """[320]: the trunk's last features, averaged over the head."""
        image = torch.from_numpy(crop_rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
        features = self._trunk.features(image)[-1].float()
        weight = functional.adaptive_avg_pool2d(self._mask, (features.shape[-2], features.shape[-1]))
        mean: FloatArray = ((features * weight).sum((2, 3)) / weight.sum())[0].numpy()
        return mean


class PersonGallery:
    """Descriptors of a person's footage. gallery: float32 [N,D] per aspect, N = 0 where it is never visible."""

    def __init__(self, descriptors: list[PersonDescriptor]) -> None:
        self.gallery: dict[Aspect, FloatArray] = {}
        for aspect in ASPECTS:
            seen = [getattr(descriptor, aspect) for descriptor in descriptors if getattr(descriptor, aspect) is not None]
            self.gallery[aspect] = np.array(seen, np.float32)

    def compare(self, descriptor: PersonDescriptor) -> IdentitySimilarity:
        """Similarity of a descriptor to this person."""

        def of(aspect: Aspect) -> float:
            vector: FloatArray | None = getattr(descriptor, aspect)
            return float("nan") if vector is None else gallery_similarity(vector, self.gallery[aspect])

        return IdentitySimilarity(of("body"), of("face"))


def build_gallery(
    video: VideoInput, track: PoseTrack, encoder: IdentityEncoder, on_progress: ProgressCallback = ignore_progress
) -> PersonGallery:
    """Build the gallery of a track's person from up to `GALLERY_FRAMES` frames spread evenly over their video.

    Raises:
        UserError: the video cannot be read, its frame size differs from the track's, or nobody is visible.
    """
    source = open_video(video)
    step = max(1, -(-len(track) // GALLERY_FRAMES))
    descriptors = []
    for frame in source.frames(0, len(track), step):
        height, width = frame.image_rgb.shape[:2]
        if (width, height) != (track.width_px, track.height_px):
            size = f"{track.width_px}x{track.height_px}"
            raise InputError(f"the track was made at {size} but {video} is {width}x{height}; detect it again.")
        descriptors.append(encoder.describe(frame.image_rgb, track.pose[frame.index]))
        on_progress(Progress(f"describing the person in {source.path.name}", frame.index + 1, len(track)))
    if all(descriptor.body is None for descriptor in descriptors):
        raise InputError(f"nobody is visible in {video}; give footage of one whole person.")
    return PersonGallery(descriptors)
