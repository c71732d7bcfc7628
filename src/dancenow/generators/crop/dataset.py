"""Training clips: consecutive crops of a subject, placed as at transfer time, augmented on the device.

Frames are cropped once, a little larger than the canvas, and held in memory. Each draw applies one random similarity to the
images, masks, plates and keypoints of a clip, and jitters the keypoints a little, as detectors do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.networks.warping import warp
from dancenow.pose.person_crop import _scale, crop_image, track_crop
from dancenow.pose.pose_rarity import rarity
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.skeleton import MIRROR
from dancenow.subject.frame_selection import read_selected_frames, select_frames
from dancenow.subject.subject import Subject
from dancenow.types import Crop, Plate, Pose, PoseTrack

BORDER: Final = 1.125
"""Side of a stored crop relative to the canvas: the margin for augmentation."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A training batch of B clips of T consecutive frames on canvases of S px.

    image, plate: float32 [B,T,3,S,S] in [-1,1]. mask, known: float32 [B,T,1,S,S] in [0,1]. xy: [B,T,K,2] canvas px.
    confidence, depth: [B,T,K]. to_canvas: [B,T,2,3] frame px -> canvas px, to move an image from the crop of one
    frame to that of the next. shown: float32 [B,T,1,S,S] in [0,1], 0 where the footage does not show the scene and the
    images show the plate instead, see `Subject.shown_scene`; None if it does everywhere.
    """

    image: Tensor
    plate: Tensor
    mask: Tensor
    known: Tensor
    xy: Tensor
    confidence: Tensor
    depth: Tensor
    to_canvas: Tensor
    shown: Tensor | None = None

    def visible(self, rgba: Tensor) -> Tensor:
        """A generated RGBA [B,T,4,S,S], transparent where nothing of the scene is shown."""
        return rgba if self.shown is None else torch.cat([rgba[..., :3, :, :], rgba[..., 3:, :, :] * self.shown], dim=-3)


@dataclass(frozen=True)
class Augmentation:
    """Half-ranges of the random similarity: shift as a fraction of the canvas, zoom as a ratio, turn in degrees. mirror:
    probability of mirroring a clip. keypoint_jitter: largest standard deviation as a fraction of the canvas, see
    `jitter_keypoints`."""

    shift: float = 0.04
    zoom: float = 0.08
    turn_deg: float = 4.0
    mirror: float = 0.0
    keypoint_jitter: float = 0.0


@dataclass(frozen=True, eq=False)
class CropDataset:
    """A subject's crops in memory.

    image: uint8 [N,R,R,3]; mask: uint8 [N,R,R]; R is the canvas times `BORDER`. pose: [N,K] in stored px. to_stored:
    float64 [N,2,3] frame px -> stored px. plate: uint8 [h,w,4] at about the scale of the canvas, the last channel 255
    where known, and plate_to_frame: float64 [2,3]. shown: uint8 [N,R,R], 0 where the scene is not shown, or None if there
    is none. starts: int [M], positions where `length` consecutive frames begin.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    pose: Pose
    to_stored: NDArray[np.float64]
    plate: NDArray[np.uint8]
    plate_to_frame: NDArray[np.float64]
    starts: NDArray[np.int64]
    length: int
    canvas_px: int
    shown: NDArray[np.uint8] | None = None

    @cached_property
    def _chances(self) -> NDArray[np.float64]:
        """Probability of each start: higher for rare poses."""
        weights = rarity(self.pose)[self.starts + self.length - 1]
        return np.asarray(weights / weights.sum())

    @staticmethod
    def build(
        subject: Subject,
        canvas_px: int,
        length: int,
        max_frames: int = 2000,
        part: str = "train",
        on_progress: ProgressCallback = ignore_progress,
    ) -> "CropDataset":
        """Decode the subject's video once and keep at most `max_frames` crops of the split `part`, spread over its time.

        Args:
            length: consecutive frames per clip.
            part: the split of the manifest.

        Raises:
            UserError: too few frames show the person.
        """
        track, mosaic = subject.track, subject.mosaic
        stored_px = round(canvas_px * BORDER)
        # Where the camera moves, crops follow the person in the reference view and are then placed in each frame.
        tracked = track_crop(subject.world_track.pose, track.time_s, canvas_px, track.cuts, bottom_px=subject.frame_bottom_px)
        crops = [enlarge_crop(crop, stored_px) for crop in tracked]
        in_frame = crops if subject.camera is None else subject.camera.trajectory.place_crops(crops)
        runs = select_frames(subject, part, length, max_frames)
        index = runs.frames
        image = np.empty((len(index), stored_px, stored_px, 3), np.uint8)
        mask = np.empty((len(index), stored_px, stored_px), np.uint8)
        scene = subject.shown_scene
        shown = None if scene is None else np.empty_like(mask)
        for position, (frame, soft_mask) in enumerate(read_selected_frames(subject, runs, on_progress)):
            crop = in_frame[frame.index]
            image[position] = crop_image(frame.image_rgb, crop)
            mask[position] = crop_mask(soft_mask, crop, track)
            if shown is not None and scene is not None:
                shown[position] = crop_shown(scene, crop)
        kept = [crops[i] for i in index]
        small_plate, plate_to_frame = shrink_plate(mosaic.plate, float(np.median([_scale(c.to_canvas) for c in kept])))
        plate_to_frame = compose_affine(mosaic.area.to_reference[:2], plate_to_frame)
        return CropDataset(
            image=image,
            mask=mask,
            pose=_stack([in_frame[i].apply(track.pose[i]) for i in index.tolist()]),
            to_stored=np.stack([crop.to_canvas for crop in kept]),
            plate=small_plate,
            plate_to_frame=plate_to_frame,
            starts=runs.starts,
            length=length,
            canvas_px=canvas_px,
            shown=shown,
        )

    def draw(
        self,
        batch: int,
        rng: np.random.Generator,
        augmentation: Augmentation,
        device: torch.device,
        length: int | None = None,
        evenly: bool = False,
    ) -> Clip:
        """Draw a random batch, rare poses more often unless `evenly`; the same state of `rng` gives the same batch.

        length: frames per clip, at most that of the dataset.
        """
        return self.place(self.draw_frames(batch, rng, length, evenly), rng, augmentation, device)

    def draw_frames(
        self, batch: int, rng: np.random.Generator, length: int | None = None, evenly: bool = False
    ) -> NDArray[np.int64]:
        """The stored frames [B,T] of a random batch, see `draw`."""
        length = length or self.length
        first = rng.choice(self.starts, size=batch, p=None if evenly else self._chances)
        # Anywhere in the run: of long footage only some runs are kept, and every frame of them should be used.
        first = first + rng.integers(0, self.length - length + 1, batch)
        return np.asarray(first[:, None] + np.arange(length))

    def place(
        self, frames: NDArray[np.int64], rng: np.random.Generator, augmentation: Augmentation, device: torch.device
    ) -> Clip:
        """The given stored frames [B,T], randomly placed on the canvas, mirrored and jittered."""
        batch = len(frames)
        placed = random_similarity(rng, batch, self.canvas_px, self.image.shape[1], augmentation)
        clip = self.take(frames, placed, device)
        if augmentation.mirror:
            clip = mirror_clips(clip, rng.random(batch) < augmentation.mirror)
        return (
            jitter_keypoints(clip, augmentation.keypoint_jitter * self.canvas_px, rng) if augmentation.keypoint_jitter else clip
        )

    def take(self, frames: NDArray[np.int64], to_canvas: NDArray[np.float64], device: torch.device) -> Clip:
        """The given stored frames [B,T] on canvases placed by `to_canvas` float64 [B,2,3], stored px -> canvas px."""
        batch, length = frames.shape
        flat = frames.reshape(-1)
        to_canvas_of_frame = compose_affine(to_canvas[:, None], self.to_stored[frames])
        from_plate = compose_affine(to_canvas_of_frame, self.plate_to_frame).reshape(-1, 2, 3)
        pixels = np.concatenate([self.image[flat], self.mask[flat][..., None]], axis=3)
        placed = torch.from_numpy(np.repeat(to_canvas, length, axis=0)).float().to(device)
        # A second time: a bilinear kernel would blur what the generator learns to match.
        canvas = warp(_planes(pixels, device), placed, self.canvas_px, "bicubic").clamp(0, 1)
        background = _planes(self.plate[None], device).expand(len(flat), -1, -1, -1)
        plate = warp(background, torch.from_numpy(from_plate).float().to(device), self.canvas_px)
        shown = None
        if self.shown is not None:
            shown = warp(_planes(self.shown[flat][..., None], device), placed, self.canvas_px)
            canvas = torch.cat([torch.lerp(plate[:, :3], canvas[:, :3], shown), canvas[:, 3:]], dim=1)
        pose = self.pose[flat]
        linear, shift = placed[:, :, :2], placed[:, :, 2]
        zoom = torch.linalg.det(linear).abs().sqrt()
        flat_clip = Clip(
            image=canvas[:, :3] * 2 - 1,
            plate=plate[:, :3] * 2 - 1,
            known=plate[:, 3:],
            mask=canvas[:, 3:],
            xy=torch.from_numpy(pose.xy).to(device) @ linear.mT + shift[:, None],
            confidence=torch.from_numpy(pose.confidence).to(device),
            depth=torch.from_numpy(pose.depth).to(device) * zoom[:, None],
            to_canvas=torch.from_numpy(to_canvas_of_frame.reshape(-1, 2, 3)).float().to(device),
            shown=shown,
        )
        present = {name: value for name, value in vars(flat_clip).items() if value is not None}
        folded = {name: value.reshape(batch, length, *value.shape[1:]) for name, value in present.items()}
        return Clip(**folded)

    @property
    def centered(self) -> NDArray[np.float64]:
        """float64 [2,3] stored px -> canvas px without augmentation, exactly as at transfer time."""
        off = (self.canvas_px - self.image.shape[1]) / 2
        return np.array([[1.0, 0.0, off], [0.0, 1.0, off]])


def mirror_clips(clip: Clip, which: NDArray[np.bool_]) -> Clip:
    """Mirror the chosen ones of the B clips; left keypoints become right ones."""
    size, chosen = clip.image.shape[-1], torch.from_numpy(which).to(clip.image.device)
    flip = torch.tensor([[-1.0, 0.0], [0.0, 1.0]], device=clip.xy.device)
    shift = torch.tensor([size - 1.0, 0.0], device=clip.xy.device)
    swap = torch.from_numpy(MIRROR).to(clip.xy.device)
    flipped = Clip(
        **{name: getattr(clip, name).flip(-1) for name in ("image", "plate", "mask", "known")},
        xy=(clip.xy @ flip + shift)[..., swap, :],
        confidence=clip.confidence[..., swap],
        depth=clip.depth[..., swap],
        to_canvas=flip @ clip.to_canvas + torch.cat([torch.zeros_like(flip), shift[:, None]], dim=1),
        shown=None if clip.shown is None else clip.shown.flip(-1),
    )
    return Clip(
        **{
            each.name: torch.where(
                _like(chosen, getattr(clip, each.name)), getattr(flipped, each.name), getattr(clip, each.name)
            )
            for each in fields(Clip)
            if getattr(clip, each.name) is not None
        }
    )


def jitter_keypoints(clip: Clip, most_px: float, rng: np.random.Generator) -> Clip:
    """Add Gaussian noise to every keypoint, the same in all frames of a clip; images stay as they are.

    Two minutes of footage contain few poses; noise on the inputs prevents that the network memorizes them (Bishop, 1995: it
    acts as a regularizer). most_px: the standard deviation of each clip is drawn from 0 to this.
    """
    batch, _, keypoints, _ = clip.xy.shape
    off = rng.uniform(0.0, most_px, (batch, 1, 1, 1)) * rng.standard_normal((batch, 1, keypoints, 2))
    return replace(clip, xy=clip.xy + torch.from_numpy(off).to(clip.xy))


def _like(chosen: Tensor, values: Tensor) -> Tensor:
    """bool [B] as [B,1,1,...] with as many dimensions as `values`."""
    return chosen.reshape(-1, *[1] * (values.dim() - 1))


def enlarge_crop(crop: Crop, stored_px: int) -> Crop:
    """Add a margin to a crop: its canvas is in the middle of a `stored_px` square at the same scale."""
    to_stored = crop.to_canvas.copy()
    to_stored[:, 2] += (stored_px - crop.size) / 2
    return Crop(to_stored, stored_px)


def crop_mask(mask: NDArray[np.uint8], crop: Crop, track: PoseTrack) -> NDArray[np.uint8]:
    """Crop a mask uint8 [h,w] that may be smaller than the frame of `track`; 0 outside of the frame."""
    scale = np.array([track.width_px / mask.shape[1], track.height_px / mask.shape[0]])
    to_frame = np.array([[scale[0], 0.0, (scale[0] - 1) / 2], [0.0, scale[1], (scale[1] - 1) / 2]])
    size = (crop.size, crop.size)
    return np.asarray(cv2.warpAffine(mask, compose_affine(crop.to_canvas, to_frame), size, flags=cv2.INTER_LINEAR), np.uint8)


def shrink_plate(plate: Plate, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Resize the plate by `scale` (at most 1): uint8 [h,w,4], the last channel 255 where known, and its map to frame px."""
    height, width = plate.known.shape
    planes = np.concatenate([plate.image_rgb, plate.known[..., None].astype(np.uint8) * 255], axis=2)
    size = (max(1, round(width * min(scale, 1.0))), max(1, round(height * min(scale, 1.0))))
    ratio = np.array([width / size[0], height / size[1]])
    to_frame = np.concatenate([np.diag(ratio), (ratio[:, None] - 1) / 2], axis=1)
    return np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), np.uint8), to_frame


def compose_affine(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine map [...,2,3] that applies `inner` first and then `outer`."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def crop_shown(shown: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """Crop the map [H,W] of where a frame shows the scene: uint8 [R,R]."""
    # The crop of the image repeats the border of the frame as well, and with it the bars there.
    part = cv2.warpAffine(
        shown, crop.to_canvas, (crop.size, crop.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.erode(part, np.ones((3, 3), np.uint8)), np.uint8)


def _planes(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N,h,w,C] -> float32 [N,C,h,w] in [0,1]."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255.0)


def _stack(poses: Sequence[Pose]) -> Pose:
    arrays = ([p.xy for p in poses], [p.confidence for p in poses], [p.depth for p in poses])
    xy, confidence, depth = (np.stack(a) for a in arrays)
    return Pose(xy, confidence, depth)


def random_similarity(
    rng: np.random.Generator, batch: int, canvas_px: int, stored_px: int, augmentation: Augmentation
) -> NDArray[np.float64]:
    """Draw float64 [B,2,3] stored px -> canvas px: a rotation and zoom about the center, then a shift."""
    turn = np.radians(rng.uniform(-1, 1, batch) * augmentation.turn_deg)
    zoom = np.exp(rng.uniform(-1, 1, batch) * math.log1p(augmentation.zoom))
    shift = rng.uniform(-1, 1, (batch, 2)) * augmentation.shift * canvas_px
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=-2)
    offset = (canvas_px - 1) / 2 + shift[..., None] - linear @ np.full((2, 1), (stored_px - 1) / 2)
    return np.concatenate([linear, offset], axis=-1)
