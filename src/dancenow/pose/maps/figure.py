"""What retargeting needs to know of a dancer: length of every part, how steeply the camera looks down, where home is.

Lengths are robust averages in space, with depth scaled so that bones keep theirs, and are shrunk towards average proportions by
their uncertainty. The camera's slant is read off standing feet, whose heel and toe lie on the floor.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from dancenow.pose.body import MIN_CONFIDENCE, Float64Array, body_statistics, sole_y, standing_line
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack

PARTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "torso": (("neck", "hips"),),
    "shoulders": (("right_shoulder", "left_shoulder"),),
    "hips": (("right_hip", "left_hip"),),
    "upper_arm": (("right_shoulder", "right_elbow"), ("left_shoulder", "left_elbow")),
    "forearm": (("right_elbow", "right_wrist"), ("left_elbow", "left_wrist")),
    "hand": (("right_wrist", "right_index"), ("left_wrist", "left_index")),
    "thigh": (("right_hip", "right_knee"), ("left_hip", "left_knee")),
    "shin": (("right_knee", "right_ankle"), ("left_knee", "left_ankle")),
    "foot": (("right_heel", "right_toe"), ("left_heel", "left_toe")),
    "neck": (("neck", "ears"),),
    "head": (("right_ear", "left_ear"),),
}
"""The keypoints at both ends of each part; `hips` and `ears` are the middle of a pair."""
AVERAGE: Final = {
    "torso": 0.33, "shoulders": 0.22, "hips": 0.12, "upper_arm": 0.18, "forearm": 0.165, "hand": 0.06, "thigh": 0.29,
    "shin": 0.27, "foot": 0.14, "neck": 0.14, "head": 0.10,
}  # fmt: skip
"""Lengths of an average adult's parts as shares of nose to ankle."""
SPREAD: Final = 0.07
"""Standard deviation of a part's share of the body among people, in logarithms."""
DOUBT: Final = 0.035
"""Of a part's measured length, in logarithms, when nothing disturbs: which poses a dance holds, and the detector's bias."""
FULL_PERCENTILE: Final = 65
DEPTH_GAINS: Final = np.linspace(0, 1.2, 25)
RIGID: Final = ("torso", "shoulders", "upper_arm", "forearm", "thigh", "shin")
"""Parts whose length does not change: what their detected depth is to be multiplied by, so that it does not."""
BLOCKS: Final = 5
"""A track is cut in so many pieces; how far they disagree is how uncertain a length is."""
FOCAL_PER_SIDE: Final = 1.2
"""Focal length as a share of the frame's longer side, where nothing is known of a camera: between phone and camcorder."""
AVERAGE_SLANT: Final = 0.2
"""Tangent of the angle at which people are usually looked down on at their feet: chest-high camera, five steps away."""
SLANT_RANGE: Final = (0.03, 0.6)
PERSPECTIVE_RANGE: Final = (-0.3, 0.3)
"""Depth relative to the hips, as a share of the distance to the camera, is not believed beyond this."""
STILL_PER_FRAME: Final = 0.02
"""A foot that moves less in a tenth of a second, as a share of the body's height, stands."""


@dataclass(frozen=True)
class Figure:
    """A dancer in their own video. Lengths in px where the dancer is at home, that is on their median ground line.

    frame_*_px: size of the frame. fps: of the track. height_px: nose to ankle. home_*_px: the ground point at home; without
    feet (`feet_seen` False) the middle of the hips. slant: tangent of the camera's downward angle at the feet. depth_gain: what
    the detector's depth is to be multiplied by to be in px. parts_px: full lengths.
    """

    frame_width_px: int
    frame_height_px: int
    fps: float
    feet_seen: bool
    height_px: float
    home_x_px: float
    home_y_px: float
    slant: float
    depth_gain: float
    parts_px: Mapping[str, float]

    @property
    def leg_px(self) -> float:
        """Thigh and shin."""
        return self.parts_px["thigh"] + self.parts_px["shin"]

    @property
    def distance(self) -> float:
        """Of the camera from home, in heights of the body, if its lens is an ordinary one."""
        return FOCAL_PER_SIDE * max(self.frame_width_px, self.frame_height_px) / self.height_px

    @property
    def tilt_rad(self) -> float:
        """The camera's downward angle at the middle of the body, half a height above the feet."""
        return float(np.arctan(self.slant - 0.5 / self.distance))

    def flattened(self, points: Float64Array) -> Float64Array:
        """Points [...,3] (x, y, depth in px) without perspective: as large as they would be at the distance of the hips."""
        middle = np.array([self.frame_width_px - 1, self.frame_height_px - 1]) / 2
        nearness = 1 + np.clip(points[..., 2:] / (self.distance * self.height_px), *PERSPECTIVE_RANGE)
        return np.concatenate([middle + (points[..., :2] - middle) * nearness, points[..., 2:]], axis=-1)

    def seen(self, points: Float64Array) -> Float64Array:
        """The inverse of `flattened`, [...,2]."""
        middle = np.array([self.frame_width_px - 1, self.frame_height_px - 1]) / 2
        nearness = 1 + np.clip(points[..., 2:] / (self.distance * self.height_px), *PERSPECTIVE_RANGE)
        return np.asarray(middle + (points[..., :2] - middle) / nearness)

    def away(self, line_px: Float64Array) -> Float64Array:
        """How far behind home the floor is that is seen at y = `line_px`, in heights of the body; negative in front of it."""
        share = np.clip((self.home_y_px - line_px) / (self.slant * self.height_px * self.distance), -1.0, 0.5)
        return np.asarray(self.distance * share / (1 - share))

    def line(self, away: Float64Array) -> Float64Array:
        """The inverse of `away`: y in px of the floor there."""
        share = away / np.maximum(self.distance + away, 0.4 * self.distance)
        return np.asarray(self.home_y_px - self.slant * self.height_px * self.distance * share)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "parts_px": dict(self.parts_px)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError if `saved` is not what `to_json` gave."""
        parts_px = {name: float(saved["parts_px"][name]) for name in PARTS}
        figure = cls(**{**saved, "parts_px": parts_px})
        numbers = [
            figure.height_px,
            figure.home_x_px,
            figure.home_y_px,
            figure.slant,
            figure.depth_gain,
            figure.fps,
            *parts_px.values(),
        ]
        if not np.isfinite(numbers).all() or min(figure.height_px, *parts_px.values()) <= 0:
            raise ValueError("lengths must be positive")
        return figure


def figure_of(track: PoseTrack, *, by_hips: bool = False) -> Figure:
    """Measure a dancer; `by_hips` leaves the feet out of it, for a pair of which the other shows none.

    Raises:
        UserError: shoulders and hips are never seen together, so nothing gives the size of the body.
    """
    body = body_statistics(track)
    gain = _depth_gain(track.pose)
    raw, track = (
        track,
        replace(track, pose=Pose(track.pose.xy, track.pose.confidence, (gain * track.pose.depth).astype(np.float32))),
    )
    hips = point(track.pose, "hips")
    home_y_px = body.hip_y_px
    line_px = np.full(len(track), home_y_px)
    slant = AVERAGE_SLANT
    feet_seen = body.feet_seen and not by_hips
    if feet_seen:
        line_px = standing_line(sole_y(track.pose, 0.08 * body.height_px), track.fps)
        home_y_px = float(np.median(line_px))
        slant = _slant(raw, body.height_px)
    distance = FOCAL_PER_SIDE * max(track.width_px, track.height_px) / body.height_px
    size = size_at((home_y_px - line_px) / (slant * body.height_px), distance)
    parts_px = _parts(track.pose, size)
    height_px = parts_px["torso"] + parts_px["thigh"] + parts_px["shin"] + parts_px["neck"]
    home_x_px = float(np.nanmedian(hips[:, 0]))
    return Figure(track.width_px, track.height_px, track.fps, feet_seen, height_px, home_x_px, home_y_px, slant, gain, parts_px)


def size_at(away: Float64Array, distance: float) -> Float64Array:
    """Size of a body as a share of that at home, when it stands `away` heights further off than home's `distance`."""
    return np.asarray(distance / np.maximum(distance + away, 0.4 * distance))


def point(pose: Pose, name: str) -> Float64Array:
    """float64 [T,2] of a keypoint, or of `hips` or `ears`, the middle of the pair; NaN where it is not seen."""
    if name in ("hips", "ears"):
        one = name.removesuffix("s")
        middle: Float64Array = (point(pose, f"right_{one}") + point(pose, f"left_{one}")) / 2
        return middle
    seen = pose.confidence[:, INDEX[name], None] >= MIN_CONFIDENCE
    return np.where(seen, pose.xy[:, INDEX[name]].astype(np.float64), np.nan)


def solid(pose: Pose, name: str) -> Float64Array:
    """float64 [T,3] of what `point` names, with its depth."""
    one = name.removesuffix("s")
    names = [f"right_{one}", f"left_{one}"] if name in ("hips", "ears") else [name]
    depth = pose.depth[:, [INDEX[each] for each in names]].mean(axis=1, dtype=np.float64)
    return np.concatenate([point(pose, name), depth[:, None]], axis=1)


def _depth_gain(pose: Pose) -> float:
    """What depth is to be multiplied by, so that rigid parts keep their length: 1 for exact depth; detectors exaggerate.

    A part's lengths differ by the distance between their percentiles, as a share of the middle one; the least mean wins.
    """
    spreads = []
    for a, b in (ends for name in RIGID for ends in PARTS[name]):
        vector = solid(pose, a) - solid(pose, b)
        vector = vector[np.isfinite(vector).all(axis=1)]
        if len(vector) < 5 or not vector[:, 2].any():
            continue
        lengths = np.sqrt((vector[:, :2] ** 2).sum(axis=1) + (DEPTH_GAINS[:, None] * vector[:, 2]) ** 2)
        low, middle, high = np.percentile(lengths, [15, 50, 85], axis=1)
        spreads.append((high - low) / np.maximum(middle, 1e-9))
    return float(DEPTH_GAINS[np.mean(spreads, axis=0).argmin()]) if spreads else 0.0


def _parts(pose: Pose, size: Float64Array) -> dict[str, float]:
    """Full lengths in px at home. What is never or hardly seen has an average person's share."""
    measured = {name: _length(pose, ends, size) for name, ends in PARTS.items()}
    logs, doubts = {}, {}
    for name, (length_px, doubt) in measured.items():
        if length_px > 0:
            logs[name] = np.log(length_px / AVERAGE[name])
            doubts[name] = np.hypot(doubt, DOUBT)
    weight = {name: AVERAGE[name] / (doubts[name] ** 2 + SPREAD**2) for name in logs}
    scale = sum(weight[name] * logs[name] for name in logs) / sum(weight.values())
    parts_px = {}
    for name, share in AVERAGE.items():
        own = logs[name] - scale if name in logs else 0.0
        trust = SPREAD**2 / (SPREAD**2 + doubts[name] ** 2) if name in logs else 0.0
        parts_px[name] = float(share * np.exp(scale + trust * np.clip(own, -0.5, 0.5)))
    return parts_px


def _length(pose: Pose, ends: tuple[tuple[str, str], ...], size: Float64Array) -> tuple[float, float]:
    """Full length in px at home, and its relative uncertainty; (0, inf) if it is never seen."""
    lengths = np.stack([np.linalg.norm(solid(pose, a) - solid(pose, b), axis=1) / size for a, b in ends])
    if not np.isfinite(lengths).any():
        return 0.0, np.inf
    full_px = float(np.nanpercentile(lengths, FULL_PERCENTILE))
    pieces = [piece[np.isfinite(piece)] for piece in np.array_split(lengths, BLOCKS, axis=1)]
    each = [float(np.percentile(piece, FULL_PERCENTILE)) for piece in pieces if piece.size]
    if full_px <= 0 or min(each) <= 0:
        return 0.0, np.inf
    return full_px, float(np.std(np.log(each)) / np.sqrt(len(each))) if len(each) > 1 else SPREAD


def _slant(track: PoseTrack, height_px: float) -> float:
    """Tangent of the camera's downward angle: how far heel and toe of standing feet are apart in y for their distance in depth.

    Depth is taken as it comes: between heel and toe the detector does not exaggerate it. Noise in it pulls the slope to 0,
    which is safe; depth of nothing leaves the average.
    """
    half = max(1, round(0.05 * track.fps))
    rises, depths = [], []
    for side in ("right", "left"):
        ends = [INDEX[f"{side}_{part}"] for part in ("heel", "toe")]
        xy, depth = track.pose.xy[:, ends].astype(np.float64), track.pose.depth[:, ends].astype(np.float64)
        moved = np.zeros(len(xy))
        moved[half:-half] = np.linalg.norm(xy[2 * half :] - xy[: -2 * half], axis=-1).max(axis=1)
        stands = (moved < STILL_PER_FRAME * height_px) & (track.pose.confidence[:, ends] >= MIN_CONFIDENCE).all(axis=1)
        rises.append((xy[:, 1, 1] - xy[:, 0, 1])[stands])
        depths.append((depth[:, 0] - depth[:, 1])[stands])
    rise, nearer = np.concatenate(rises) / height_px, np.concatenate(depths) / height_px
    doubt = len(rise) * 0.05**2 + 0.05
    slope = ((rise * nearer).sum() + doubt * AVERAGE_SLANT) / ((nearer**2).sum() + doubt)
    return float(np.clip(slope, *SLANT_RANGE))
