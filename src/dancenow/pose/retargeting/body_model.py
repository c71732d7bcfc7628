"""What retargeting needs to know of a dancer: length of every part, the camera and the floor, and where the stage is.

Lengths are robust averages in space, with depth scaled so that bones keep theirs, and are shrunk towards average proportions by
their uncertainty. All lengths are in px at home, that is as large as they are seen where the dancer usually stands.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE, Float64Array, body_statistics, sole_y, standing_line
from dancenow.pose.retargeting.camera_model import (
    BONE_PARTS,
    EXACT_DOUBT,
    FEET,
    IS_HEEL,
    CameraModel,
    agreed_size,
    bone_lengths,
    log_size,
    read_view,
)
from dancenow.pose.retargeting.joints import HIPS, PARTS, averaged, joints_of, number_of
from dancenow.types import PoseTrack

AVERAGE: Final = {
    "torso": 0.33, "shoulders": 0.22, "hips": 0.12, "upper_arm": 0.18, "forearm": 0.165, "hand": 0.06, "thigh": 0.29,
    "shin": 0.27, "foot": 0.14, "neck": 0.14, "head": 0.10,
}  # fmt: skip
"""Lengths of an average adult's parts as shares of nose to ankle."""
SPREAD: Final = 0.07
"""Standard deviation of a part's share of the body among people, in logarithms."""
DOUBT: Final = 0.035
"""Of a part's measured length, in logarithms: which poses a dance holds, the detector's bias."""
EXACT_PART_DOUBT: Final = 0.005
"""The same where depth is exact."""
FULL_PERCENTILE: Final = (50, 80)
"""Of a part's lengths, that which counts as full: with sound depth, and without, when most are seen too short."""
DEPTH_GAINS: Final = np.linspace(0, 1.2, 25)
SOUND_GAIN: Final = 0.85
"""Depth that is to be multiplied by this or more to keep bones at their length is sound. What a detector
says, noisy and exaggerated, is not, before it was corrected: scaled down as a whole or part by part it was worse than none."""
RIGID: Final = ("torso", "shoulders", "upper_arm", "forearm", "thigh", "shin")
"""Parts whose length does not change: what their detected depth is to be multiplied by, so that it does not."""
BLOCKS: Final = 5
"""A track is cut in so many pieces; how far they disagree is how uncertain a length is."""
SOLE_DOUBT: Final = 0.015
"""Of the height of the ground line, in heights of the body."""
SIZE_SMOOTHING_S: Final = 0.1
SMOOTHED_DOUBT: Final = 0.02
"""Bones that disagree so much about the body's size are averaged over that time; others over less."""
PATH_DOUBT: Final = 1.5
"""How far the middle of a path may be from the middle of the stage, in standard deviations of the path."""
UNSEEN_PATH: Final = (0.12, 10.0)
"""The same for a dance that stays in place, in heights; it halves in square when seen for so many seconds."""
AIM_DOUBT: Final = 0.07
"""How far cameras are usually aimed beside the middle of the stage, in heights."""
FRONT_WIDTH_RAD: Final = 0.7
"""Facings that differ from the main one by more than twice this are turns and do not count."""
FRONT_DOUBT: Final = 0.7
"""How far the main facing is from where the stage's front is, in standard deviations of facings, on random dances."""
SIDE_RAD: Final = 0.07
"""How far to the side of the stage's front cameras usually stand."""
RANGE_PERCENTILES: Final = (5, 95)


@dataclass(frozen=True)
class BodyModel:
    """A dancer in their own video. Lengths in px at home, that is where the hips are `view.focal_px` from the camera.

    frame_*_px: size of the frame. fps: of the track. height_px: nose to ankle. view: the camera over the floor.
    stage_x_px, home_away_px: the middle of the stage on the floor of `view`. away_range_px: nearest and furthest that the
    dancer was. sound: whether depth is to be believed. size_doubt: how far bones disagree
    about the body's size in a frame. parts_px: full lengths.
    sole_px: height over the floor of the lowest of the feet, while it stands. floor_bias: what the floor says too much of the
    logarithm of the body's size. front_rad: which way the dancer faces in the main, from right of the camera to away from it,
    as far as it is certain. Without feet (`feet_seen` False) the floor is a guess.
    """

    frame_width_px: int
    frame_height_px: int
    fps: float
    feet_seen: bool
    height_px: float
    view: CameraModel
    stage_x_px: float
    home_away_px: float
    away_range_px: tuple[float, float]
    sound: bool
    size_doubt: float
    parts_px: Mapping[str, float]
    sole_px: float = 0.0
    floor_bias: float = 0.0
    front_rad: float = 0.0

    @property
    def heels_px(self) -> Float64Array:
        """How far each of `FEET` seems to be above the floor when it stands [4]."""
        return self.view.heel_px * IS_HEEL

    @property
    def leg_px(self) -> float:
        """Thigh and shin."""
        return self.parts_px["thigh"] + self.parts_px["shin"]

    @property
    def distance(self) -> float:
        """Of the camera from home, in heights of the body."""
        return self.view.focal_px / self.height_px

    @property
    def slant(self) -> float:
        """Tangent of the angle at which the camera looks down on the feet at home."""
        return self.view.floor_px / max(self.home_away_px, 1e-6)

    @property
    def home_px(self) -> Float64Array:
        """The middle of the stage in the frame [2]; without feet that of hips over it."""
        up_px = 0.0 if self.feet_seen else self.leg_px
        return self.view.picture(np.array([self.stage_x_px, self.home_away_px, up_px]))[0]

    def believed(self, points: Float64Array) -> Float64Array:
        """Joints [T,J,3] with depth that is sound, or none."""
        return np.asarray(points * [1.0, 1.0, float(self.sound)])

    def log_sizes(self, points: Float64Array, present: NDArray[np.bool_], line_px: Float64Array | None) -> Float64Array:
        """Logarithm of the apparent size [T] of joints [T,J,3], relative to home: what bones say, and the ground line [T].

        Each counts by its certainty; what they differ by in the mean is a fault of the floor.
        """
        size = self.log_sizes_by_bones(points, present)
        if line_px is None or not self.feet_seen:
            return size
        by_floor = self.log_sizes_by_floor(points, present, line_px) - self.floor_bias
        doubt = SOLE_DOUBT * self.height_px / self.view.floor_px, self.size_doubt
        weight = np.array(doubt) ** -2.0
        return np.asarray((weight[0] * by_floor + weight[1] * size) / weight.sum())

    def log_sizes_by_bones(self, points: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
        """What most bones agree on, smooth where they do not agree well; interpolated where nothing is seen."""
        middle = np.array([self.view.middle_x_px, self.view.middle_y_px])
        lengths = bone_lengths(points, present, self.view.focal_px, middle)
        size = log_size(lengths, np.log([self.parts_px[name] for name in BONE_PARTS]))
        known = np.isfinite(size)
        if not known.any():
            return np.zeros(len(points))
        frames = np.arange(len(size))
        return averaged(np.interp(frames, frames[known], size[known]), _smoothing(self.size_doubt, self.fps))

    def log_sizes_by_floor(self, points: Float64Array, present: NDArray[np.bool_], line_px: Float64Array) -> Float64Array:
        """What the distance along the floor says of hips over the ground line."""
        at = np.stack([np.where(present[:, HIPS], points[:, HIPS, 0], self.view.middle_x_px), line_px], axis=-1)
        away = self.view.on_floor(at, 0.0, (0.3 * self.view.focal_px, 4 * self.view.focal_px))[:, 1]
        over = np.stack([np.zeros_like(away), away, np.full_like(away, self.leg_px)], axis=-1)
        return np.asarray(np.log(self.view.focal_px / self.view.picture(over)[1]))

    def world(self, points: Float64Array, present: NDArray[np.bool_], line_px: Float64Array | None) -> Float64Array:
        """Joints [T,J,3] (depth in px) in the world of `view`."""
        size = np.exp(self.log_sizes(points, present, line_px))
        return self.view.world(self.view.solid(points, size))

    def ground(self, world: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
        """How high the lowest of the feet of a body [T,J,3] is when it stands [T]; jumps are bridged."""
        seen = present[:, FEET]
        if not seen.any():
            return np.zeros(len(world))
        lowest = np.where(seen, world[:, FEET, 2] - self.heels_px, np.inf).min(axis=1)
        return -standing_line(-np.where(np.isfinite(lowest), lowest, np.nan), self.fps)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "parts_px": dict(self.parts_px), "away_range_px": list(self.away_range_px)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError if `saved` is not what `to_json` gave."""
        parts_px = {name: float(saved["parts_px"][name]) for name in PARTS}
        view, away_range_px = CameraModel(**saved["view"]), (float(saved["away_range_px"][0]), float(saved["away_range_px"][1]))
        figure = cls(**{**saved, "parts_px": parts_px, "view": view, "away_range_px": away_range_px})
        lengths = [figure.height_px, figure.fps, view.focal_px, view.floor_px, figure.size_doubt, *parts_px.values()]
        places = [
            figure.stage_x_px,
            figure.home_away_px,
            *away_range_px,
            *dataclasses.astuple(view),
            figure.sole_px,
            figure.floor_bias,
            figure.front_rad,
        ]
        if not np.isfinite([*lengths, *places]).all() or min(lengths) <= 0:
            raise ValueError("lengths must be positive")
        return figure


def figure_of(track: PoseTrack, *, by_hips: bool = False) -> BodyModel:
    """Measure a dancer; `by_hips` leaves the feet out of it, for a pair of which the other shows none.

    Raises:
        UserError: shoulders and hips are never seen together, so nothing gives the size of the body.
    """
    body = body_statistics(track)
    feet_seen = body.feet_seen and not by_hips
    points, present = joints_of(track.pose)
    sure = present & _sure(track.pose.confidence)
    sound = _depth_gain(points, sure) >= SOUND_GAIN
    points = points * [1.0, 1.0, float(sound)]
    usable = sure.copy()
    usable[:, FEET] &= feet_seen
    frame_px = track.width_px, track.height_px
    view, doubt = read_view(points, usable, frame_px, track.fps, body.height_px, sound=sound)
    lengths = bone_lengths(points, sure, view.focal_px, np.array([view.middle_x_px, view.middle_y_px]))
    size = np.exp(agreed_size(lengths, _smoothing(doubt, track.fps))[0])
    parts_px = _parts(points, sure, view, size, sound=sound, exact=sound and doubt <= EXACT_DOUBT)
    height_px = parts_px["torso"] + parts_px["thigh"] + parts_px["shin"] + parts_px["neck"]
    whole = BodyModel(
        track.width_px, track.height_px, track.fps, feet_seen, height_px, view, 0.0, view.focal_px, (0.0, 1.0), sound, doubt,
        parts_px,
    )  # fmt: skip
    line_px = standing_line(sole_y(track.pose, 0.08 * height_px), track.fps) if feet_seen else None
    if line_px is not None:
        differ = whole.log_sizes_by_floor(points, sure, line_px) - whole.log_sizes_by_bones(points, sure)
        whole = dataclasses.replace(whole, floor_bias=float(np.median(differ)))
    world = whole.world(points, sure, line_px)
    path = world[sure[:, HIPS], HIPS]
    sole_px = float(np.median(whole.ground(world, sure))) if feet_seen else 0.0
    stage_x_px = _stage(path[:, 0], len(track) / track.fps, height_px)
    home_away_px = float(np.median(path[:, 1]))
    front_rad = _front(world, sure) if sound else 0.0
    low, high = (float(value) for value in np.percentile(path[:, 1], RANGE_PERCENTILES))
    return dataclasses.replace(
        whole, stage_x_px=stage_x_px, home_away_px=home_away_px, away_range_px=(low, high), sole_px=sole_px, front_rad=front_rad
    )


def _smoothing(doubt: float, fps: float) -> int:
    """Half a window in frames over which sizes are averaged: none where they are certain, because bodies do not wait."""
    return round(SIZE_SMOOTHING_S * fps * min(1.0, doubt / SMOOTHED_DOUBT))


def _sure(confidence: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Joints [T,J] that are seen well enough to be measured."""
    sure = confidence >= MIN_CONFIDENCE
    pairs = [[number_of(f"{side}_{name}") for side in ("right", "left")] for name in ("hip", "ear")]
    return np.concatenate([sure, *(sure[:, pair].all(axis=1, keepdims=True) for pair in pairs)], axis=1)


def _stage(x_px: Float64Array, seconds: float, height_px: float) -> float:
    """The middle of the stage across the view, of a path [N] seen for so long: between the path's and the optical axis, at 0.

    Cameras are aimed at a stage, and a short part of a dance is anywhere on it; but who stands still beside the middle of the
    picture, or far from it, has a stage of their own there.
    """
    middle = float(x_px.mean())
    path = (PATH_DOUBT * float(x_px.std())) ** 2
    path += (UNSEEN_PATH[0] * height_px) ** 2 * UNSEEN_PATH[1] / (UNSEEN_PATH[1] + seconds)
    aim = (AIM_DOUBT * height_px) ** 2
    aim *= max(1.0, middle**2 / (3 * (path + aim)))
    return middle * aim / (path + aim)


def _front(world: Float64Array, present: NDArray[np.bool_]) -> float:
    """Angle of the stage's front: dancers face it in the main. Shrunk to 0, the camera's side, where they face all around."""
    ends = [number_of(f"{side}_{part}") for part in ("shoulder", "hip") for side in ("right", "left")]
    body = world[present[:, ends].all(axis=1)][:, ends, :2]
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
    return main * SIDE_RAD**2 / (SIDE_RAD**2 + (FRONT_DOUBT * spread) ** 2)


def _depth_gain(points: Float64Array, present: NDArray[np.bool_]) -> float:
    """What depth is to be multiplied by, so that rigid parts keep their length: 1 for exact depth; detectors exaggerate.

    A part's lengths differ by the distance between their percentiles, as a share of the middle one; the least mean wins.
    """
    spreads = []
    for ends in (each for name in RIGID for each in PARTS[name]):
        a, b = (number_of(end) for end in ends)
        vector = (points[:, a] - points[:, b])[present[:, a] & present[:, b]]
        if len(vector) < 5 or not vector[:, 2].any():
            continue
        lengths = np.sqrt((vector[:, :2] ** 2).sum(axis=1) + (DEPTH_GAINS[:, None] * vector[:, 2]) ** 2)
        low, middle, high = np.percentile(lengths, [15, 50, 85], axis=1)
        spreads.append((high - low) / np.maximum(middle, 1e-9))
    return float(DEPTH_GAINS[np.mean(spreads, axis=0).argmin()]) if spreads else 0.0


def _parts(
    points: Float64Array, present: NDArray[np.bool_], view: CameraModel, size: Float64Array, *, sound: bool, exact: bool
) -> dict[str, float]:
    """Full lengths in px at home. What is never or hardly seen has an average person's share."""
    solid = view.solid(points, size)
    logs, doubts = {}, {}
    for name in PARTS:
        length_px, doubt = _length(solid, present, name, FULL_PERCENTILE[0 if sound else 1])
        if length_px > 0:
            logs[name] = np.log(length_px / AVERAGE[name])
            doubts[name] = np.hypot(doubt, EXACT_PART_DOUBT if exact else DOUBT)
    weight = {name: AVERAGE[name] / (doubts[name] ** 2 + SPREAD**2) for name in logs}
    scale = sum(weight[name] * logs[name] for name in logs) / sum(weight.values())
    parts_px = {}
    for name, share in AVERAGE.items():
        own = logs[name] - scale if name in logs else 0.0
        trust = SPREAD**2 / (SPREAD**2 + doubts[name] ** 2) if name in logs else 0.0
        parts_px[name] = float(share * np.exp(scale + trust * np.clip(own, -0.5, 0.5)))
    return parts_px


def _length(solid: Float64Array, present: NDArray[np.bool_], part: str, percentile: float) -> tuple[float, float]:
    """Full length in px at home, and its relative uncertainty; (0, inf) if it is never seen."""
    lengths = []
    for ends in PARTS[part]:
        a, b = (number_of(end) for end in ends)
        each = np.linalg.norm(solid[:, a] - solid[:, b], axis=1)
        lengths.append(np.where(present[:, a] & present[:, b], each, np.nan))
    table = np.stack(lengths)
    if not np.isfinite(table).any():
        return 0.0, np.inf
    full_px = float(np.nanpercentile(table, percentile))
    pieces = [piece[np.isfinite(piece)] for piece in np.array_split(table, BLOCKS, axis=1)]
    each_px = [float(np.percentile(piece, percentile)) for piece in pieces if piece.size]
    if full_px <= 0 or min(each_px) <= 0:
        return 0.0, np.inf
    return full_px, float(np.std(np.log(each_px)) / np.sqrt(len(each_px))) if len(each_px) > 1 else SPREAD
