"""Retargeting part by part: the source's directions and timing, the target's lengths, floor and camera.

The dancer is placed in the world that their camera sees, every part is given the target's length, the path is scaled as legs
are, feet that stand are kept standing, and the whole is seen again by the target's camera.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array, sole_y, standing_line
from dancenow.pose.retargeting.base import whole_track
from dancenow.pose.retargeting.body_model import BodyModel, figure_of
from dancenow.pose.retargeting.camera_model import FEET
from dancenow.pose.retargeting.foot_contact import MAX_PULL, footholds, plant, pulled, stance
from dancenow.pose.retargeting.joints import HIPS, TREE, averaged, filled, joints_of
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose, PoseTrack

RATIO_RANGE: Final = (0.6, 1.6)
"""A part's ratio of lengths, relative to the whole body's, is not believed beyond this."""
LONGEST: Final = 3.0
"""A part is not believed to be longer than this share of its full length: what is, is a slip of the detector."""
ROOT_SMOOTHING_S: Final = 0.08
SAME_TILT_RAD: Final = 0.035
"""Cameras whose angles differ by no more, and whose frames are equal, are likely to be the same, and the stage too."""
NEAREST: Final = 0.45
"""Nobody comes nearer to the camera than this share of the distance of home, nor so near that the picture cuts off the feet."""
LOWEST: Final = 0.97
"""Where the feet of the nearest are, as a share of the height of the frame."""
IN_SIGHT: Final = (5, 95)
"""Percentiles of the dancer's path that are to be seen, with `MARGIN` heights on both sides."""
MARGIN: Final = 0.3
FREE_FOOT: Final = 0.02
"""What a foot in the air counts for, beside one that stands, when the body is brought over its feet."""
TOUCH: Final = (0.2, 0.5)
"""Distance of the hands, in torsos, up to which they touch and from which they are free."""


@dataclass(frozen=True)
class SkeletalRetargeter:
    """Per-part retargeting between two measured figures. same_camera: whether one camera filmed both, None = not known."""

    source: BodyModel
    target: BodyModel
    same_camera: bool | None = None
    kind: ClassVar[str] = "skeletal"

    def __call__(self, pose: Pose) -> Pose:
        track = whole_track(pose)
        points, present = joints_of(track)
        points = self.source.believed(points)
        line_px = self._ground_line(track)
        if not present.any():
            line_px = None
        points = filled(points, present)
        size = np.exp(self.source.log_sizes(points, present, line_px))
        body = self._turned(self.source.view.world(self.source.view.solid(points, size)))
        ground = self.source.ground(body, present) if self._feet else np.zeros(len(body))
        body[..., 2] -= ground[:, None]
        source_track = self._rebuilt(body)
        if self._feet:
            self._plant(source_track, body, points, present)
        self._join_hands(source_track, body, present)
        xy, forward = self.target.view.picture(source_track)
        grown = self.target.view.focal_px / forward[:, HIPS] / size
        depth = (track.depth * (grown * self._ratio)[:, None]).astype(np.float32)
        mapped = Pose(_missing_near_body(xy, present)[:, :NUM_KEYPOINTS].astype(np.float32), track.confidence, depth)
        return mapped if pose.xy.ndim == 3 else mapped[0]

    def __str__(self) -> str:
        a, b = self.source, self.target
        there = b.view.picture(np.array([b.stage_x_px, self._home_px[1], 0.0]))[0] if self._feet else b.home_px
        (ax, ay), (bx, by) = a.home_px, there
        shift = f"({ax:.0f}, {ay:.0f}) -> ({bx:.0f}, {by:.0f}) px"
        relative = {
            name: self._part_ratio(name) / self._ratio - 1 for name in ("torso", "thigh", "shin", "upper_arm", "forearm")
        }
        most = max(relative, key=lambda name: abs(relative[name]))
        mean = np.mean(np.abs(list(relative.values())))
        differ = f"bodies differ by {mean:.1%} in proportion, most in the {most.replace('_', ' ')}"
        tilt = np.degrees(np.arctan(b.slant) - np.arctan(a.slant))
        camera = f", camera {abs(tilt):.0f} degrees {'steeper' if tilt > 0 else 'flatter'}" if abs(tilt) >= 1 else ""
        camera = ", by the same camera" if self.same_camera and self._feet else camera
        feet = "" if self._feet else " (feet are not seen: place from the hips)"
        return (
            f"skeletal: scale {self._ratio:.3f} about the ground point {shift}; {differ} ({relative[most]:+.0%}){camera}{feet}"
        )

    def inverse(self) -> None:
        """There is none: what feet and hands were moved by cannot be told from the result."""

    def to_json(self) -> dict[str, Any]:
        figures = {"source": self.source.to_json(), "target": self.target.to_json()}
        return {"kind": self.kind, **figures, "same_camera": self.same_camera}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        same = saved.get("same_camera")
        if not (same is None or isinstance(same, bool)):
            raise ValueError("a camera is the same, another, or not known")
        return cls(BodyModel.from_json(saved["source"]), BodyModel.from_json(saved["target"]), same)

    @property
    def _ratio(self) -> float:
        return self.target.height_px / self.source.height_px

    @property
    def _leg_ratio(self) -> float:
        return self.target.leg_px / self.source.leg_px

    @property
    def _feet(self) -> bool:
        return self.source.feet_seen and self.target.feet_seen

    def _part_ratio(self, part: str) -> float:
        ratio = self.target.parts_px[part] / self.source.parts_px[part] / self._ratio
        return float(np.clip(ratio, *RATIO_RANGE)) * self._ratio

    @cached_property
    def _home_px(self) -> tuple[float, float]:
        """Distance along the floor of the source's home, and of the place in the target's world that it goes to.

        Home goes to home. But where one camera filmed both, a place of its picture is one place of the world. Where that is
        not known, and the two cameras seem to be the same one, so may the stage be: then the floor that is seen at the same
        place is taken, if the target was seen there.
        """
        a, b = self.source, self.target
        equal = (a.frame_width_px, a.frame_height_px) == (b.frame_width_px, b.frame_height_px)
        if self.same_camera is False or not self._feet or not (equal or self.same_camera):
            return a.home_away_px, b.home_away_px
        same = float(_seen_there(a, b)[1])
        if self.same_camera:
            return a.home_away_px, same
        alike = float(np.exp(-0.5 * ((a.view.tilt_rad - b.view.tilt_rad) / SAME_TILT_RAD) ** 2))
        return a.home_away_px, b.home_away_px + alike * (float(np.clip(same, *b.away_range_px)) - b.home_away_px)

    @cached_property
    def _nearest_px(self) -> float:
        """How near to the camera the target may come, along the floor."""
        b = self.target
        lowest = np.array([b.view.middle_x_px, LOWEST * b.frame_height_px])
        cut_off = b.view.on_floor(lowest, b.sole_px, (NEAREST * b.home_away_px, 5 * b.home_away_px))[1] if self._feet else 0.0
        return float(min(max(NEAREST * b.home_away_px, cut_off), b.home_away_px))

    def _ground_line(self, track: Pose) -> Float64Array | None:
        """y in px of the ground under the dancer [T]; None where feet are never seen."""
        soles = sole_y(track, 0.08 * self.source.height_px)
        return standing_line(soles, self.source.fps) if self._feet and np.isfinite(soles).any() else None

    def _turned(self, world: Float64Array) -> Float64Array:
        """The source's world [...,3] turned about the middle of the stage: cameras look at it from different sides."""
        if self.same_camera:
            return world
        angle = self.target.front_rad - self.source.front_rad
        cos, sin = np.cos(angle), np.sin(angle)
        x, away = world[..., 0] - self.source.stage_x_px, world[..., 1] - self.source.home_away_px
        return np.stack(
            [
                self.source.stage_x_px + cos * x - sin * away,
                self.source.home_away_px + sin * x + cos * away,
                world[..., 2],
            ],
            axis=-1,
        )

    def _on_stage(self, world: Float64Array) -> Float64Array:
        """Points of the source's world [...,3] where they belong in the target's: paths are as long as legs are."""
        here, there = self._home_px
        x = self.target.stage_x_px + self._leg_ratio * (world[..., 0] - self.source.stage_x_px)
        away = np.maximum(there + self._leg_ratio * (world[..., 1] - here), self._nearest_px)
        return np.stack([x, away, self._leg_ratio * world[..., 2] + self.target.sole_px * self._feet], axis=-1)

    def into_sight(self, track: Pose) -> float:
        """How far the stage is to be shifted to the right, in px, for the dance to be in the target's picture: 0 if it is.

        Of a dance across a wide picture that does not fit into a narrow one, as much as possible is shown.
        """
        points, present = joints_of(track)
        there = present[:, HIPS]
        if not there.any():
            return 0.0
        body = self._turned(self.source.world(self.source.believed(points), present, self._ground_line(track)))
        hips = self._on_stage(body[there, HIPS])
        half = self.target.frame_width_px / 2 - MARGIN * self.target.height_px
        return _into(np.sort(hips[:, 0]), max(half, 0.0))

    def _rebuilt(self, body: Float64Array) -> Float64Array:
        """The target's body [T,J,3] over the source's path, with the source's directions."""
        source_track = np.empty_like(body)
        source_track[:, HIPS] = self._on_stage(body[:, HIPS])
        for joint, parent, part in TREE:
            vector = body[:, joint] - body[:, parent]
            length = np.linalg.norm(vector, axis=1, keepdims=True)
            longest = LONGEST * self.source.parts_px[part]
            source_track[:, joint] = source_track[:, parent] + self._part_ratio(part) * vector * np.minimum(
                1.0, longest / np.maximum(length, 1e-9)
            )
        return source_track

    def _plant(self, source_track: Float64Array, body: Float64Array, points: Float64Array, present: NDArray[np.bool_]) -> None:
        """Bring the body over its feet, and the feet to their footholds, in place."""
        a, b = self.source, self.target
        heels = a.heels_px
        seen = present[:, FEET]
        stands = stance(points[:, FEET, :2], body[:, FEET, 2] - heels, seen, a.fps, a.height_px)
        held = footholds(self._on_stage(body[:, FEET]), stands, points[:, FEET, :2] / a.height_px, a.fps)
        held[..., 2] += b.heels_px - self._leg_ratio * heels
        want = held - source_track[:, FEET]
        # Standing feet say where the body is; feet in the air have a say where none stands.
        root = _root(want, (stands + FREE_FOOT) * seen, round(ROOT_SMOOTHING_S * a.fps))
        source_track += root[:, None]
        plant(source_track, pulled(want - root[:, None], seen, MAX_PULL * b.height_px))

    def _join_hands(self, source_track: Float64Array, body: Float64Array, present: NDArray[np.bool_]) -> None:
        """Hands that touch in the source touch: both go half of the way, elbows half of that; in place."""
        hands = [INDEX["right_wrist"], INDEX["left_wrist"]]
        apart = body[:, hands[1]] - body[:, hands[0]]
        free = (np.linalg.norm(apart, axis=1) / self.source.parts_px["torso"] - TOUCH[0]) / (TOUCH[1] - TOUCH[0])
        near = np.clip(1 - free, 0, 1) * present[:, hands].all(axis=1)
        wanted = apart * self._part_ratio("hand")
        miss = (wanted - (source_track[:, hands[1]] - source_track[:, hands[0]])) * near[:, None] / 2
        for side, sign in (("right", -1.0), ("left", 1.0)):
            for name, part in (("elbow", 0.5), ("wrist", 1.0), ("thumb", 1.0), ("index", 1.0), ("pinky", 1.0)):
                source_track[:, INDEX[f"{side}_{name}"]] += sign * part * miss


def fit_skeletal(source: PoseTrack, target: PoseTrack, same_camera: bool | None = None) -> SkeletalRetargeter:
    """Measure both dancers. same_camera: whether one camera that stood still filmed both, which poses do not tell; then places
    in the picture and the side that is seen are kept. None: two like cameras are taken for the same in part.

    Raises:
        UserError: a track shows too little of the body.
    """
    a, b = figure_of(source), figure_of(target)
    if a.feet_seen != b.feet_seen:
        a, b = figure_of(source, by_hips=True), figure_of(target, by_hips=True)
    if same_camera and a.feet_seen:
        b = replace(b, stage_x_px=float(_seen_there(a, b)[0]))
    fitted = SkeletalRetargeter(a, b, same_camera)
    return replace(fitted, target=replace(b, stage_x_px=b.stage_x_px + fitted.into_sight(source.pose)))


def _seen_there(a: BodyModel, b: BodyModel) -> Float64Array:
    """Where on the floor of b's world the place is that its camera sees where a's sees a's home, [3]."""
    scale = np.array([b.frame_width_px / a.frame_width_px, b.frame_height_px / a.frame_height_px])
    return b.view.on_floor(a.home_px * scale, 0.0, (0.2 * b.home_away_px, 5 * b.home_away_px))


def _into(x_px: Float64Array, half_px: float) -> float:
    """The least shift that brings as many of the places [N], in order, as can be between -half_px and half_px.

    The furthest few do not count where the others fit.
    """
    low, high = np.percentile(x_px, IN_SIGHT)
    if high - low > 2 * half_px:
        inside = np.searchsorted(x_px, x_px + 2 * half_px, side="right") - np.arange(len(x_px))
        first = int(inside.argmax())
        low, high = x_px[first], x_px[first + inside[first] - 1]
    return float(np.clip(0.0, -half_px - low, half_px - high))


def _root(want: Float64Array, weight: Float64Array, half: int) -> Float64Array:
    """[T,3]: the shift of the whole body that suits the feet [T,4,3], smooth; where none is seen, that of the frames around."""
    total = weight.sum(axis=1)
    shift = (want * weight[..., None]).sum(axis=1) / np.maximum(total, 1e-9)[:, None]
    known = total > 0
    if not known.any():
        return np.zeros_like(shift)
    frames = np.arange(len(shift))
    filled_in = np.stack([np.interp(frames, frames[known], shift[known, axis]) for axis in range(3)], axis=1)
    return averaged(filled_in, half)


def _missing_near_body(xy: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
    """Missing joints get the place of the joint that they hang on, not one that was guessed."""
    for joint, parent, _ in TREE:
        xy[:, joint] = np.where(present[:, joint, None], xy[:, joint], xy[:, parent])
    return xy
