"""Measure a person's body and floor from a pose track: the size in px, and the ground line where the feet stand.

Follows the near and far lines of Everybody Dance Now (Chan et al., 2019, section on global pose normalization), with
bone lengths in place of bounding extents, so that the results depend on the body and not on the dance.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack

Float64Array = NDArray[np.float64]

MIN_CONFIDENCE: Final = 0.3
"""Keypoints of lower confidence are guesses of the detector, and are ignored."""
JUMP_S: Final = 0.8
"""Longest time in the air; feet above the ground line for longer have moved away from the camera."""
SPIKE_S: Final = 0.1
"""Feet that are lower for less than this are a detector error: twice this is the width of a median filter."""
GROUND_SMOOTHING_S: Final = 0.25
"""Standard deviation of the Gaussian that smooths the ground line."""
LINE_PERCENTILES: Final = (10, 90)
"""Percentiles of the ground line over time that are the far and the near line."""
FULL_LENGTH_PERCENTILE: Final = 90
"""A bone shows its full length when it is parallel to the image; the largest tenth is detector noise."""
CLUSTER: Final = 0.2
"""Fraction of frames nearest to the far or near line that give the size of the body there."""
MIN_FEET: Final = 0.2
"""If a smaller fraction of the frames that show the hips also shows feet, the ground is unknown."""

# Length relative to the torso (neck to mid hip) for bones that are never visible: averages of adult bodies.
PROPORTION: Final = {"head": 0.45, "thigh": 0.9, "shin": 0.85}
TORSO_TO_SHOULDERS: Final = 1.5
"""Length of the torso relative to the distance of the shoulders, where no hips are visible."""
TORSO_WINDOW_S: Final = 1.5
"""A torso is upright, and legs are straight, at least once in twice this time."""
ANKLE_TO_SOLE: Final = 0.08
"""Distance of the sole below the ankle, as a fraction of the standing height, where no heel or toe is visible."""


@dataclass(frozen=True)
class BodyStatistics:
    """A person's size and position in their own video, all in px of its frame.

    height_px: nose to ankle of the straight body, over the whole track; height_*_px: on the far and on the near ground line.
    ground_*_px: y of those lines; with feet_seen False they are extrapolated from the hips. hip_*_px: median of the mid hip,
    which is placed under the neck where it is never visible.
    """

    frame_width_px: int
    frame_height_px: int
    fps: float
    feet_seen: bool
    ground_far_px: float
    ground_near_px: float
    height_px: float
    height_far_px: float
    height_near_px: float
    torso_px: float
    hip_x_px: float
    hip_y_px: float

    @property
    def depth_travel(self) -> float:
        """Range of the ground line, as a fraction of the standing height: 0 = the person stays at one depth."""
        return (self.ground_near_px - self.ground_far_px) / self.height_px

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, for a manifest."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Restore from `to_json`.

        Raises:
            UserError: a field is missing, unknown or not a finite number.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        sound = set(saved) == names and all(isinstance(value, int | float) for value in saved.values())
        if not sound or not np.isfinite(list(saved.values())).all():
            raise InputError("the saved body statistics are damaged; run `dancenow prepare` again.")
        return cls(**saved)


def body_statistics(track: PoseTrack) -> BodyStatistics:
    """Measure the body and the floor in a whole track.

    Raises:
        UserError: shoulders are never visible together, so nothing gives the size of the body.
    """
    lengths = _bone_lengths(track.pose)
    full = {name: float(np.nanpercentile(each, FULL_LENGTH_PERCENTILE)) for name, each in lengths.items() if _seen(each)}
    hips = _middle(track.pose, "right_hip", "left_hip")
    if full.get("torso", 0.0) <= 0:  # head and shoulders alone
        full["torso"] = TORSO_TO_SHOULDERS * full.pop("shoulders", 0.0)
        hips = _points(track.pose, "neck") + np.array([0.0, full["torso"]])
    if full["torso"] <= 0 or not np.isfinite(hips).any():
        raise InputError("no frame shows both of the person's shoulders; film the whole body.")
    full |= {name: share * full["torso"] for name, share in PROPORTION.items() if full.get(name, 0.0) <= 0}
    height_px = sum(full[name] for name in ("torso", "head", "thigh", "shin"))

    sole_px = sole_y(track.pose, ANKLE_TO_SOLE * height_px)
    feet_seen = bool(np.isfinite(sole_px[np.isfinite(hips[:, 0])]).mean() >= MIN_FEET)
    hip_x_px, hip_y_px = (float(value) for value in np.nanmedian(hips, axis=0))
    if not feet_seen:
        sole_px = hips[:, 1] + full["thigh"] + full["shin"] + ANKLE_TO_SOLE * height_px
    line_px = standing_line(sole_px, track.fps)
    far_px, near_px = (float(value) for value in np.percentile(line_px, LINE_PERCENTILES))
    far_size, near_size = _sizes_at_ends(lengths, full, line_px)
    return BodyStatistics(
        frame_width_px=track.width_px,
        frame_height_px=track.height_px,
        fps=track.fps,
        feet_seen=feet_seen,
        ground_far_px=far_px,
        ground_near_px=near_px,
        height_px=height_px,
        height_far_px=height_px * far_size,
        height_near_px=height_px * near_size,
        torso_px=full["torso"],
        hip_x_px=hip_x_px,
        hip_y_px=hip_y_px,
    )


def sole_y(pose: Pose, ankle_to_sole_px: float) -> Float64Array:
    """y in px of the lowest visible point of both feet, float64 [T]; NaN in frames without feet.

    Where only an ankle is visible: its y plus the usual distance in this track, or `ankle_to_sole_px` if it shows none.
    """
    soles = _lowest(pose, "right_heel", "left_heel", "right_toe", "left_toe")
    ankles = _lowest(pose, "right_ankle", "left_ankle")
    drop_px = float(np.nanmedian(soles - ankles)) if _seen(soles - ankles) else ankle_to_sole_px
    return np.where(np.isnan(soles), ankles + drop_px, soles)


def torso_over_time(pose: Pose, fps: float) -> Float64Array:
    """Length of the torso in px in every frame of poses [T,K], float64 [T], as when it is upright: leaning does not shorten it.

    Of torso and shoulders, the one nearer to its full length gives the size: a lean shortens the one, a turn the other. The
    largest size within `TORSO_WINDOW_S` counts, smoothed.

    Raises:
        UserError: neither is ever visible.
    """
    lengths = _bone_lengths(pose)
    usable = [each for each in (lengths["torso"], lengths["shoulders"]) if _seen(each)]
    if not usable:
        raise InputError("no frame shows both of the person's shoulders; film the whole body.")
    full = [float(np.nanpercentile(each, FULL_LENGTH_PERCENTILE)) for each in usable]
    size: Float64Array = np.fmax.reduce([each / length for each, length in zip(usable, full, strict=True)])
    known = np.isfinite(size)
    size = np.interp(np.arange(len(size)), np.flatnonzero(known), size[known])
    torso_px = full[0] if _seen(lengths["torso"]) else TORSO_TO_SHOULDERS * full[0]
    return torso_px * _upper_envelope(size, TORSO_WINDOW_S, fps)


def highest_hips(pose: Pose, fps: float, torso_px: Float64Array) -> Float64Array:
    """y in px of the hips [T] when the legs are straight: the highest position within `TORSO_WINDOW_S`, smoothed.

    torso_px: as `torso_over_time`; it gives the hips' position below the neck where they are not visible.
    """
    hips = _middle(pose, "right_hip", "left_hip")[:, 1]
    y_px = np.where(np.isfinite(hips), hips, _points(pose, "neck")[:, 1] + torso_px)
    known = np.isfinite(y_px)
    y_px = np.interp(np.arange(len(y_px)), np.flatnonzero(known), y_px[known])
    return -_upper_envelope(-y_px, TORSO_WINDOW_S, fps)


def standing_line(sole_y_px: Float64Array, fps: float) -> Float64Array:
    """y in px of the ground under the person, float64 [T], from the lowest point of the feet in every frame.

    Removes spikes (median filter), bridges up to `JUMP_S` in the air (morphological closing), so that a jump stays a jump, and
    smooths the line. Frames without feet are interpolated; at least one must have them.
    """
    frames = np.arange(len(sole_y_px))
    known = np.isfinite(sole_y_px)
    line = np.interp(frames, frames[known], sole_y_px[known])
    line = np.median(_windows(line, round(SPIKE_S * fps)), axis=1)
    half = round(JUMP_S * fps / 2)
    line = _windows(_windows(line, half).max(axis=1), half).min(axis=1)
    return _smoothed(line, GROUND_SMOOTHING_S * fps)


def _upper_envelope(values: Float64Array, half_s: float, fps: float) -> Float64Array:
    """The largest of the values [T] within `half_s`, smoothed over as long; without values that last less than `SPIKE_S`."""
    steady = np.median(_windows(values, round(SPIKE_S * fps)), axis=1)
    return _smoothed(_windows(steady, round(half_s * fps)).max(axis=1), half_s / 2 * fps)


def _smoothed(values: Float64Array, sigma: float) -> Float64Array:
    """Gaussian mean of values [T]; sigma in frames."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    smooth: Float64Array = _windows(values, reach) @ (kernel / kernel.sum())
    return smooth


def _windows(values: Float64Array, half: int) -> Float64Array:
    """[T, 2*half+1]: the neighborhood of each value; the ends are repeated."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), 2 * half + 1)


def _sizes_at_ends(lengths: dict[str, Float64Array], full: dict[str, float], line_px: Float64Array) -> tuple[float, float]:
    """Size of the body at the far and near end of the ground line, relative to the whole track's.

    The bone nearest to its full length gives the size in each frame, because some bone is parallel to the image in nearly
    every pose. The far end is never larger than the near one.
    """
    relative = np.stack([lengths[name] / full[name] for name in ("torso", "thigh", "shin")])
    size = np.where(np.isfinite(relative), relative, 0).max(axis=0)
    if not (size > 0).any():
        return 1.0, 1.0
    order = np.argsort(line_px[size > 0], kind="stable")
    size = size[size > 0][order]
    count = max(1, round(CLUSTER * len(size)))
    far, near = float(np.median(size[:count])), float(np.median(size[-count:]))
    return min(far, near), near


def _bone_lengths(pose: Pose) -> dict[str, Float64Array]:
    """Length [T] in px of head (nose to neck), torso, shoulders, and the longer thigh and shin; NaN where not visible."""
    neck, nose = _points(pose, "neck"), _points(pose, "nose")
    hips = _middle(pose, "right_hip", "left_hip")

    def longer(a: str, b: str) -> Float64Array:
        sides = [np.linalg.norm(_points(pose, f"{s}_{a}") - _points(pose, f"{s}_{b}"), axis=1) for s in ("right", "left")]
        longest: Float64Array = np.fmax(*sides)
        return longest

    return {
        "head": np.linalg.norm(nose - neck, axis=1),
        "torso": np.linalg.norm(neck - hips, axis=1),
        "shoulders": np.linalg.norm(_points(pose, "right_shoulder") - _points(pose, "left_shoulder"), axis=1),
        "thigh": longer("hip", "knee"),
        "shin": longer("knee", "ankle"),
    }


def _points(pose: Pose, name: str) -> Float64Array:
    """float64 [T,2] of one keypoint; NaN below `MIN_CONFIDENCE`."""
    seen = pose.confidence[:, INDEX[name], None] >= MIN_CONFIDENCE
    return np.where(seen, pose.xy[:, INDEX[name]].astype(np.float64), np.nan)


def _middle(pose: Pose, a: str, b: str) -> Float64Array:
    """Midpoint of two keypoints, float64 [T,2]; NaN where either is missing."""
    return (_points(pose, a) + _points(pose, b)) / 2


def _lowest(pose: Pose, *names: str) -> Float64Array:
    """Largest y [T] of the visible ones of the named keypoints; NaN where none is."""
    lowest: Float64Array = np.fmax.reduce([_points(pose, name)[:, 1] for name in names])
    return lowest


def _seen(values: Float64Array) -> bool:
    return bool(np.isfinite(values).any())
