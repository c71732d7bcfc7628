"""The global map of the paper, mended: size and ground line go from the source's far-near range to the target's.

Follows Everybody Dance Now (Chan et al., 2019, global pose normalization). Here feet land exactly on the target's ground, the
place is horizontal too, and near and far are found without chance.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from dancenow.pose.body_statistics import ANKLE_TO_SOLE, BodyStatistics, Float64Array, sole_y, standing_line
from dancenow.pose.retargeting.base import Dancer, measured, smooth_step, whole_track
from dancenow.types import Pose

TRAVEL_RANGE: Final = (0.08, 0.20)
"""Depth travel (share of the standing height) below which there is none, and from which it is certain."""
FAR_RANGE: Final = (-0.5, 1.5)
"""How far beyond the near (0) and far (1) line the change of size is extrapolated."""
KEPT_TRAVEL: Final = 0.25
"""Of the source's travel in depth, what is left to a target who was never seen to travel."""
MIN_FAR_TO_NEAR: Final = 0.5
"""A body is not believed to shrink to less than this between the near and far line."""


@dataclass(frozen=True)
class FarNearRange:
    """How one of the two videos shows its dancer.

    anchor_*_px: the ground point that the map brings to the other view's. height_px: of the body standing there.
    far_px: how far above the anchor the far ground line is. far_size: size of the body there, as a share of that at the anchor.
    """

    anchor_x_px: float
    anchor_y_px: float
    height_px: float
    far_px: float
    far_size: float


@dataclass(frozen=True)
class GlobalScaleRetargeter:
    """Size and ground line from the source's far-near range to the target's, about the ground point under the dancer.

    With g the source's ground line in a frame and q = (anchor_y - g) / far the place between near (0) and far (1), points go to
        y' = g' + s (y - g),   x' = anchor_x' + s (x - anchor_x),   g' = anchor_y' - q far',   s = height'(q) / height(q),
    so feet on the source's ground are on the target's, exactly, and a jump is as high as the body is tall. The heights are
    linear in q, as perspective has it for a level camera, and the inverse is the same map with the views exchanged.
    `fps` is that of the poses it will be given: the ground line bridges jumps, which are a matter of seconds.
    """

    source: FarNearRange
    target: FarNearRange
    fps: float
    note: str = ""
    kind: ClassVar[str] = "paper"

    def __call__(self, pose: Pose) -> Pose:
        track = whole_track(pose)
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
        """y in px of the ground under the dancer in every frame of source poses [T,K]; the anchor where feet are never seen."""
        sole_px = sole_y(pose, ANKLE_TO_SOLE * self.source.height_px)
        if not np.isfinite(sole_px).any():
            return np.full(len(pose), self.source.anchor_y_px)
        return standing_line(sole_px, self.fps)

    def to_target_ground(self, line_px: Float64Array) -> Float64Array:
        """The target's ground line [T] for the source's: increasing, and without bounds."""
        return self.target.anchor_y_px - self._place(line_px) * self.target.far_px

    def scale_at(self, line_px: Float64Array) -> Float64Array:
        """Target px per source px [T] of a dancer on the ground line `line_px` [T]."""
        q = np.clip(self._place(line_px), *FAR_RANGE)
        shrink = (1 + q * (self.target.far_size - 1)) / (1 + q * (self.source.far_size - 1))
        scale: Float64Array = self.target.height_px / self.source.height_px * shrink
        return scale

    def apply(self, pose: Pose, line_px: Float64Array) -> Pose:
        """Map poses [T,K] of a dancer whose ground lines [T] are known. The inverse of this step is exact."""
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
        views = FarNearRange(**saved["source"]), FarNearRange(**saved["target"])
        return cls(*views, float(saved["fps"]), str(saved["note"]))

    def _place(self, line_px: Float64Array) -> Float64Array:
        return (self.source.anchor_y_px - line_px) / self.source.far_px


def fit_global_scale(source: Dancer, target: Dancer) -> GlobalScaleRetargeter:
    """The paper's map between two dancers.

    Where both travel in depth, the source's range of ground lines goes to the target's, as in the paper. Where only the
    source does, nobody knows what floor there is beside the line on which the target was seen: a dancer who walks up and
    down a steep picture would float before a wall. `KEPT_TRAVEL` of the travel is left, and the body keeps its size. Where
    the source stays in place: one scale. Between these the map changes smoothly. Where either has no feet, torso length
    gives the scale and the hips give the place.

    Raises:
        UserError: a track shows too little of the body.
    """
    source, target = measured(source), measured(target)
    if not (source.feet_seen and target.feet_seen):
        note = " (feet are not seen: scale from the torso, place from the hips)"
        return GlobalScaleRetargeter(_hip_view(source), _hip_view(target), source.fps, note)
    source_track = smooth_step(source.depth_travel, *TRAVEL_RANGE)
    shared = smooth_step(min(source.depth_travel, target.depth_travel), *TRAVEL_RANGE)
    # Any line of the target's range is ground there: without travel the source's line moves to the nearest of them.
    kept_px = source.ground_near_px * target.frame_height_px / source.frame_height_px
    kept_px = min(max(kept_px, target.ground_far_px), target.ground_near_px)
    ground_px = kept_px + shared * (target.ground_near_px - kept_px)
    source_view = _view(source, source.ground_near_px, source_track, source_track)
    return GlobalScaleRetargeter(source_view, _view(target, ground_px, shared, source_track, lent=source), source.fps)


def _view(
    body: BodyStatistics, anchor_y_px: float, shared: float, source_track: float, lent: BodyStatistics | None = None
) -> FarNearRange:
    """The view of a dancer. From 0 to 1, `shared` says how much the body's own range of ground lines counts, and
    `source_track` -
    `shared` how much a part of the range that is `lent` by another's.

    The exponents make a ratio of two such views go smoothly from the ratio of heights to that of ranges.
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
        far_px=range_px**shared * lent_px ** (source_track - shared) * body.height_px ** (1 - source_track),
        far_size=far_size**shared * lent_size ** (source_track - shared),
    )


def _travel(body: BodyStatistics) -> tuple[float, float]:
    """How far the far ground line is above the near one in px, and the size of the body there as a share of that near."""
    range_px = max(body.ground_near_px - body.ground_far_px, 1e-6 * body.height_px)
    return range_px, max(body.height_far_px / body.height_near_px, MIN_FAR_TO_NEAR)


def _hip_view(body: BodyStatistics) -> FarNearRange:
    return FarNearRange(body.hip_x_px, body.hip_y_px, body.torso_px, body.torso_px, 1.0)
