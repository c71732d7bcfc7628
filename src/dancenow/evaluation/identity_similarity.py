"""How like a person the people of a video look: descriptions of body and face, compared with those of the person's own footage.

The body is described by the colours of its parts (`pose.tracking.reidentification.look_of`), the face by the colours of
hair and skin and by the
last features of the ImageNet trunk; both were chosen by how well they tell the studio's dancers apart across rooms.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch.nn import functional

from dancenow.errors import InputError
from dancenow.media.source import read_frames
from dancenow.metrics.identity import head_colours, head_mask, head_window, joined, similarity
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.metrics.regions import person_box
from dancenow.pose.tracking.reidentification import look_of
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.types import FloatArray, ImageRGB, Pose, PoseTrack

Aspect = Literal["body", "face"]
ASPECTS: Final[tuple[Aspect, ...]] = ("body", "face")
PICTURES: Final = 40
"""A person is known from so many pictures, spread over their footage: turns and light are among them."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """What one picture says of who is in it: float32 [D] of body and face, None where they are not in sight."""

    body: FloatArray | None
    face: FloatArray | None


@dataclass(frozen=True)
class Likeness:
    """Similarity of one picture to a person, body and face, as `metrics.identity.similarity`; NaN where not in sight."""

    body: float
    face: float


class IdentityEncoder:
    """Describes people; holds the trunk."""

    def __init__(self, trunk: EfficientNetTrunk) -> None:
        self._trunk = trunk
        self._mask = torch.from_numpy(head_mask()).float()[None, None]

    def portrait(self, image_rgb: ImageRGB, pose: Pose) -> Portrait:
        """Body and face of whoever has these keypoints [K]."""
        height, width = image_rgb.shape[:2]
        if person_box(pose, width, height) is None:
            return Portrait(None, None)
        window = head_window(image_rgb, pose)
        face = None if window is None else joined(head_colours(window), self._head_features(window))
        return Portrait(joined(look_of(image_rgb, pose)), face)

    @torch.inference_mode()
    def _head_features(self, window_rgb: ImageRGB) -> FloatArray:
        """[320]: the trunk's last features, averaged over the head."""
        image = torch.from_numpy(window_rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
        features = self._trunk.features(image)[-1].float()
        weight = functional.adaptive_avg_pool2d(self._mask, (features.shape[-2], features.shape[-1]))
        mean: FloatArray = ((features * weight).sum((2, 3)) / weight.sum())[0].numpy()
        return mean


class Person:
    """Somebody as their footage shows them. gallery: float32 [N,D] per aspect, N = 0 where it never shows it."""

    def __init__(self, portraits: list[Portrait]) -> None:
        self.gallery: dict[Aspect, FloatArray] = {}
        for aspect in ASPECTS:
            seen = [getattr(portrait, aspect) for portrait in portraits if getattr(portrait, aspect) is not None]
            self.gallery[aspect] = np.array(seen, np.float32)

    def likeness(self, portrait: Portrait) -> Likeness:
        """How like this person somebody looks."""

        def of(aspect: Aspect) -> float:
            description: FloatArray | None = getattr(portrait, aspect)
            return float("nan") if description is None else similarity(description, self.gallery[aspect])

        return Likeness(of("body"), of("face"))


def person_of(
    video: Path, track: PoseTrack, observer: IdentityEncoder, on_progress: ProgressCallback = ignore_progress
) -> Person:
    """The person of a track, known from up to `PICTURES` frames spread evenly over their video.

    Raises:
        UserError: the video cannot be read, its frames have another size than the track's, or nobody is in them.
    """
    step = max(1, -(-len(track) // PICTURES))
    portraits = []
    for frame in read_frames(video, 0, len(track), step):
        height, width = frame.image_rgb.shape[:2]
        if (width, height) != (track.width_px, track.height_px):
            size = f"{track.width_px}x{track.height_px}"
            raise InputError(f"the track was made at {size} but {video} is {width}x{height}; detect it again.")
        portraits.append(observer.portrait(frame.image_rgb, track.pose[frame.index]))
        on_progress(Progress(f"get to know {video.name}", frame.index + 1, len(track)))
    if all(portrait.body is None for portrait in portraits):
        raise InputError(f"nobody can be seen in {video}; give footage of one whole person.")
    return Person(portraits)
