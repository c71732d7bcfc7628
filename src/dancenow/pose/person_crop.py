"""The square crop that follows the person, so that all of the generator's resolution is used for them.

The crop depends on the smoothed track alone, so training and transfer frame people in the same way. It moves and zooms slowly,
because jitter of the crop is visible as flicker of the generated person.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks
from dancenow.skeleton import INDEX
from dancenow.types import Crop, Pose

_FEET: Final = ("ankle", "heel", "toe")
MARGIN = 1.25
"""Side of the crop over the larger side of the keypoints' bounding box: hair, hands and soft shadow need room."""
_MARGIN_BELOW: Final = (MARGIN - 1) / 2
ZOOM_WINDOW_S = 1.5
MOVE_SIGMA_S = 0.25
_SHARP_BLUR: Final = 0.25
_SOFT_BLUR: Final = 0.4
"""Standard deviation of the blur before an image is shrunk, in px of the canvas."""
_LEAST_BLUR_PX: Final = 0.05


def track_crop(
    pose: Pose,
    time_s: NDArray[np.float64],
    canvas_px: int,
    cuts: Sequence[int] = (),
    *,
    bottom_px: float | NDArray[np.float64] = math.inf,
) -> "TrackCrops":
    """One crop per frame of a track.

    Args:
        pose: [T,K] keypoints in frame px; frames without any keypoint use the crop of their neighbors.
        time_s: float64 [T] increasing.
        canvas_px: side of the canvas that every crop is mapped to.
        cuts: first frames of new shots, at which the crop may jump.
        bottom_px: lower edge of the frame, or of each, float64 [T]. A body whose legs are not seen goes on below its last
            keypoint, often to this edge.

    Returns:
        T crops that hold every keypoint of their frame with a margin, and what goes on below them.
    """
    seen = np.asarray((pose.confidence > 0).any(axis=1))
    if not seen.any():
        raise ValueError("a track without any keypoint has no crop")
    centers, sides_px = np.zeros((len(seen), 2)), np.zeros(len(seen))
    bottoms_px = np.broadcast_to(bottom_px, len(seen))
    for start, stop in pairwise((0, *cuts, len(seen))):
        shot = slice(start, stop)
        if seen[shot].any():
            centers[shot], sides_px[shot] = _windows(pose[shot], time_s[shot], bottoms_px[shot])
    last_known = np.maximum.accumulate(np.where(sides_px > 0, np.arange(len(seen)), int(seen.argmax())))
    return TrackCrops(centers[last_known], sides_px[last_known], canvas_px)


class TrackCrops(Sequence[Crop]):
    """The crops of the frames of a track, each made when it is asked for: a dance of an hour has 100,000."""

    def __init__(self, centers_px: NDArray[np.float64], sides_px: NDArray[np.float64], canvas_px: int) -> None:
        """centers_px: [T,2]. sides_px: [T]. canvas_px: side of the canvas."""
        self.centers_px, self.sides_px, self.canvas_px = centers_px, sides_px, canvas_px

    def __len__(self) -> int:
        return len(self.sides_px)

    @overload
    def __getitem__(self, frames: int) -> Crop: ...
    @overload
    def __getitem__(self, frames: slice | NDArray[np.int64]) -> "TrackCrops": ...
    def __getitem__(self, frames: Any) -> Any:
        """The crop of one frame, or those of some frames: a slice or numbers int64 [n]."""
        if isinstance(frames, slice | np.ndarray):
            return TrackCrops(self.centers_px[frames], self.sides_px[frames], self.canvas_px)
        return window(self.centers_px[frames], float(self.sides_px[frames]), self.canvas_px)


def _windows(
    pose: Pose, time_s: NDArray[np.float64], bottom_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centers [T,2] and sides [T] of the crops of one shot, in px."""
    low, high = _boxes(pose)
    seen = np.isfinite(low[:, 0])
    end_px = np.minimum(body_end_px(pose), bottom_px)
    # Nothing more is shown below this end: the margin is above it.
    goes_on = np.isfinite(end_px) & seen
    last_px = (end_px[goes_on] + _MARGIN_BELOW * low[goes_on, 1]) / (1 + _MARGIN_BELOW)
    high[goes_on, 1] = np.maximum(high[goes_on, 1], last_px)
    _fill(low, time_s, seen)
    _fill(high, time_s, seen)
    rate_hz = 1.0 / float(np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
    need_px = _rolling_max((high - low).max(axis=1) * MARGIN, round(ZOOM_WINDOW_S * rate_hz))
    center = _gaussian((low + high) / 2, MOVE_SIGMA_S * rate_hz)
    side_px = _gaussian(need_px[:, None], ZOOM_WINDOW_S / 2 * rate_hz)[:, 0]
    # The smoothed crop may lag behind a jump: widen it where it would cut off the person.
    reach_px = np.maximum(np.maximum(high - center, center - low).max(axis=1), end_px - center[:, 1])
    return center, np.maximum(side_px, 2.04 * reach_px)


def body_end_px(pose: Pose) -> NDArray[np.float64]:
    """How far down bodies go on below their lowest keypoints where feet are not seen, float64 [T] in px: to about where the
    next joint is; -inf where feet are seen, or neither hips nor knees."""
    end = np.empty(len(pose))
    for frames in blocks(len(pose)):
        end[frames] = _body_end_px(pose[frames])
    return end


def _body_end_px(pose: Pose) -> NDArray[np.float64]:
    shoulders, hips, knees, feet = (_middle_y(pose, names) for names in (("shoulder",), ("hip",), ("knee",), _FEET))
    with np.errstate(invalid="ignore"):
        torso = np.where(np.isfinite(shoulders), hips - shoulders, np.nan)
        below_hips, below_knees = hips + torso, knees + np.where(np.isfinite(hips), knees - hips, torso)
    end = np.where(np.isfinite(knees), below_knees, below_hips)
    return np.where(np.isfinite(feet) | ~np.isfinite(end), -np.inf, end)


def _middle_y(pose: Pose, names: Sequence[str]) -> NDArray[np.float64]:
    """The mean y of the present ones of some keypoints of both sides, NaN where none is: float64 [T]."""
    index = [INDEX[f"{side}_{name}"] for side in ("right", "left") for name in names]
    present = pose.confidence[:, index] > 0
    total = (pose.xy[:, index, 1].astype(np.float64) * present).sum(axis=1)
    return np.where(present.any(axis=1), total / np.maximum(present.sum(axis=1), 1), np.nan)


def window(centre_px: NDArray[np.float64], side_px: float, canvas_px: int) -> Crop:
    """The upright square of `side_px` around `centre_px`, mapped to a canvas of `canvas_px`."""
    scale = canvas_px / side_px
    shift = (canvas_px - 1) / 2 - scale * np.asarray(centre_px, np.float64)
    return Crop(np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]), canvas_px)


def _boxes(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.empty((2, len(pose), 2))
    for frames in blocks(len(pose)):
        present, xy = (pose.confidence[frames] > 0)[..., None], pose.xy[frames].astype(np.float64)
        low[frames] = np.where(present, xy, np.inf).min(axis=1)
        high[frames] = np.where(present, xy, -np.inf).max(axis=1)
    return low, high


def _fill(values: NDArray[np.float64], time_s: NDArray[np.float64], seen: NDArray[np.bool_]) -> None:
    """Interpolate the columns of [T,2] in place."""
    for column in values.T:
        column[:] = np.interp(time_s, time_s[seen], column[seen])


def _rolling_max(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    padded = np.pad(values, radius, mode="edge")
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1)
    return np.asarray(windows.max(axis=1))


def _gaussian(values: NDArray[np.float64], sigma_frames: float) -> NDArray[np.float64]:
    radius = max(1, round(3 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma_frames, 1e-6)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((radius, radius), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], axis=1)


def crop_image(image: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """Warp an image to the canvas of the crop, uint8 [S,S,C], antialiased; edge pixels are repeated beyond the frame.

    Sharp: what the canvas can hold of the frame's detail stays (see `recipes.canvas_resampling` for other kernels).
    """
    return _warp(_blur(image, crop, _SHARP_BLUR, from_shrink=1.0), crop, cv2.INTER_LANCZOS4)


def crop_image_softly(image: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """`crop_image` with a bilinear kernel, as networks saw their images that were trained with it."""
    return _warp(_blur(image, crop, _SOFT_BLUR, from_shrink=1.5), crop, cv2.INTER_LINEAR)


def _blur(image: NDArray[np.uint8], crop: Crop, sigma: float, from_shrink: float) -> NDArray[np.uint8]:
    """Blur before an image is shrunk: warpAffine samples points."""
    shrink = 1.0 / _scale(crop.to_canvas)
    sigma_px = sigma * math.sqrt(shrink**2 - 1) if shrink > from_shrink else 0.0
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8) if sigma_px > _LEAST_BLUR_PX else image


def _warp(image: NDArray[np.uint8], crop: Crop, kernel: int) -> NDArray[np.uint8]:
    size = (crop.size, crop.size)
    return np.asarray(cv2.warpAffine(image, crop.to_canvas, size, flags=kernel, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _scale(affine: NDArray[np.float64]) -> float:
    return math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))
