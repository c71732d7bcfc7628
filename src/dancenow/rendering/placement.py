"""Place a dance where the source dancer was: at their size, with the feet where theirs were, in every frame."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.skeleton import INDEX, LIMB_NAMES, LIMBS
from dancenow.subject.camera.homography import Homography
from dancenow.subject.camera.trajectory import CameraTrajectory, move_track
from dancenow.types import Pose, PoseTrack

_SIZE_SIGMA_S: Final = 0.5
"""Sizes change slowly; their ratio in one frame also depends on the directions of limbs that are not equally long."""
_PLACE_SIGMA_S: Final = 0.1
_LOWER_FOOT: Final = 0.03
"""A foot that is higher than the lowest by this fraction of the body counts a third: it does not stand."""
_LEGS: Final = ("right_hip", "left_hip", "right_knee", "left_knee")
_ENDS: Final = ("right_ankle", "left_ankle")
_FEET: Final = [index for name, index in INDEX.items() if name.endswith(("ankle", "heel", "toe"))]
_TALL: Final = np.array(
    [
        LIMBS[LIMB_NAMES.index(ends)]
        for ends in LIMB_NAMES
        if ends[0] in ("neck", *_LEGS) and ends[1] in ("nose", *_LEGS, *_ENDS)
    ]
)
"""[L,2], the bones that make up a person's height."""
_BODY: Final = [INDEX[name] for name in ("neck", "right_hip", "left_hip")]
_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlacedCamera:
    """The `ViewCamera` of a placed dance. to_frame_of: float64 [T,3,3], px of the reference view -> px of each frame. time_s:
    float64 [T] of the frames. frame_px: their width and height.
    """

    to_frame_of: NDArray[np.float64]
    time_s: NDArray[np.float64]
    frame_px: tuple[int, int]

    @classmethod
    def fit(cls, dance: PoseTrack, source: PoseTrack, camera: CameraTrajectory, *, holds_place: bool = False) -> Self:
        """Place a dance in the reference view of a target, of as many frames as the source, at the source dancer.

        source: in px of its frames. camera: of the source. holds_place: the dance stays in one place, where the dancer usually
        is, instead of following them.
        """
        dancer = camera.to_world(source).pose
        scale, shift = np.ones(len(dance)), np.zeros((len(dance), 2))
        for shot in source.shots:
            sizes = _smoothed_sizes(dance.pose[shot], dancer[shot], _SIZE_SIGMA_S * source.fps)
            scale[shot] = np.median(sizes) if holds_place else sizes
            moved = dance.pose.xy[shot] * scale[shot][:, None, None]
            shifts = _smoothed_shifts(moved, dance.pose[shot], dancer[shot], _PLACE_SIGMA_S * source.fps)
            shift[shot] = np.median(shifts, axis=0) if holds_place else shifts
        similar = np.zeros((len(dance), 3, 3))
        similar[:, 0, 0] = similar[:, 1, 1] = scale
        similar[:, :2, 2], similar[:, 2, 2] = shift, 1
        to_frame = similar if camera.is_still else np.linalg.inv(camera.to_reference) @ similar
        return cls(np.asarray(to_frame, np.float64), source.time_s, (source.width_px, source.height_px))

    def to_reference(self, time_s: float) -> Homography:
        """See `ViewCamera.to_reference`."""
        return np.asarray(np.linalg.inv(self.to_frame_of[int(np.abs(self.time_s - time_s).argmin())]), np.float64)

    def show(self, track: PoseTrack) -> PoseTrack:
        """See `ViewCamera.show`: a track of all frames."""
        moved = move_track(track, self.to_frame_of)
        return replace(moved, width_px=self.frame_px[0], height_px=self.frame_px[1])


def _smoothed_sizes(dance: Pose, dancer: Pose, sigma_frames: float) -> _Array:
    """How much larger the dancer is than the dance, [T]: by those bones of `_TALL` that both show."""
    seen = (dance.confidence >= MIN_CONFIDENCE) & (dancer.confidence >= MIN_CONFIDENCE)
    both = seen[:, _TALL[:, 0]] & seen[:, _TALL[:, 1]]
    dancer_px, dance_px = (
        (np.linalg.norm(pose.xy[:, _TALL[:, 0]] - pose.xy[:, _TALL[:, 1]], axis=-1) * both).sum(axis=1)
        for pose in (dancer, dance)
    )
    valid = (dancer_px > 0) & (dance_px > 0)
    ratio = np.log(np.where(valid, dancer_px, 1) / np.where(valid, dance_px, 1))
    return np.exp(_smoothed(ratio[:, None], valid, sigma_frames)[:, 0])


def _smoothed_shifts(moved: NDArray[np.float64], dance: Pose, dancer: Pose, sigma_frames: float) -> _Array:
    """From the scaled dance `moved` [T,K,2] to the dancer, [T,2]: by the standing foot, else by the trunk."""
    seen = (dance.confidence > 0) & (dancer.confidence >= MIN_CONFIDENCE)
    difference = dancer.xy - moved
    shift, weight = np.zeros((len(moved), 2)), np.zeros(len(moved))
    for joints, is_better in ((_BODY, False), (_FEET, True)):
        y = np.where(seen[:, joints], dancer.xy[:, joints, 1], -np.inf)
        lowest = y.max(axis=1, keepdims=True)
        found = np.isfinite(lowest[:, 0])
        size = max(float(np.ptp(dancer.xy[seen], axis=0).max()), 1.0) if seen.any() else 1.0
        lift = np.where(np.isfinite(y), (np.where(found[:, None], lowest, 0) - y) / (_LOWER_FOOT * size), np.inf)
        share = np.exp(-lift) if is_better else np.isfinite(lift).astype(np.float64)
        total = np.maximum(share.sum(axis=1), 1e-9)
        mean = (difference[:, joints] * share[..., None]).sum(axis=1) / total[:, None]
        shift[found], weight[found] = mean[found], 1.0
    return _smoothed(shift, weight, sigma_frames)


def _smoothed(values: _Array, weight: _Array, sigma_frames: float) -> _Array:
    """Gaussian average over time of values [T,C] with weights [T]; where none is near, the nearest value."""
    if not weight.any():
        return values
    at = np.arange(len(values))
    valid = np.flatnonzero(weight)
    filled = np.stack([np.interp(at, valid, values[valid, column]) for column in range(values.shape[1])], axis=1)
    reach = int(np.ceil(3 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_frames, 1e-3)) ** 2)
    padded = np.pad(filled, ((reach, reach), (0, 0)), mode="edge")
    smooth = [np.convolve(padded[:, column], kernel / kernel.sum(), mode="valid") for column in range(values.shape[1])]
    return np.stack(smooth, axis=1)
