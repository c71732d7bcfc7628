"""Faces for training: selection of frames with a usable face, and their crops, slightly larger than the network's canvas.

A person's faces are few and small, so they are all held in memory; each draw shifts face and maps together by a few pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.face.expression_augmentation import randomize_expressions
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import FaceTrack, Reason
from dancenow.face.face_tracking import MIN_HEAD_PX
from dancenow.face.landmark_maps import draw_face_maps
from dancenow.face.network import CANVAS_STEP_PX, MIN_CANVAS_PX
from dancenow.face.views import rarity_weights, views_of
from dancenow.media.source import VideoInput, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.exposure import Exposure
from dancenow.types import ImageRGB, Pose

MIN_FACES: Final = 24
"""With fewer a network only memorizes them."""
BORDER_FRACTION: Final = 1 / 16
"""Fraction of the canvas added on every side of a stored face, within which draws are shifted."""


@dataclass(frozen=True, eq=False)
class FaceBatch:
    """A batch of faces. image: [N,3,S,S] in [-1,1]. maps: [N,M,S,S] in [0,1]. generated: [N,3,S,S], the same faces rendered by
    the body generator, or None. augmented_maps: [N,M,S,S], maps of the same heads with another expression, or None.
    """

    image: Tensor
    maps: Tensor
    generated: Tensor | None
    augmented_maps: Tensor | None = None


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Faces of one person. frames: int64 [N], frame numbers in the video, increasing. image: uint8 [N,R,R,3] as recorded. maps:
    uint8 [N,M,R,R], 255 = 1. augmented_maps: the same with another expression, see `face.expression_augmentation`. track: all
    frames, on canvases of R px, which is canvas_px plus a border.
    """

    frames: NDArray[np.int64]
    image: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    augmented_maps: NDArray[np.uint8]
    track: FaceTrack
    canvas_px: int

    @cached_property
    def _probability(self) -> NDArray[np.float64]:
        """With which each face is drawn, [N]."""
        weights = rarity_weights(views_of(self.track)[self.frames])
        return np.asarray(weights / weights.sum())

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def build(
        cls,
        video: VideoInput,
        faces: FaceTrack,
        pose: Pose,
        frames: NDArray[np.int64],
        on_progress: ProgressCallback = ignore_progress,
        exposure: Exposure | None = None,
    ) -> "FaceDataset":
        """Crop the faces of the given frames, see `usable_faces`. pose: the person's [T,K]; the canvas is that of `faces`.

        exposure: of the video; it is corrected.

        Raises:
            UserError: the video cannot be read, or ends before the last frame.
        """
        track = add_border(faces)
        image = np.empty((len(frames), track.size_px, track.size_px, 3), np.uint8)
        changed = track.landmarks.copy()
        changed[frames] = randomize_expressions(track.landmarks[frames], np.random.default_rng(0))
        augmented = replace(track, landmarks=changed)
        maps: list[NDArray[np.uint8]] = []
        augmented_maps: list[NDArray[np.uint8]] = []
        for place, frame in enumerate(open_video(video).frames_at(frames.tolist())):
            image_rgb = frame.image_rgb if exposure is None else exposure.correct(frame.image_rgb, frame.index)
            image[place] = crop_face(image_rgb, track.crop(frame.index))
            for kept, shown in ((maps, track), (augmented_maps, augmented)):
                kept.append(quantize_maps(draw_face_maps(shown, frame.index, pose[frame.index])))
            on_progress(Progress("reading faces", place + 1, len(frames)))
        return cls(frames, image, np.stack(maps), np.stack(augmented_maps), track, faces.size_px)

    def crop_generated(self, images: Iterator[ImageRGB], on_progress: ProgressCallback = ignore_progress) -> NDArray[np.uint8]:
        """Crop the same faces from generated images of the same frames: uint8 [N,R,R,3]."""
        cropped = np.empty_like(self.image)
        for place, (index, image) in enumerate(zip(self.frames, images, strict=True)):
            cropped[place] = crop_face(image, self.track.crop(int(index)))
            on_progress(Progress("rendering faces", place + 1, len(self)))
        return cropped

    def draw(
        self, batch: int, rng: np.random.Generator, device: torch.device, generated: NDArray[np.uint8] | None = None
    ) -> FaceBatch:
        """Sample a random batch, rare views of the head more often than they occur, each face shifted by a few pixels.
        generated: result of `crop_generated`, shifted with them.
        """
        rows = rng.choice(len(self), batch, p=self._probability)
        shifts = rng.integers(0, self.track.size_px - self.canvas_px + 1, (batch, 2))
        return self.take(rows, shifts, device, generated)

    def take(
        self,
        rows: NDArray[np.int64],
        shifts: NDArray[np.int64],
        device: torch.device,
        generated: NDArray[np.uint8] | None = None,
    ) -> FaceBatch:
        """Return the faces of the given rows [N]. shifts: [N,2] offset of each canvas in the stored one, right and down, px."""

        def crop_each(stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
            side = self.canvas_px
            parts = [stored[i, y : y + side, x : x + side] for i, (x, y) in zip(rows, shifts, strict=True)]
            return np.stack(parts)

        def maps_tensor(stored: NDArray[np.uint8]) -> Tensor:
            maps = np.moveaxis(crop_each(np.moveaxis(stored, 1, 3)), 3, 1)
            return torch.from_numpy(np.ascontiguousarray(maps)).to(device).float() / 255

        generated_images = None if generated is None else images_to_tensor(crop_each(generated), device)
        return FaceBatch(
            images_to_tensor(crop_each(self.image), device),
            maps_tensor(self.maps),
            generated_images,
            maps_tensor(self.augmented_maps),
        )

    def centered(self, rows: NDArray[np.int64], device: torch.device, generated: NDArray[np.uint8] | None = None) -> FaceBatch:
        """Return the faces of the given rows unshifted, as transfer sees them."""
        middle = (self.track.size_px - self.canvas_px) // 2
        return self.take(rows, np.full((len(rows), 2), middle), device, generated)


def images_to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Convert uint8 [N,H,W,3] to network input: float32 [N,3,H,W] in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def quantize_maps(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert maps in [0,1] to uint8 with 255 for 1."""
    return np.asarray(np.rint(maps * 255), np.uint8)


def add_border(faces: FaceTrack) -> FaceTrack:
    """The same faces on canvases of equal scale with a border around them."""
    border = round(BORDER_FRACTION * faces.size_px)
    to_canvas = faces.to_canvas.copy()
    to_canvas[:, :, 2] += border
    return replace(faces, to_canvas=to_canvas, size_px=faces.size_px + 2 * border)


def resize_canvas(faces: FaceTrack, size_px: int) -> FaceTrack:
    """The same crops on canvases of another size. Pixel centers are at integers."""
    scale = size_px / faces.size_px
    to_canvas = faces.to_canvas * scale
    to_canvas[:, :, 2] += (scale - 1) / 2
    return replace(faces, to_canvas=to_canvas, size_px=size_px)


def native_canvas_px(faces: FaceTrack, max_canvas_px: int) -> int:
    """Canvas size that holds these faces at about the scale of their frames, at most `max_canvas_px`: a larger one adds no
    detail.
    """
    windows_px = faces.size_px / faces.to_canvas[faces.valid, 0, 0]
    wanted = float(np.median(windows_px)) if len(windows_px) else 0.0
    return int(np.clip(CANVAS_STEP_PX * round(wanted / CANVAS_STEP_PX), MIN_CANVAS_PX, max_canvas_px))


def usable_faces(faces: FaceTrack, allowed: NDArray[np.bool_], max_count: int) -> NDArray[np.int64]:
    """Frame numbers, increasing, of at most `max_count` valid faces among the allowed frames [T]: spread over time, with more
    of the rare views of the head.
    """
    usable = np.flatnonzero(faces.valid & allowed)
    if len(usable) <= max_count:
        return usable
    expected = _expected_counts(rarity_weights(views_of(faces)[usable]), max_count)
    passed = np.cumsum(expected) - expected[0]
    # The first and the last face, and steps of at least 1 between: none is chosen twice, since each is expected at most once.
    chosen = np.searchsorted(passed, np.linspace(0, passed[-1], max_count) - 1e-9)
    return np.asarray(usable[np.unique(chosen)])


def _expected_counts(weights: NDArray[np.float64], total: int) -> NDArray[np.float64]:
    """Numbers in [0,1] proportional to weights [N], N > total, as far as they stay below 1, with this sum."""
    low, high = 0.0, total / float(weights.min())
    for _ in range(50):
        factor = (low + high) / 2
        low, high = (factor, high) if np.minimum(factor * weights, 1).sum() < total else (low, factor)
    return np.minimum(low * weights, 1)


def unusable_reason(faces: FaceTrack, allowed: NDArray[np.bool_], person: str) -> str | None:
    """One sentence on why these faces are not enough for training, or None if they are."""
    count, total = int((faces.valid & allowed).sum()), int(allowed.sum())
    if count >= MIN_FACES:
        return None
    small = int(((faces.reason == Reason.TOO_SMALL) & allowed).sum())
    if small > total / 2:
        head_px = float(np.median(faces.head_px[allowed]))
        return (
            f"the face of {person} is too small for a face network (the head is {head_px:.0f} px high, {MIN_HEAD_PX:.0f} are"
            " needed): move closer or film at a higher resolution."
        )
    return (
        f"the face of {person} is visible in only {count} of {total} frames (turned to the camera, unhidden, well lit, at"
        f" least {MIN_HEAD_PX:.0f} px high), and {MIN_FACES} are needed for a face network."
    )
