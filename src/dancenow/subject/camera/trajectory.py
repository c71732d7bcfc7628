"""The camera of a video over time, and poses seen from where it stands in one reference frame."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.camera.homography import corner_shift_px, local_scale, transform
from dancenow.types import Crop, Pose, PoseTrack


class CameraKind(StrEnum):
    """How a camera moves: not at all, turning and zooming in place (hand-held, too), or walking, with parallax."""

    STILL = "still"
    TURNING = "turning"
    TRAVELING = "traveling"


KINDS: Final = tuple(CameraKind)


@dataclass(frozen=True, eq=False)
class CameraTrajectory:
    """A homography per frame into the reference view, which is the frame `reference` of the video.

    to_reference: float64 [T,3,3], px of a frame -> px of the reference view; points may lie outside of its frame. confidence:
    float64 [T] in [0,1], the fraction of the background that the homography explains; 0 where the frame shows nothing of the
    reference view, and its homography is that of a neighbor.
    """

    to_reference: NDArray[np.float64]
    confidence: NDArray[np.float64]
    reference: int
    kind: CameraKind
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if self.to_reference.shape != (len(self.confidence), 3, 3) or not np.isfinite(self.to_reference).all():
            raise ValueError(f"to_reference must be finite [T,3,3], got {list(self.to_reference.shape)}")

    @classmethod
    def still(cls, num_frames: int, width_px: int, height_px: int) -> Self:
        """Of a camera that does not move; its arrays hold one number for all frames and cannot be written to."""
        same, sure = np.broadcast_to(np.eye(3), (num_frames, 3, 3)), np.broadcast_to(1.0, num_frames)
        return cls(same, sure, 0, CameraKind.STILL, width_px, height_px)

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def is_still(self) -> bool:
        """Whether frames and reference view are the same."""
        return self.kind is CameraKind.STILL

    @property
    def shift_px(self) -> NDArray[np.float64]:
        """float64 [T], distance of the corner of each frame that is farthest from its place in the reference view."""
        return corner_shift_px(self.to_reference, self.width_px, self.height_px)

    @property
    def aim_px(self) -> tuple[float, float] | None:
        """The mean of the frames' centers in the reference view; None for a camera that stands still."""
        if self.is_still:
            return None
        center = np.array([(self.width_px - 1) / 2, (self.height_px - 1) / 2])
        x_px, y_px = transform(self.to_reference, center).mean(axis=0).tolist()
        return x_px, y_px

    def to_world(self, track: PoseTrack) -> PoseTrack:
        """A track of this video, as seen in the reference view: a pan that follows a dancer becomes travel."""
        return track if self.is_still else move_track(track, self.to_reference, self.aim_px)

    def place_crops(self, crops: Sequence[Crop]) -> list[Crop]:
        """Crops of the reference view, one per frame, as crops of the frames."""
        return [crop_through(crop, matrix) for crop, matrix in zip(crops, self.to_reference, strict=True)]


def move_track(track: PoseTrack, homographies: NDArray[np.float64], aim_px: tuple[float, float] | None = None) -> PoseTrack:
    """The track with every pose mapped by its homography, float64 [T,3,3]. aim_px: of the result, see `PoseTrack`."""
    pose = track.pose
    xy = transform(homographies[:, None], pose.xy)
    scale = local_scale(homographies[:, None], pose.xy)
    moved = Pose(xy.astype(np.float32), pose.confidence, (pose.depth * scale).astype(np.float32))
    return replace(track, pose=moved, aim_px=aim_px)


def crop_through(crop: Crop, homography: NDArray[np.float64]) -> Crop:
    """A crop of the reference view as a crop of a frame; homography: px of the frame -> px of the reference view.

    An affine map that is right to first order at the center of the crop; over a person, perspective bends it little.
    """
    center = (crop.size - 1) / 2
    to_frame = np.asarray(np.linalg.inv(homography), np.float64)
    in_frame = transform(to_frame, transform_affine(crop.to_frame, np.array([center, center])))
    step = 0.25 * crop.size * crop.to_frame[0, 0]
    offsets = np.array([[step, 0], [-step, 0], [0, step], [0, -step]])
    moved = transform_affine(crop.to_canvas, transform(homography, in_frame + offsets))
    linear = np.stack([moved[0] - moved[1], moved[2] - moved[3]], axis=1) / (2 * step)
    shift = np.array([center, center]) - linear @ in_frame
    return Crop(np.column_stack([linear, shift]), crop.size)


def transform_affine(affine: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points [...,2] by an affine map [2,3]."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float64)


def save_trajectory(path: Path, camera: CameraTrajectory) -> None:
    """Write a trajectory as .npz."""
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **trajectory_arrays(camera))  # type: ignore[arg-type]  # of its stubs: allow_pickle


def load_trajectory(path: Path) -> CameraTrajectory:
    """The inverse of `save_trajectory`.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return trajectory_of_arrays(dict(stored))
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is missing or damaged ({error}).") from error


def trajectory_arrays(camera: CameraTrajectory) -> dict[str, NDArray[Any]]:
    """The trajectory as plain arrays, to be stored."""
    numbers = [camera.reference, KINDS.index(camera.kind), camera.width_px, camera.height_px]
    return {"to_reference": camera.to_reference, "confidence": camera.confidence, "numbers": np.array(numbers, np.int64)}


def trajectory_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> CameraTrajectory:
    """The inverse of `trajectory_arrays`.

    Raises:
        KeyError, ValueError, IndexError: an array is missing or damaged.
    """
    reference, kind, width_px, height_px = arrays["numbers"].tolist()
    if KINDS[kind] is CameraKind.STILL:
        still = CameraTrajectory.still(len(arrays["to_reference"]), width_px, height_px)
        return replace(still, confidence=arrays["confidence"], reference=reference)
    return CameraTrajectory(arrays["to_reference"], arrays["confidence"], reference, KINDS[kind], width_px, height_px)
