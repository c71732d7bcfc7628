"""The paper's global pose normalization: map size and ground line from the source's far-near range to the target's.

Follows Everybody Dance Now (Chan et al., 2019, global pose normalization), with three changes: feet land exactly on the
target's ground, the horizontal position is mapped too, and near and far are found deterministically.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from dancenow.pose.body_statistics import ANKLE_TO_SOLE, BodyStatistics, Float64Array, sole_y, standing_line
from dancenow.pose.retargeting.base import TrackOrStatistics, as_track, smooth_step, statistics_of
from dancenow.types import Pose

TRAVEL_RANGE: Final = (0.08, 0.20)
"""Depth travel (fraction of the standing height) below which there is none, and from which it is certain."""
FAR_RANGE: Final = (-0.5, 1.5)
"""How far beyond the near (0) and far (1) line the change of size is extrapolated."""
KEPT_TRAVEL: Final = 0.25
"""Fraction of the source's depth travel that is kept for a target who never travels in depth."""
MIN_FAR_TO_NEAR: Final = 0.5
"""Smallest relative size of a body on the far line."""


@dataclass(frozen=True)
class FarNearRange:
    """The range of ground lines of one person in their video.

    anchor_*_px: the ground point that is mapped to the other range's anchor. height_px: of the body standing there.
    far_px: distance of the far ground line above the anchor. far_size: size of the body there, relative to that at the anchor.
    """

    anchor_x_px: float
    anchor_y_px: float
    height_px: float
    far_px: float
    far_size: float


@dataclass(frozen=True)
class GlobalScaleRetargeter:
    """Maps size and ground line from the source's far-near range to the target's, about the ground point under the person.

    With g the source's ground line in a frame and q = (anchor_y - g) / far the position from near (0) to far (1), points map to
        y' = g' + s (y - g),   x' = anchor_x' + s (x - anchor_x),   g' = anchor_y' - q far',   s = height'(q) / height(q),
    so feet on the source's ground are on the target's, exactly, and a jump is as high as the body is tall. The heights are
    linear in q, as in perspective with a level camera, and the inverse is the same map with the ranges exchanged.
    `fps` is the rate of the poses to be mapped: the ground line bridges jumps, whose duration is in seconds.
    """

    source: FarNearRange
    target: FarNearRange
    fps: float
    note: str = ""
    kind: ClassVar[str] = "paper"

    def __call__(self, pose: Pose) -> Pose:
        track = as_track(pose)
        mapped = self.apply(track, self.ground_line(track))
        return mapped if pose.xy.ndim == 3 else mapped[0]

    def __str__(self) -> str:
        a, b = self.source, self.target
        near = b.height_px / a.height_px
        far = near * b.far_size / a.far_size
        size = f"scale {near:.3f}" if abs(far / near - 1) < 5e-4 else f"scale {near:.3f} near to {far:.3f} far"
        shift = f"({a.anchor_x_px:.0f}, {a.anchor_y_px:.0f}) -> ({b.anchor_x_px:.0f}, {b.anchor_y_px:.0f}) px"
        return f"paper: {size} about the ground point {shift}{self.note}"

    def ground_line(self, pose: Pose) -> Float64Array:
        """y in px of the ground under the person in every frame of source poses [T,K]; the anchor if feet are never visible."""
        sole_px = sole_y(pose, ANKLE_TO_SOLE * self.source.height_px)
        if not np.isfinite(sole_px).any():
            return np.full(len(pose), self.source.anchor_y_px)
        return standing_line(sole_px, self.fps)

    def to_target_ground(self, line_px: Float64Array) -> Float64Array:
        """Map the source's ground line [T] to the target's: increasing and unbounded."""
        return self.target.anchor_y_px - self._place(line_px) * self.target.far_px

    def scale_at(self, line_px: Float64Array) -> Float64Array:
        """Target px per source px [T] of a person on the ground line `line_px` [T]."""
        q = np.clip(self._place(line_px), *FAR_RANGE)
        shrink = (1 + q * (self.target.far_size - 1)) / (1 + q * (self.source.far_size - 1))
        scale: Float64Array = self.target.height_px / self.source.height_px * shrink
        return scale

    def apply(self, pose: Pose, line_px: Float64Array) -> Pose:
        """Map poses [T,K] with known ground lines [T]. This step has an exact inverse."""
        scale = self.scale_at(line_px)[:, None]
        xy = pose.xy.astype(np.float64)
        x = self.target.anchor_x_px + scale * (xy[..., 0] - self.source.anchor_x_px)
        y = self.to_target_ground(line_px)[:, None] + scale * (xy[..., 1] - line_px[:, None])
        depth = (pose.depth * scale).astype(np.float32)
        return Pose(np.stack([x, y], axis=-1).astype(np.float32), pose.confidence, depth)

    def inverse(self) -> "GlobalScaleRetargeter":
        return GlobalScaleRetargeter(self.target, self.source, self.fps, self.note)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        ranges = FarNearRange(**saved["source"]), FarNearRange(**saved["target"])
        return cls(*ranges, float(saved["fps"]), str(saved["note"]))

    def _place(self, line_px: Float64Array) -> Float64Array:
        return (self.source.anchor_y_px - line_px) / self.source.far_px


def fit_global_scale(source: TrackOrStatistics, target: TrackOrStatistics) -> GlobalScaleRetargeter:
    """Fit the paper's normalization between two people.

    If both travel in depth, the source's range of ground lines maps to the target's, as in the paper. If only the source does,
    the floor away from the target's line is unknown, and a person who walks towards a high camera would float in front of a
    wall: `KEPT_TRAVEL` of the travel is kept, and the body keeps its size. If the source stays in place: one scale. The
    mapping changes smoothly between these cases. If either shows no feet, scale is from the torso and position from
    the hips.

    Raises:
        UserError: a track shows too little of the body.
    """
    source, target = statistics_of(source), statistics_of(target)
    if not (source.feet_seen and target.feet_seen):
        note = " (feet are not seen: scale from the torso, place from the hips)"
        return GlobalScaleRetargeter(_hip_range(source), _hip_range(target), source.fps, note)
    source_travel = smooth_step(source.depth_travel, *TRAVEL_RANGE)
    shared = smooth_step(min(source.depth_travel, target.depth_travel), *TRAVEL_RANGE)
    # Any line of the target's range is ground: without travel, the source's line maps to the nearest of them.
    kept_px = source.ground_near_px * target.frame_height_px / source.frame_height_px
    kept_px = min(max(kept_px, target.ground_far_px), target.ground_near_px)
    ground_px = kept_px + shared * (target.ground_near_px - kept_px)
    source_range = _range(source, source.ground_near_px, source_travel, source_travel)
    return GlobalScaleRetargeter(source_range, _range(target, ground_px, shared, source_travel, lent=source), source.fps)


def _range(
    body: BodyStatistics, anchor_y_px: float, shared: float, source_travel: float, lent: BodyStatistics | None = None
) -> FarNearRange:
    """The range of a person. `shared` in [0,1] is the weight of the body's own range of ground lines, and
    `source_travel` - `shared` that of the range `lent` by the other person.

    The exponents interpolate the ratio of two such ranges between the ratio of heights and that of travel.
    """
    lender = lent or body
    range_px, far_size = _travel(body)
    lent_px, lent_size = _travel(lender)
    lent_px *= KEPT_TRAVEL * body.height_px / lender.height_px
    lent_size = 1 - KEPT_TRAVEL * (1 - lent_size)
    return FarNearRange(
        anchor_x_px=body.hip_x_px,  # the hips' median: ankles swing with every step
        anchor_y_px=anchor_y_px,
        height_px=body.height_near_px**shared * body.height_px ** (1 - shared),
        far_px=range_px**shared * lent_px ** (source_travel - shared) * body.height_px ** (1 - source_travel),
        far_size=far_size**shared * lent_size ** (source_travel - shared),
    )


def _travel(body: BodyStatistics) -> tuple[float, float]:
    """Distance of the far ground line above the near one in px, and the relative size of the body there."""
    range_px = max(body.ground_near_px - body.ground_far_px, 1e-6 * body.height_px)
    return range_px, max(body.height_far_px / body.height_near_px, MIN_FAR_TO_NEAR)


def _hip_range(body: BodyStatistics) -> FarNearRange:
    return FarNearRange(body.hip_x_px, body.hip_y_px, body.torso_px, body.torso_px, 1.0)
