"""Faces to learn from: which frames show one worth it, and their canvases, cut a little larger than the network's.

A person's faces are few and small, so they are held whole; each draw shifts face and maps together by a few pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.face.expression_augmentation import with_random_expressions
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import FaceTrack, Reason
from dancenow.face.face_tracking import MIN_HEAD_PX
from dancenow.face.landmark_maps import draw_face
from dancenow.face.network import LEAST_PX, STEP_PX
from dancenow.media.source import VideoInput, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.types import ImageRGB, Pose

FEWEST_FACES: Final = 24
"""Fewer teach a network nothing but themselves."""
BORDER: Final = 1 / 16
"""Of the canvas, on every side of a stored face: the room in which draws are shifted."""


@dataclass(frozen=True, eq=False)
class Faces:
    """A batch: image [N,3,S,S] in [-1,1], maps [N,M,S,S] in [0,1], of generated pictures made [N,3,S,S], or None, and other
    maps [N,M,S,S] of the same heads with another expression, or None."""

    image: Tensor
    maps: Tensor
    made: Tensor | None
    other: Tensor | None = None


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Faces of one person. frames: int64 [N] of the video they are from, increasing. image: uint8 [N,R,R,3] as filmed; maps:
    uint8 [N,M,R,R], 255 = 1; other: the same with another expression, see `face.expression_augmentation`. track: of all
    frames, its canvas R px
    wide, R being canvas_px with a border."""

    frames: NDArray[np.int64]
    image: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    other: NDArray[np.uint8]
    track: FaceTrack
    canvas_px: int

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
    ) -> "FaceDataset":
        """Cut the faces of those frames, see `usable_faces`; pose: the person's [T,K]; the canvas is that of `faces`.

        Raises:
            UserError: the video cannot be read, or ends before the last of the frames.
        """
        track = with_border(faces)
        image = np.empty((len(frames), track.size_px, track.size_px, 3), np.uint8)
        changed = track.landmarks.copy()
        changed[frames] = with_random_expressions(track.landmarks[frames], np.random.default_rng(0))
        played = replace(track, landmarks=changed)
        maps: list[NDArray[np.uint8]] = []
        other: list[NDArray[np.uint8]] = []
        for place, frame in enumerate(open_video(video).frames_at(frames.tolist())):
            image[place] = crop_face(frame.image_rgb, track.crop(frame.index))
            for kept, shown in ((maps, track), (other, played)):
                kept.append(as_bytes(draw_face(shown, frame.index, pose[frame.index])))
            on_progress(Progress("reading faces", place + 1, len(frames)))
        return cls(frames, image, np.stack(maps), np.stack(other), track, faces.size_px)

    def cut(self, pictures: Iterator[ImageRGB], on_progress: ProgressCallback = ignore_progress) -> NDArray[np.uint8]:
        """The same faces in generated pictures of the same frames, uint8 [N,R,R,3]."""
        cut = np.empty_like(self.image)
        for place, (index, picture) in enumerate(zip(self.frames, pictures, strict=True)):
            cut[place] = crop_face(picture, self.track.crop(int(index)))
            on_progress(Progress("painting faces", place + 1, len(self)))
        return cut

    def draw(self, batch: int, rng: np.random.Generator, device: torch.device, made: NDArray[np.uint8] | None = None) -> Faces:
        """A random batch, each face shifted by another few pixels; made: what `cut` gave, to be shifted with them."""
        rows = rng.integers(0, len(self), batch)
        shifts = rng.integers(0, self.track.size_px - self.canvas_px + 1, (batch, 2))
        return self.take(rows, shifts, device, made)

    def take(
        self, rows: NDArray[np.int64], shifts: NDArray[np.int64], device: torch.device, made: NDArray[np.uint8] | None = None
    ) -> Faces:
        """The faces of those rows [N]; shifts: [N,2] of each canvas in the stored one, right and down, in px."""

        def cut(stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
            side = self.canvas_px
            parts = [stored[i, y : y + side, x : x + side] for i, (x, y) in zip(rows, shifts, strict=True)]
            return np.stack(parts)

        def shown(stored: NDArray[np.uint8]) -> Tensor:
            maps = np.moveaxis(cut(np.moveaxis(stored, 1, 3)), 3, 1)
            return torch.from_numpy(np.ascontiguousarray(maps)).to(device).float() / 255

        painted = None if made is None else as_pictures(cut(made), device)
        return Faces(as_pictures(cut(self.image), device), shown(self.maps), painted, shown(self.other))

    def centred(self, rows: NDArray[np.int64], device: torch.device, made: NDArray[np.uint8] | None = None) -> Faces:
        """The faces of those rows as transfer sees them, unshifted."""
        middle = (self.track.size_px - self.canvas_px) // 2
        return self.take(rows, np.full((len(rows), 2), middle), device, made)


def as_pictures(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N,H,W,3] as networks see them: float32 [N,3,H,W] in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_bytes(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Maps in [0,1] with 255 for 1."""
    return np.asarray(np.rint(maps * 255), np.uint8)


def with_border(faces: FaceTrack) -> FaceTrack:
    """The same faces on canvases of equal scale with a border around them."""
    border = round(BORDER * faces.size_px)
    to_canvas = faces.to_canvas.copy()
    to_canvas[:, :, 2] += border
    return replace(faces, to_canvas=to_canvas, size_px=faces.size_px + 2 * border)


def resized(faces: FaceTrack, size_px: int) -> FaceTrack:
    """The same windows on canvases of another size. Pixel centres are at integers."""
    scale = size_px / faces.size_px
    to_canvas = faces.to_canvas * scale
    to_canvas[:, :, 2] += (scale - 1) / 2
    return replace(faces, to_canvas=to_canvas, size_px=size_px)


def native_canvas_px(faces: FaceTrack, most_px: int) -> int:
    """The canvas that holds these faces at about the scale of their frames, at most `most_px`: what is larger is empty."""
    windows_px = faces.size_px / faces.to_canvas[faces.valid, 0, 0]
    wanted = float(np.median(windows_px)) if len(windows_px) else 0.0
    return int(np.clip(STEP_PX * round(wanted / STEP_PX), LEAST_PX, most_px))


def usable_faces(faces: FaceTrack, allowed: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Frames, increasing, of at most `most` valid faces among the allowed ones [T], evenly over them."""
    usable = np.flatnonzero(faces.valid & allowed)
    if len(usable) <= most:
        return usable
    return np.asarray(usable[np.linspace(0, len(usable) - 1, most).round().astype(np.int64)])


def why_unusable(faces: FaceTrack, allowed: NDArray[np.bool_], whose: str) -> str | None:
    """One sentence on why nothing can be learnt of these faces, or None if it can."""
    count, total = int((faces.valid & allowed).sum()), int(allowed.sum())
    if count >= FEWEST_FACES:
        return None
    small = int(((faces.reason == Reason.TOO_SMALL) & allowed).sum())
    if small > total / 2:
        head_px = float(np.median(faces.head_px[allowed]))
        return (
            f"the face of {whose} is too small to be learnt by itself (the head is {head_px:.0f} px high, {MIN_HEAD_PX:.0f} are"
            " needed): go nearer or film at a higher resolution."
        )
    return (
        f"the face of {whose} is seen in only {count} of {total} frames (turned to the camera, unhidden, at least"
        f" {MIN_HEAD_PX:.0f} px high), and {FEWEST_FACES} are needed to learn it by itself."
    )
