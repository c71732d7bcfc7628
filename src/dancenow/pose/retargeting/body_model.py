"""Model of a person's body for retargeting: length of every part, camera and floor, and position of the stage.

Lengths are robust estimates in 3D, shrunk towards average proportions by their uncertainty. All lengths are in px at home, that
is, as large as they appear where the person usually stands.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from dancenow.pose.body_statistics import MIN_CONFIDENCE, Float64Array, body_statistics, sole_y, standing_line
from dancenow.pose.retargeting.camera_model import (
    BONE_PARTS,
    EXACT_UNCERTAINTY,
    FEET,
    IS_HEEL,
    CameraModel,
    bone_lengths_over_time,
    consensus_size,
    estimate_camera,
    log_size,
)
from dancenow.pose.retargeting.joints import HIPS, PARTS, Joints, joint_index, moving_average
from dancenow.types import Pose, PoseTrack

AVERAGE: Final = {
    "torso": 0.33, "shoulders": 0.22, "hips": 0.12, "upper_arm": 0.18, "forearm": 0.165, "hand": 0.06, "thigh": 0.29,
    "shin": 0.27, "foot": 0.14, "neck": 0.14, "head": 0.10,
}  # fmt: skip
"""Lengths of an average adult's parts as fractions of the nose to ankle distance."""
SPREAD: Final = 0.07
"""Standard deviation of a part's relative length among people, in log units."""
UNCERTAINTY: Final = 0.035
"""Uncertainty of a part's measured length, in log units: which poses a dance contains, the detector's bias."""
EXACT_PART_UNCERTAINTY: Final = 0.005
"""The same where depth is exact."""
FULL_PERCENTILE: Final = (50, 80)
"""Percentile of a part's lengths that is its full length: with reliable depth, and without, when most appear too short."""
DEPTH_GAINS: Final = np.linspace(0, 1.5, 31)
"""Scales of depth that are tried. Depth that is not exact is multiplied by the best one if it is over 1: a detector that
compresses depth shortens the parts that point at the camera, more in one dance than in another. Over six clips the error of the
height varied by 2.9%, and with the scale by 1.6%."""
MIN_DEPTH_GAIN: Final = 0.85
"""Depth is reliable if its best scale is at least this. A detector's uncorrected depth, noisy and exaggerated, is not: scaled
down as a whole or part by part it gave worse results than none."""
RIGID: Final = ("torso", "shoulders", "upper_arm", "forearm", "thigh", "shin")
"""Parts of constant length, from which the scale of depth is estimated."""
BLOCKS: Final = 5
"""A track is split into this many pieces; their disagreement gives the uncertainty of a length."""
SOLE_UNCERTAINTY: Final = 0.015
"""Uncertainty of the ground line's height, in body heights."""
SIZE_SMOOTHING_S: Final = 0.1
SMOOTHED_UNCERTAINTY: Final = 0.02
"""Sizes are averaged over `SIZE_SMOOTHING_S` if bones disagree this much about the body's size, over less time otherwise."""
PATH_UNCERTAINTY: Final = 1.5
"""Uncertainty of the stage center given the center of a path, in standard deviations of the path."""
UNSEEN_PATH: Final = (0.12, 10.0)
"""The same for a dance in place, in body heights; its variance halves after this many seconds."""
AIM_UNCERTAINTY: Final = 0.07
"""Usual distance of a camera's optical axis from the stage center, in body heights."""
FRONT_WIDTH_RAD: Final = 0.7
"""Facing directions that differ from the main one by more than twice this are turns and are ignored."""
FRONT_UNCERTAINTY: Final = 0.7
"""Uncertainty of the stage front given the main facing direction, in standard deviations of facings, on random dances."""
SIDE_RAD: Final = 0.07
"""Usual angle between the stage front and the camera."""
RANGE_PERCENTILES: Final = (5, 95)
_RENAMED_FIELDS: Final = {"view": "camera", "sound": "depth_reliable", "size_doubt": "size_uncertainty"}
"""Fields of version 0.1 -> today's."""


@dataclass(frozen=True)
class BodyModel:
    """A person in their own video. Lengths in px at home, where the hips are `camera.focal_px` from the camera.

    frame_*_px: size of the frame. fps: of the track. height_px: nose to ankle. camera: above the floor.
    stage_x_px, home_away_px: stage center in world coordinates of `camera`. away_range_px: smallest and largest distance of the
    person. depth_reliable: whether depth is used. size_uncertainty: disagreement of bones about the body's size in a frame.
    parts_px: full lengths. sole_px: height of the lower foot above the floor while standing. floor_bias: mean excess of the log
    size from the floor. front_rad: direction that the person mostly faces, from right of the camera to away from it, shrunk by
    its uncertainty. depth_gain: scale of the source's depth. Without feet (`feet_seen` False) the floor is a guess.
    """

    frame_width_px: int
    frame_height_px: int
    fps: float
    feet_seen: bool
    height_px: float
    camera: CameraModel
    stage_x_px: float
    home_away_px: float
    away_range_px: tuple[float, float]
    depth_reliable: bool
    size_uncertainty: float
    parts_px: Mapping[str, float]
    sole_px: float = 0.0
    floor_bias: float = 0.0
    front_rad: float = 0.0
    depth_gain: float = 1.0

    @property
    def heels_px(self) -> Float64Array:
        """Apparent height of each of `FEET` above the floor when it stands, float64 [4]."""
        return self.camera.heel_px * IS_HEEL

    @property
    def leg_px(self) -> float:
        """Length of thigh and shin."""
        return self.parts_px["thigh"] + self.parts_px["shin"]

    @property
    def distance(self) -> float:
        """Distance from the camera to home, in body heights."""
        return self.camera.focal_px / self.height_px

    @property
    def slant(self) -> float:
        """Tangent of the angle at which the camera looks down at the feet at home."""
        return self.camera.floor_px / max(self.home_away_px, 1e-6)

    @property
    def home_px(self) -> Float64Array:
        """The stage center in the frame, float64 [2] px; without feet, the hips above it."""
        up_px = 0.0 if self.feet_seen else self.leg_px
        return self.camera.project(np.array([self.stage_x_px, self.home_away_px, up_px]))[0]

    def joints(self, pose: Pose) -> Joints:
        """The joints of poses [T,K] with their depth if it is reliable, else with depth 0."""
        return Joints(pose, self.depth_gain if self.depth_reliable else 0.0)

    def log_sizes(self, joints: Joints, line_px: Float64Array | None) -> Float64Array:
        """Log of the apparent size [T] of a body, relative to home, from bone lengths and the ground line [T].

        Both are weighted by their certainty; their mean difference is a bias of the floor.
        """
        size = self.log_sizes_from_bones(joints)
        if line_px is None or not self.feet_seen:
            return size
        by_floor = self.log_sizes_from_floor(joints, line_px) - self.floor_bias
        uncertainty = SOLE_UNCERTAINTY * self.height_px / self.camera.floor_px, self.size_uncertainty
        weight = np.array(uncertainty) ** -2.0
        return np.asarray((weight[0] * by_floor + weight[1] * size) / weight.sum())

    def log_sizes_from_bones(self, joints: Joints) -> Float64Array:
        """Log of the apparent size [T] from bone lengths, smoothed where they disagree, interpolated where none is visible."""
        middle = np.array([self.camera.center_x_px, self.camera.center_y_px])
        lengths = bone_lengths_over_time(joints, self.camera.focal_px, middle)
        size = log_size(lengths, np.log([self.parts_px[name] for name in BONE_PARTS]))
        known = np.isfinite(size)
        if not known.any():
            return np.zeros(len(size))
        frames = np.arange(len(size))
        return moving_average(np.interp(frames, frames[known], size[known]), _smoothing(self.size_uncertainty, self.fps))

    def log_sizes_from_floor(self, joints: Joints, line_px: Float64Array) -> Float64Array:
        """Log of the apparent size [T] from the distance of the ground line along the floor."""
        hips, seen = joints.of(HIPS)
        at = np.stack([np.where(seen, hips[:, 0], self.camera.center_x_px), line_px], axis=-1)
        away = self.camera.floor_point(at, 0.0, (0.3 * self.camera.focal_px, 4 * self.camera.focal_px))[:, 1]
        over = np.stack([np.zeros_like(away), away, np.full_like(away, self.leg_px)], axis=-1)
        return np.asarray(np.log(self.camera.focal_px / self.camera.project(over)[1]))

    def world(self, points: Float64Array, size: Float64Array) -> Float64Array:
        """Joints [T,J,3] (depth in px) of apparent sizes [T] in world coordinates of `camera`."""
        return self.camera.to_world(self.camera.to_camera_space(points, size))

    def ground(self, joints: Joints, size: Float64Array) -> Float64Array:
        """Height [T] of the lowest foot of a body of apparent sizes [T] when it stands; jumps are bridged."""
        feet, seen = joints.several(FEET)
        if not seen.any():
            return np.zeros(len(feet))
        lowest = np.where(seen, self.world(feet, size)[..., 2] - self.heels_px, np.inf).min(axis=1)
        return -standing_line(-np.where(np.isfinite(lowest), lowest, np.nan), self.fps)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, see `from_json`."""
        return {**dataclasses.asdict(self), "parts_px": dict(self.parts_px), "away_range_px": list(self.away_range_px)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Restore from `to_json`, of this or the last version. Raises KeyError, TypeError or ValueError if it is damaged."""
        saved = {_RENAMED_FIELDS.get(name, name): value for name, value in saved.items()}
        parts_px = {name: float(saved["parts_px"][name]) for name in PARTS}
        camera = CameraModel.from_json(saved["camera"])
        away_range_px = (float(saved["away_range_px"][0]), float(saved["away_range_px"][1]))
        body = cls(**{**saved, "parts_px": parts_px, "camera": camera, "away_range_px": away_range_px})
        lengths = [body.height_px, body.fps, camera.focal_px, camera.floor_px, body.size_uncertainty, *parts_px.values()]
        places = [
            body.stage_x_px,
            body.home_away_px,
            *away_range_px,
            *dataclasses.astuple(camera),
            body.sole_px,
            body.floor_bias,
            body.front_rad,
            body.depth_gain,
        ]
        if not np.isfinite([*lengths, *places]).all() or min(lengths) <= 0:
            raise ValueError("lengths must be positive")
        return body


def fit_body_model(track: PoseTrack, *, by_hips: bool = False) -> BodyModel:
    """Fit the body model to a track; `by_hips` ignores the feet, for a pair whose other track shows none.

    Raises:
        UserError: shoulders and hips are never visible together, so nothing gives the size of the body.
    """
    body = body_statistics(track)
    feet_seen = body.feet_seen and not by_hips
    joints = Joints(track.pose, least=MIN_CONFIDENCE)
    gain = _depth_gain(joints)
    depth_reliable = gain >= MIN_DEPTH_GAIN
    joints = joints.scaled(float(depth_reliable))
    seen_in = (track.width_px, track.height_px), track.fps, body.height_px
    camera, uncertainty = estimate_camera(joints, *seen_in, feet_seen=feet_seen, depth_reliable=depth_reliable)
    depth_gain = max(gain, 1.0) if depth_reliable and uncertainty > EXACT_UNCERTAINTY else 1.0
    if depth_gain > 1:
        joints = joints.scaled(depth_gain)
        camera, uncertainty = estimate_camera(joints, *seen_in, feet_seen=feet_seen, depth_reliable=True)
    lengths = bone_lengths_over_time(joints, camera.focal_px, np.array([camera.center_x_px, camera.center_y_px]))
    size = np.exp(consensus_size(lengths, _smoothing(uncertainty, track.fps))[0])
    exact = depth_reliable and uncertainty <= EXACT_UNCERTAINTY
    parts_px = _parts(joints, camera, size, depth_reliable=depth_reliable, exact=exact)
    height_px = parts_px["torso"] + parts_px["thigh"] + parts_px["shin"] + parts_px["neck"]
    model = BodyModel(
        track.width_px, track.height_px, track.fps, feet_seen, height_px, camera, 0.0, camera.focal_px, (0.0, 1.0),
        depth_reliable, uncertainty, parts_px, depth_gain=depth_gain,
    )  # fmt: skip
    line_px = standing_line(sole_y(track.pose, 0.08 * height_px), track.fps) if feet_seen else None
    if line_px is not None:
        differ = model.log_sizes_from_floor(joints, line_px) - model.log_sizes_from_bones(joints)
        model = dataclasses.replace(model, floor_bias=float(np.median(differ)))
    size = np.exp(model.log_sizes(joints, line_px))
    hips, hips_seen = joints.of(HIPS)
    path = model.world(hips[:, None], size)[hips_seen, 0]
    sole_px = float(np.median(model.ground(joints, size))) if feet_seen else 0.0
    aim_px = 0.0 if track.aim_px is None else track.aim_px[0] - camera.center_x_px  # of the optical axis if the camera is still
    stage_x_px = aim_px + _stage(path[:, 0] - aim_px, len(track) / track.fps, height_px)
    home_away_px = float(np.median(path[:, 1]))
    front_rad = _front(model, joints, size) if depth_reliable else 0.0
    low, high = (float(value) for value in np.percentile(path[:, 1], RANGE_PERCENTILES))
    return dataclasses.replace(
        model, stage_x_px=stage_x_px, home_away_px=home_away_px, away_range_px=(low, high), sole_px=sole_px, front_rad=front_rad
    )


def _smoothing(uncertainty: float, fps: float) -> int:
    """Half-width in frames over which sizes are averaged: 0 where they are certain, to follow fast motion."""
    return round(SIZE_SMOOTHING_S * fps * min(1.0, uncertainty / SMOOTHED_UNCERTAINTY))


def _stage(x_px: Float64Array, seconds: float, height_px: float) -> float:
    """Horizontal position of the stage center, from a path [N] of this duration: between its mean and the camera's aim at 0.

    Cameras are aimed at the stage, and a short part of a dance can be anywhere on it; but a person who stands still away from
    where the camera looks has their stage there.
    """
    middle = float(x_px.mean())
    path = (PATH_UNCERTAINTY * float(x_px.std())) ** 2
    path += (UNSEEN_PATH[0] * height_px) ** 2 * UNSEEN_PATH[1] / (UNSEEN_PATH[1] + seconds)
    aim = (AIM_UNCERTAINTY * height_px) ** 2
    aim *= max(1.0, middle**2 / (3 * (path + aim)))
    return middle * aim / (path + aim)


def _front(model: BodyModel, joints: Joints, size: Float64Array) -> float:
    """Angle of the stage front, which a person mostly faces. Shrunk towards the camera (0) if they face all directions."""
    ends = [joint_index(f"{side}_{part}") for part in ("shoulder", "hip") for side in ("right", "left")]
    points, present = joints.several(ends)
    body = model.world(points, size)[present.all(axis=1)][..., :2]
    across = body[:, 1] - body[:, 0] + body[:, 3] - body[:, 2]
    facing = np.arctan2(across[:, 1], across[:, 0])
    main, spread = 0.0, np.inf
    for _ in range(12):
        off = (facing - main + np.pi) % (2 * np.pi) - np.pi
        weight = np.clip(1 - (off / (2 * FRONT_WIDTH_RAD)) ** 2, 0, None) ** 2
        if weight.sum() < 1e-6:
            return 0.0
        spread = float(np.sqrt((weight * off**2).sum() / weight.sum()))
        main += float((weight * off).sum() / weight.sum())
    return main * SIDE_RAD**2 / (SIDE_RAD**2 + (FRONT_UNCERTAINTY * spread) ** 2)


def _depth_gain(joints: Joints) -> float:
    """The scale of depth at which rigid parts keep their length: 1 for exact depth, less where a detector exaggerates it.

    Minimizes the mean spread of a part's lengths over its parts: the distance between percentiles over the median.
    """
    spreads = []
    for ends in (each for name in RIGID for each in PARTS[name]):
        (a, a_seen), (b, b_seen) = (joints.of(joint_index(end)) for end in ends)
        vector = (a - b)[a_seen & b_seen]
        if len(vector) < 5 or not vector[:, 2].any():
            continue
        flat = (vector[:, :2] ** 2).sum(axis=1)
        lengths = (np.sqrt(flat + (gain * vector[:, 2]) ** 2) for gain in DEPTH_GAINS)
        low, middle, high = np.transpose([np.percentile(each, [15, 50, 85]) for each in lengths])
        spreads.append((high - low) / np.maximum(middle, 1e-9))
    return float(DEPTH_GAINS[np.mean(spreads, axis=0).argmin()]) if spreads else 0.0


def _parts(joints: Joints, camera: CameraModel, size: Float64Array, *, depth_reliable: bool, exact: bool) -> dict[str, float]:
    """Full lengths in px at home. Parts that are never or rarely visible get an average person's proportion."""
    logs, uncertainties = {}, {}
    for name in PARTS:
        length_px, uncertainty = _length(joints, camera, size, name, FULL_PERCENTILE[0 if depth_reliable else 1])
        if length_px > 0:
            logs[name] = np.log(length_px / AVERAGE[name])
            uncertainties[name] = np.hypot(uncertainty, EXACT_PART_UNCERTAINTY if exact else UNCERTAINTY)
    weight = {name: AVERAGE[name] / (uncertainties[name] ** 2 + SPREAD**2) for name in logs}
    scale = sum(weight[name] * logs[name] for name in logs) / sum(weight.values())
    parts_px = {}
    for name, share in AVERAGE.items():
        own = logs[name] - scale if name in logs else 0.0
        trust = SPREAD**2 / (SPREAD**2 + uncertainties[name] ** 2) if name in logs else 0.0
        parts_px[name] = float(share * np.exp(scale + trust * np.clip(own, -0.5, 0.5)))
    return parts_px


def _length(joints: Joints, camera: CameraModel, size: Float64Array, part: str, percentile: float) -> tuple[float, float]:
    """Full length in px at home, and its relative uncertainty; (0, inf) if it is never visible."""
    lengths = []
    for ends in PARTS[part]:
        points, present = joints.several([joint_index(end) for end in ends])
        solid = camera.to_camera_space(points, size)
        lengths.append(np.where(present.all(axis=1), np.linalg.norm(solid[:, 0] - solid[:, 1], axis=1), np.nan))
    table = np.stack(lengths)
    if not np.isfinite(table).any():
        return 0.0, np.inf
    full_px = float(np.nanpercentile(table, percentile))
    pieces = [piece[np.isfinite(piece)] for piece in np.array_split(table, BLOCKS, axis=1)]
    each_px = [float(np.percentile(piece, percentile)) for piece in pieces if piece.size]
    if full_px <= 0 or min(each_px) <= 0:
        return 0.0, np.inf
    return full_px, float(np.std(np.log(each_px)) / np.sqrt(len(each_px))) if len(each_px) > 1 else SPREAD
