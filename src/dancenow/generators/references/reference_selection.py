"""Choose the frames of the footage that a model keeps: together they show every part in every pose as well as they can.

Greedy facility location (Nemhauser, Wolsey and Fisher, 1978): each next frame is the one that lowers the mean distance of all
parts, in all frames of the footage, to the nearest kept one most. Frames near in time do not count as near: in training they
are excluded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.generators.crop.dataset import CropDataset, crop_mask, crop_shown
from dancenow.generators.references.body_parts import HEAD, BodyParts
from dancenow.generators.references.part_matching import part_distances, part_features
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.pose.person_crop import crop_image, track_crop
from dancenow.progress import ProgressCallback
from dancenow.subject.frame_selection import FrameSelection, read_selected_frames, select_frames
from dancenow.subject.subject import Subject
from dancenow.types import Crop, Pose, PoseTrack

_MAX_CANDIDATES: Final = 240
_BLUR_COST: Final = 0.6
"""Distance that a frame without any sharpness adds."""
_FAR: Final = 4.0
"""Distance from which a frame is no better than any other."""
_NOT_SHOWN: Final = 8.0
"""Distance of a part that no kept frame shows, and of frames near in time."""
_MARGIN_PX: Final = 6
_VISIBLE_ALPHA: Final = 12
_AROUND_HEAD: Final = 1.5
"""Of the radius of a head: so far there may be hair."""


@dataclass(frozen=True)
class ReferenceOptions:
    """count: pictures that a model keeps. slots: how many show each part at a time. gap_s: in training, pictures this near in
    time to the frame are not used. max_px_per_canvas_px: resolution at which they are kept, at most that of the footage.
    """

    count: int = 20
    slots: int = 2
    gap_s: float = 0.7
    max_px_per_canvas_px: float = 2.0

    def __post_init__(self) -> None:
        if self.count < 1 or self.slots < 1 or self.gap_s < 0 or self.max_px_per_canvas_px < 1:
            raise ValueError(f"references need at least one picture, one slot and the size of the canvas: {self}")


def build_reference_set(
    subject: Subject, dataset: CropDataset, frames: NDArray[np.int64], options: ReferenceOptions, on_progress: ProgressCallback
) -> ReferenceSet:
    """Choose frames among those of a dataset and cut the person out of them. frames: [N], numbers of the dataset's frames.

    Raises:
        UserError: the video cannot be read.
    """
    track, canvas_px = subject.track, dataset.canvas_px
    chosen = choose_frames(dataset.pose, track.time_s[frames], picture_sharpness(dataset), options)
    kept = frames[chosen]
    tracked = track_crop(subject.world_track.pose, track.time_s, canvas_px, track.cuts, bottom_px=subject.frame_bottom_px)
    crops, scale = enlarge_crops([tracked[i] for i in kept], options)
    if subject.camera is not None:
        placed = dict(zip(kept.tolist(), crops, strict=True))
        crops = _place(subject, placed, tracked)
    pictures, poses, shown, scene = [], [], [], subject.shown_scene
    whole_frame = np.full((track.height_px, track.width_px), 255, np.uint8)
    wanted = FrameSelection(kept, np.zeros(0, np.int64))
    for crop, (frame, mask) in zip(crops, read_selected_frames(subject, wanted, on_progress), strict=True):
        alpha = crop_mask(mask, crop, track)
        if scene is not None:
            alpha = np.minimum(alpha, crop_shown(scene, crop))
        shown.append(crop_mask(whole_frame if scene is None else scene, crop, track))
        pictures.append(np.dstack([crop_image(frame.image_rgb, crop), alpha]))
        poses.append(crop.apply(track.pose[frame.index]))
    return trim_pictures(np.stack(pictures), poses, track, kept, scale, [*map(_is_head_whole, poses, shown)])


def choose_frames(
    pose: Pose, time_s: NDArray[np.float64], sharpness: NDArray[np.float64], options: ReferenceOptions
) -> NDArray[np.int64]:
    """Positions, increasing, of the frames to keep among N of poses [N,K], at times [N], of relative sharpness [N]."""
    candidates = np.unique(np.linspace(0, len(pose) - 1, _MAX_CANDIDATES).round().astype(np.int64))
    features = part_features(BodyParts.of_pose(pose[candidates]))
    distances = part_distances(features, features).clamp(max=_FAR)
    distances = distances + torch.from_numpy(_BLUR_COST * (1 - np.clip(sharpness[candidates], 0, 1))).float()
    times = torch.from_numpy(time_s[candidates])
    distances[((times[:, None] - times[None]).abs() < options.gap_s)[:, None].expand_as(distances)] = _NOT_SHOWN
    nearest = torch.full(distances.shape[:2], _NOT_SHOWN)
    kept: list[int] = []
    for _ in range(min(options.count, len(candidates))):
        cost = torch.minimum(nearest[..., None], distances).mean(dim=(0, 1))
        cost[kept] = torch.inf
        kept.append(int(cost.argmin()))
        nearest = torch.minimum(nearest, distances[..., kept[-1]])
    return np.sort(candidates[kept])


def picture_sharpness(dataset: CropDataset) -> NDArray[np.float64]:
    """How sharp the person is in each picture of a dataset relative to the median, [N]: motion blurs."""
    energies = np.empty(len(dataset.image))
    for index, (image, mask) in enumerate(zip(dataset.image, dataset.mask, strict=True)):
        inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 127
        edges = np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_16S))
        energies[index] = edges[inside].mean() if inside.any() else 0.0
    return energies / max(float(np.median(energies)), 1e-6)


def selected_frames(subject: Subject, length: int, max_frames: int) -> NDArray[np.int64]:
    """Numbers of the frames that `CropDataset.build` keeps for training."""
    return select_frames(subject, "train", length, max_frames).frames


def enlarge_crops(crops: Sequence[Crop], options: ReferenceOptions) -> tuple[list[Crop], float]:
    """The same squares at the resolution at which pictures are kept, and how much larger that is than on the canvas."""
    shrink = float(np.median([1 / crop.to_canvas[0, 0] for crop in crops]))
    scale = float(np.clip(shrink, 1.0, options.max_px_per_canvas_px))
    return [crop.resized(round(crop.size * scale)) for crop in crops], scale


def _place(subject: Subject, placed: dict[int, Crop], tracked: Sequence[Crop]) -> list[Crop]:
    """The crops of some frames, given in the reference view, in the frames of a camera that moves."""
    assert subject.camera is not None
    whole = [placed.get(index, crop) for index, crop in enumerate(tracked)]
    in_frame = subject.camera.trajectory.place_crops(whole)
    return [in_frame[index] for index in placed]


def _is_head_whole(pose: Pose, shown: NDArray[np.uint8]) -> bool:
    """Whether everything around the head of a pose [K] is shown in its picture, whose map [R,R] is 255 where that is so."""
    parts = BodyParts.of_pose(Pose(pose.xy[None], pose.confidence[None], pose.depth[None]))
    middle, radius_px = parts.start[0, HEAD].numpy(), _AROUND_HEAD * float(parts.radius[0, HEAD])
    y, x = np.ogrid[: shown.shape[0], : shown.shape[1]]
    near = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius_px**2
    is_inside = bool((middle >= radius_px).all() and (middle < np.array(shown.shape[::-1]) - radius_px).all())
    return is_inside and bool((shown[near] == 255).all())


def trim_pictures(
    pictures: NDArray[np.uint8],
    poses: Sequence[Pose],
    track: PoseTrack,
    frames: NDArray[np.int64],
    scale: float,
    whole_head: Sequence[bool] | None = None,
) -> ReferenceSet:
    """The set of pictures [M,R,R,4] of the track's `frames` [M], cut to what they need. whole_head: [M], by default all."""
    seen = np.asarray(pictures[..., 3].max(axis=0) > _VISIBLE_ALPHA)
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = np.arange(seen.shape[0]), np.arange(seen.shape[1])
    top, left = max(int(rows[0]) - _MARGIN_PX, 0), max(int(columns[0]) - _MARGIN_PX, 0)
    part = np.ascontiguousarray(pictures[:, top : int(rows[-1]) + _MARGIN_PX, left : int(columns[-1]) + _MARGIN_PX])
    moved = [replace(pose, xy=pose.xy - np.array([left, top], np.float32)) for pose in poses]
    xy, confidence, depth = (np.stack([getattr(each, name) for each in moved]) for name in ("xy", "confidence", "depth"))
    whole = np.ones(len(part), np.bool_) if whole_head is None else np.array(whole_head, np.bool_)
    return ReferenceSet(part, Pose(xy, confidence, depth), track.time_s[frames], scale, track.source_sha256, whole)
