"""Estimate a pinhole camera above a floor from a person's track: focal length, tilt and height.

Bones of constant length give the focal length where depth is reliable, standing feet give the floor; priors of usual cameras
add what the track does not show. Lengths are in px at home, that is, as large as they appear where the person usually stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.filtering.local_regression import blocks
from dancenow.pose.retargeting.joints import PARTS, Joints, joint_index, moving_average
from dancenow.skeleton import INDEX

DEFAULT_FOCAL: Final = 1.2
"""Prior of the focal length, as a fraction of the frame's longer side: between phone and camcorder."""
FOCAL_SPREAD: Final = 0.4
"""Standard deviation of the focal length among cameras, in log units."""
FOCALS: Final = np.exp(np.linspace(np.log(0.6), np.log(3.6), 10))
FINER: Final = np.exp(np.linspace(-0.2, 0.2, 9))
"""Focal lengths of the coarse search, and factors of the fine search around the best one."""
TILT: Final = 0.08
"""Prior of the tilt as a tangent: a camera at chest height, aimed at the middle of the body, five steps away."""
TILT_SPREAD: Final = 0.06
CAMERA_HEIGHT: Final = (0.8, 0.3)
"""Prior of the camera's height above the floor: mean and standard deviation, in body heights."""
HEEL_SPREAD: Final = 0.02
"""Standard deviation of the apparent height of standing heels above standing toes, in body heights: detectors have a bias."""
CORRELATED_FRAMES: Final = (8.0, 200.0)
"""Frames that count as one independent measurement, with exact depth and without: errors of neighboring frames are correlated,
and those of a detector's depth are in all frames."""
BONE_WEIGHT: Final = 30.0
"""Weight of the log disagreement of bones in the choice of a focal length."""
STILL_SPEED: Final = 0.12
"""Speed of a heel or toe, in body heights per second, up to which it stands."""
AIRBORNE_HEIGHT: Final = 0.1
"""A foot point this much higher in the image than the lowest one, in body heights, is in the air even if it is still."""
AIRBORNE_WEIGHT: Final = (0.5, 1.0)
"""Weight of a still foot above the floor relative to one below it, with exact depth and without: nobody stands below the floor,
but many feet are still above it for a moment. Without exact depth the two cannot be distinguished."""
EXACT_UNCERTAINTY: Final = 0.015
"""Disagreement of bones about the body's size up to which depth is exact; a detector's corrected depth gives twice that."""
MAX_FRAMES: Final = 150
"""Frames used to estimate a camera: more add no information."""
MIN_BONES: Final = 4
"""With fewer, a foreshortened bone would shrink the body; its size is then interpolated from other frames."""
NEARNESS_RANGE: Final = (0.6, 1.7)
"""Bounds of a joint's distance to the camera relative to that of the hips."""

FEET: Final = tuple(INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("heel", "toe"))
IS_HEEL: Final = np.array([1.0, 0.0, 1.0, 0.0])
_BONES: Final = ("torso", "shoulders", "hips", "upper_arm", "forearm", "thigh", "shin")
BONE_PARTS: Final = tuple(name for name in _BONES for _ in PARTS[name])
BONE_ENDS: Final = np.array([[joint_index(end) for end in ends] for name in _BONES for ends in PARTS[name]])
"""[B,2] joints at the ends of each bone whose length does not change."""


_RENAMED_FIELDS: Final = {"middle_x_px": "center_x_px", "middle_y_px": "center_y_px"}
"""Fields of version 0.1 -> today's."""


@dataclass(frozen=True)
class CameraModel:
    """A still pinhole camera above a floor.

    center_*_px: principal point in the frame. tilt_rad: downwards. floor_px: height above the floor, in px at home. heel_px:
    apparent height of standing heels above standing toes. World coordinates: right, away along the floor, and up; the
    origin is the floor point below the camera.
    """

    center_x_px: float
    center_y_px: float
    focal_px: float
    tilt_rad: float
    floor_px: float
    heel_px: float = 0.0

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Restore from the fields as JSON values, of this or the last version. Raises TypeError if they are damaged."""
        return cls(**{_RENAMED_FIELDS.get(name, name): value for name, value in saved.items()})

    def to_camera_space(self, points: Float64Array, size: Float64Array) -> Float64Array:
        """Unproject joints [T,J,3] (x, y, depth from the hips, px) into camera coordinates [T,J,3]: right, down, forward.

        size: apparent size [T] relative to home. In px at home; at home the hips are `focal_px` away.
        """
        nearness = np.clip(1 + points[..., 2:] / self.focal_px, *NEARNESS_RANGE)
        middle = np.array([self.center_x_px, self.center_y_px])
        aside = (points[..., :2] - middle) * nearness
        return np.asarray(np.concatenate([aside, self.focal_px * nearness], axis=-1) / size[:, None, None])

    def to_world(self, solid: Float64Array) -> Float64Array:
        """Camera coordinates [...,3] -> world coordinates (right, away, up)."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, down, forward = np.moveaxis(solid, -1, 0)
        return np.stack([x, cos * forward - sin * down, self.floor_px - cos * down - sin * forward], axis=-1)

    def project(self, world: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Project world coordinates [...,3] into the frame [...,2] px; also return the depth along the optical axis [...]."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, away, up = np.moveaxis(world, -1, 0)
        below = self.floor_px - up
        forward = np.maximum(cos * away + sin * below, 0.1 * self.focal_px)
        aside = np.stack([x, cos * below - sin * away], axis=-1) / forward[..., None]
        return np.array([self.center_x_px, self.center_y_px]) + self.focal_px * aside, forward

    def floor_point(self, xy_px: Float64Array, up_px: Float64Array | float, reach: tuple[float, float]) -> Float64Array:
        """Unproject frame positions [...,2] to world coordinates [...,3] at the height `up_px` above the floor.

        reach: bounds of the distance along the floor.
        """
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, y = np.moveaxis((xy_px - [self.center_x_px, self.center_y_px]) / self.focal_px, -1, 0)
        falls = np.maximum(cos * y + sin, 1e-3)
        away = np.clip((self.floor_px - up_px) / falls * (cos - sin * y), *reach)
        forward = away / np.maximum(cos - sin * y, 1e-3)
        return np.stack([x * forward, away, np.broadcast_to(up_px, away.shape)], axis=-1)


def bone_lengths(points: Float64Array, present: NDArray[np.bool_], focal_px: float, middle: Float64Array) -> Float64Array:
    """Log lengths of bones [T,B] in px at the distance of the hips; NaN where an end is missing."""
    nearness = np.clip(1 + points[..., 2:] / focal_px, *NEARNESS_RANGE)
    solid = np.concatenate([(points[..., :2] - middle) * nearness, points[..., 2:]], axis=-1)
    lengths = np.linalg.norm(solid[:, BONE_ENDS[:, 0]] - solid[:, BONE_ENDS[:, 1]], axis=-1)
    known = present[:, BONE_ENDS].all(axis=-1)
    return np.where(known, np.log(np.maximum(lengths, 1e-3)), np.nan)


def bone_lengths_over_time(joints: Joints, focal_px: float, middle: Float64Array) -> Float64Array:
    """`bone_lengths` of a whole track."""
    parts = [bone_lengths(*joints[frames], focal_px, middle) for frames in blocks(len(joints), 1024)]
    return np.concatenate(parts) if parts else np.zeros((0, len(BONE_ENDS)))


def log_size(lengths: Float64Array, full: Float64Array) -> Float64Array:
    """Log of the apparent size [T], the median over bones of known length [B]; NaN where too few are visible."""
    relative = lengths - full
    seen = np.isfinite(relative).sum(axis=1)
    known = seen >= min(MIN_BONES, int(seen.max(initial=1)))
    known &= seen > 0
    size = np.full(len(relative), np.nan)
    for frames in blocks(len(relative)):
        size[frames][known[frames]] = np.nanmedian(relative[frames][known[frames]], axis=1)
    return size


def estimate_camera(
    joints: Joints, frame_px: tuple[int, int], fps: float, height_px: float, *, feet_seen: bool, depth_reliable: bool
) -> tuple[CameraModel, float]:
    """Estimate the camera from the joints (depth in px) of a body `height_px` tall. feet_seen: whether its feet count.

    Also returns the disagreement of bones about the body's size in a frame (a fraction). Without standing feet the floor is one
    leg length below the hips. Reliable depth determines the focal length, at which the bones agree; without it they disagree at
    any, and the usual one is taken.
    """
    step = max(1, len(joints) // MAX_FRAMES)
    feet, seen = joints.several(FEET)
    stands = still_feet(feet[..., :2], seen & feet_seen, fps, height_px)[::step]
    points, present = joints[::step]
    middle = (np.array(frame_px, np.float64) - 1) / 2
    usual_px = DEFAULT_FOCAL * max(frame_px)

    def evaluate(focal_px: float, exact: bool) -> tuple[float, CameraModel, float]:
        lengths = bone_lengths(points, present, focal_px, middle)
        size, uncertainty = consensus_size(lengths, 1)
        camera, off = _floor(points, stands, focal_px, middle, np.exp(size), height_px, exact=exact)
        usual = (np.log(focal_px / usual_px) / FOCAL_SPREAD) ** 2 / 2
        return usual + BONE_WEIGHT * (np.log(uncertainty) + 0.5 * np.log(off)), camera, uncertainty

    def best_of(focals_px: Float64Array, exact: bool) -> tuple[float, CameraModel, float]:
        return min((evaluate(float(focal_px), exact) for focal_px in focals_px), key=lambda found: found[0])

    def best(exact: bool) -> tuple[CameraModel, float]:
        coarse = best_of(FOCALS * max(frame_px), exact)
        return min(coarse, best_of(FINER * coarse[1].focal_px, exact), key=lambda found: found[0])[1:]

    if not depth_reliable:
        return evaluate(usual_px, exact=False)[1:]
    camera, uncertainty = best(exact=True)
    return (camera, uncertainty) if uncertainty <= EXACT_UNCERTAINTY else best(exact=False)


def still_feet(xy: Float64Array, present: NDArray[np.bool_], fps: float, height_px: float) -> NDArray[np.bool_]:
    """bool [T,4]: which of `FEET` at xy [T,4,2] px, if present [T,4], are still and low."""
    half = max(1, round(0.05 * fps))
    frames = np.arange(len(xy))
    after, before = np.minimum(frames + half, len(xy) - 1), np.maximum(frames - half, 0)
    way = np.linalg.norm(xy[after] - xy[before], axis=-1)
    known = present & present[after] & present[before]
    seconds = np.maximum(after - before, 1) / fps
    y = np.where(present, xy[..., 1], -np.inf)
    low = y > y.max(axis=1, keepdims=True) - AIRBORNE_HEIGHT * height_px
    return np.asarray(known & low & (way < STILL_SPEED * height_px * seconds[:, None]))


def consensus_size(lengths: Float64Array, half: int) -> tuple[Float64Array, float]:
    """Log of the size [T] in every frame, 0 at home, from bones [T,B] of unknown lengths; and their median disagreement."""
    size = np.zeros(len(lengths))
    ever = np.isfinite(lengths).any(axis=0)
    full = np.zeros(lengths.shape[1])
    frames = np.arange(len(lengths))
    for _ in range(3):
        full[ever] = [np.nanmedian(each - size) for each in lengths.T[ever]]
        each = log_size(lengths, full)
        known = np.isfinite(each)
        size = np.interp(frames, frames[known], each[known]) if known.any() else size
    size -= np.median(size)
    off = np.abs(lengths - size[:, None] - full)
    uncertainty = float(np.nanmedian(off)) if np.isfinite(off).any() else 1.0
    return moving_average(size, half), max(uncertainty, 1e-4)


def _floor(
    points: Float64Array,
    stands: NDArray[np.bool_],
    focal_px: float,
    middle: Float64Array,
    size: Float64Array,
    height_px: float,
    *,
    exact: bool,
) -> tuple[CameraModel, float]:
    """Fit tilt and height of a camera to standing feet [T,4]; also return their distance to the floor, in body heights."""
    level = CameraModel(float(middle[0]), float(middle[1]), float(focal_px), 0.0, 0.0)
    solid = level.to_camera_space(points, size)
    feet = solid[:, FEET][stands]
    heel = np.broadcast_to(IS_HEEL, stands.shape)[stands]
    if len(feet) < 4:
        return _below_hips(level, solid, height_px), 0.05
    # down = (floor - heel offset) / cos - tan(tilt) forward, by iteratively reweighted least squares (robust to outliers).
    table = np.stack([-feet[:, 2], np.ones(len(feet)), -heel], axis=1)
    usual = np.array([TILT, CAMERA_HEIGHT[0] * height_px, 0.0])
    trust = 1 / np.array([TILT_SPREAD, CAMERA_HEIGHT[1] * height_px, HEEL_SPREAD * height_px])
    scale, weight = 0.03 * height_px, np.full(len(feet), 1.0)
    frames_per_word, in_the_air = CORRELATED_FRAMES[not exact], AIRBORNE_WEIGHT[not exact]
    found = usual
    for _ in range(6):
        each = np.sqrt(weight / frames_per_word) / scale
        rows = np.concatenate([table * each[:, None], np.diag(trust)])
        found = np.linalg.lstsq(rows, np.concatenate([feet[:, 1] * each, usual * trust]), rcond=None)[0]
        below = feet[:, 1] - table @ found
        off = np.abs(below)
        scale = max(1.5 * float(np.median(off)), 0.004 * height_px)
        weight = np.where(below < 0, in_the_air, 1.0) / (1 + (off / (2 * scale)) ** 2)
    tilt_rad = float(np.arctan(np.clip(found[0], -0.5, 0.7)))
    # The weighted median: points above the floor have a lower weight.
    down = np.quantile(feet[:, 1] + np.tan(tilt_rad) * feet[:, 2] + found[2] * heel, 1 / (1 + in_the_air))
    floor_px = float(down * np.cos(tilt_rad))
    camera = CameraModel(
        level.center_x_px, level.center_y_px, level.focal_px, tilt_rad, floor_px, float(found[2] * np.cos(tilt_rad))
    )
    if floor_px < 0.05 * height_px:  # a camera on the floor is not plausible: an error of the depth
        return _below_hips(level, solid, height_px), 0.05
    return camera, scale / height_px


def _below_hips(level: CameraModel, solid: Float64Array, height_px: float) -> CameraModel:
    """Fallback without standing feet: the usual tilt, and a floor under legs of usual length."""
    tilt_rad = float(np.arctan(TILT))
    hips = solid[:, joint_index("hips")]
    down = np.median(np.cos(tilt_rad) * hips[:, 1] + np.sin(tilt_rad) * hips[:, 2])
    floor_px = max(float(down) + 0.58 * height_px, 0.3 * height_px)
    return CameraModel(level.center_x_px, level.center_y_px, level.focal_px, tilt_rad, floor_px)
