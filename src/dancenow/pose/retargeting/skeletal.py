"""Skeletal retargeting: the source's joint directions and timing, with the target's part lengths, floor and camera.

The source person is reconstructed in world coordinates, every part gets the target's length, the path is scaled by leg length,
standing feet stay in place, and the result is projected by the target's camera. What the source's own reconstruction misses is
added again, so that an equal body before an equal camera keeps its poses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array, sole_y, standing_line
from dancenow.pose.filtering.local_regression import blocks
from dancenow.pose.retargeting.base import as_track
from dancenow.pose.retargeting.body_model import BodyModel, fit_body_model
from dancenow.pose.retargeting.camera_model import FEET
from dancenow.pose.retargeting.foot_contact import (
    MAX_SHIFT,
    contact_weights,
    footholds,
    limited_shifts,
    move_feet,
    steady_weights,
)
from dancenow.pose.retargeting.joints import HIPS, TREE, Joints, moving_average
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose, PoseTrack

RATIO_RANGE: Final = (0.6, 1.6)
"""Bounds of a part's ratio of lengths, relative to that of the whole body."""
MAX_LENGTH: Final = 3.0
"""Bound of a part's length, relative to its full length: a longer one is a detector error."""
ROOT_SMOOTHING_S: Final = 0.08
SAME_TILT_RAD: Final = 0.035
"""Cameras with equal frames whose tilts differ by no more are likely the same camera, and the stage the same too."""
MIN_DISTANCE: Final = 0.45
"""Smallest distance to the camera, as a fraction of the distance of home; nor so near that the frame cuts off the feet."""
MAX_FEET_Y: Final = 0.97
"""Lowest position of the feet, as a fraction of the frame height."""
VISIBLE_PATH: Final = (5, 95)
"""Percentiles of the path that must be visible, with `MARGIN` body heights on both sides."""
MARGIN: Final = 0.3
AIRBORNE_FOOT_WEIGHT: Final = 0.02
"""Weight of a foot in the air, relative to one that stands, when the body is aligned to its feet."""
RESIDUAL_SMOOTHING_S: Final = 0.1
"""Half-width of the average over what the source's reconstruction misses: jitter is not added again."""
FOOT_RESIDUAL_SMOOTHING_S: Final = 1.0
"""The same for feet: added faster, it would undo foot contacts (sliding .21 instead of .08 torso lengths per second)."""
LEG_ENDS: Final = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("ankle", "heel", "toe")]
_BLOCK: Final = 1024
"""Frames that are retargeted at once."""
HANDS_TOUCH: Final = (0.2, 0.5)
"""Distance of the hands, in torso lengths, up to which they touch and from which they are free."""


@dataclass(frozen=True)
class SkeletalRetargeter:
    """Retargets between two fitted body models. same_camera: whether one camera filmed both, None = not known.

    The source is also retargeted to itself. Where that misses its poses, the models are wrong, and as wrong for the target: the
    residual is scaled and added.
    """

    source: BodyModel
    target: BodyModel
    same_camera: bool | None = None
    kind: ClassVar[str] = "skeletal"

    def __call__(self, pose: Pose) -> Pose:
        track = as_track(pose)
        there = self._dance(track)
        itself = SkeletalRetargeter(self.source, self.source, same_camera=True)
        here, around = itself._dance(track, there), 2 * max(self._residual_frames)
        xy, depth = np.empty_like(track.xy), np.empty_like(track.depth)
        for frames in blocks(len(track), _BLOCK):
            wide = slice(max(frames.start - around, 0), min(frames.stop + around, len(track)))
            inside = slice(frames.start - wide.start, frames.stop - wide.start)
            (moved, scale), (unchanged, _) = self._placed(there, wide), itself._placed(here, wide)
            residual = (track.xy[wide] - unchanged) * scale[:, None, None] * (track.confidence[wide] > 0)[..., None]
            xy[frames] = (moved + self._smoothed(residual))[inside]
            depth[frames] = track.depth[frames] * scale[inside, None]
        mapped = Pose(xy, track.confidence, depth)
        return mapped if pose.xy.ndim == 3 else mapped[0]

    def _dance(self, track: Pose, known: "_Dance | None" = None) -> "_Dance":
        """What whole source poses [T,K] tell about each frame. known: the same for another target."""
        if known is not None and self._feet_visible == (known.shift is not None):
            return self._planted(known) if self._feet_visible else known
        line_px = self._ground_line(track) if (track.confidence > 0).any() else None
        joints = self.source.joints(track).filled()
        size = np.exp(self.source.log_sizes(joints, line_px))
        ground = self.source.ground(joints, size) if self._feet_visible else np.zeros(len(size))
        dance = _Dance(joints, size, ground)
        return self._planted(dance) if self._feet_visible else dance

    def _placed(self, dance: "_Dance", frames: slice) -> tuple[Float64Array, Float64Array]:
        """Positions [n,K,2] that the models predict for some frames, and the scale from source to target [n]."""
        _, present = dance.joints[frames]
        body = self._body(dance, frames)
        retargeted = self._retargeted(body)
        if dance.root is not None and dance.shift is not None:
            retargeted += dance.root[frames, None]
            move_feet(retargeted, dance.shift[frames])
        self._join_hands(retargeted, body, present)
        xy, forward = self.target.camera.project(retargeted)
        grown = self.target.camera.focal_px / forward[:, HIPS] / dance.size[frames]
        return _missing_near_body(xy, present)[:, :NUM_KEYPOINTS], grown * self._ratio

    def _body(self, dance: "_Dance", frames: slice) -> Float64Array:
        """The source's body [n,J,3] in some frames in the world, above its ground."""
        body = self._rotated(self.source.world(dance.joints[frames][0], dance.size[frames]))
        body[..., 2] -= dance.ground[frames, None]
        return body

    @property
    def _residual_frames(self) -> tuple[int, int]:
        """Half-widths of the averages over the residual: of bodies, and of feet, 0 if they are not seen."""
        slow_s = FOOT_RESIDUAL_SMOOTHING_S if self._feet_visible else 0.0
        return round(RESIDUAL_SMOOTHING_S * self.source.fps), round(slow_s * self.source.fps)

    def _smoothed(self, residual: Float64Array) -> Float64Array:
        """The residual [T,K,2] without the jitter of bodies, and of feet without what foot contacts removed."""
        half, slow_half = self._residual_frames
        smooth = moving_average(residual, half)
        if self._feet_visible:
            smooth[:, LEG_ENDS] = moving_average(residual, slow_half)[:, LEG_ENDS]
        return smooth

    def __str__(self) -> str:
        a, b = self.source, self.target
        home = (
            b.camera.project(np.array([b.stage_x_px, self._home_distances_px[1], 0.0]))[0] if self._feet_visible else b.home_px
        )
        (ax, ay), (bx, by) = a.home_px, home
        shift = f"({ax:.0f}, {ay:.0f}) -> ({bx:.0f}, {by:.0f}) px"
        relative = {
            name: self._part_ratio(name) / self._ratio - 1 for name in ("torso", "thigh", "shin", "upper_arm", "forearm")
        }
        most = max(relative, key=lambda name: abs(relative[name]))
        mean = np.mean(np.abs(list(relative.values())))
        differ = f"bodies differ by {mean:.1%} in proportion, most in the {most.replace('_', ' ')}"
        tilt = np.degrees(np.arctan(b.slant) - np.arctan(a.slant))
        camera = f", camera {abs(tilt):.0f} degrees {'steeper' if tilt > 0 else 'flatter'}" if abs(tilt) >= 1 else ""
        camera = ", by the same camera" if self.same_camera and self._feet_visible else camera
        feet = "" if self._feet_visible else " (feet are not seen: place from the hips)"
        return (
            f"skeletal: scale {self._ratio:.3f} about the ground point {shift}; {differ} ({relative[most]:+.0%}){camera}{feet}"
        )

    def inverse(self) -> None:
        """None: the shifts of feet and hands cannot be recovered from the result."""

    def to_json(self) -> dict[str, Any]:
        models = {"source": self.source.to_json(), "target": self.target.to_json()}
        return {"kind": self.kind, **models, "same_camera": self.same_camera}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        same = saved.get("same_camera")
        if not (same is None or isinstance(same, bool)):
            raise ValueError("same_camera must be true, false or null")
        return cls(BodyModel.from_json(saved["source"]), BodyModel.from_json(saved["target"]), same)

    @property
    def _ratio(self) -> float:
        return self.target.height_px / self.source.height_px

    @property
    def _leg_ratio(self) -> float:
        return self.target.leg_px / self.source.leg_px

    @property
    def _feet_visible(self) -> bool:
        return self.source.feet_seen and self.target.feet_seen

    def _part_ratio(self, part: str) -> float:
        ratio = self.target.parts_px[part] / self.source.parts_px[part] / self._ratio
        return float(np.clip(ratio, *RATIO_RANGE)) * self._ratio

    @cached_property
    def _home_distances_px(self) -> tuple[float, float]:
        """Distance along the floor of the source's home, and of its position in the target's world.

        Home maps to home. If one camera filmed both, a frame position is one position in the world. If that is not known and
        the two cameras seem to be the same, the floor at the same frame position is used, if the target was there.
        """
        a, b = self.source, self.target
        equal = (a.frame_width_px, a.frame_height_px) == (b.frame_width_px, b.frame_height_px)
        if self.same_camera is False or not self._feet_visible or not (equal or self.same_camera):
            return a.home_away_px, b.home_away_px
        same = float(_same_frame_position(a, b)[1])
        if self.same_camera:
            return a.home_away_px, same
        alike = float(np.exp(-0.5 * ((a.camera.tilt_rad - b.camera.tilt_rad) / SAME_TILT_RAD) ** 2))
        return a.home_away_px, b.home_away_px + alike * (float(np.clip(same, *b.away_range_px)) - b.home_away_px)

    @cached_property
    def _nearest_px(self) -> float:
        """Smallest distance of the target to the camera along the floor."""
        b = self.target
        lowest = np.array([b.camera.center_x_px, MAX_FEET_Y * b.frame_height_px])
        cut_off = (
            b.camera.floor_point(lowest, b.sole_px, (MIN_DISTANCE * b.home_away_px, 5 * b.home_away_px))[1]
            if self._feet_visible
            else 0.0
        )
        return float(min(max(MIN_DISTANCE * b.home_away_px, cut_off), b.home_away_px))

    def _ground_line(self, track: Pose) -> Float64Array | None:
        """y in px of the ground under the person [T]; None if feet are never visible."""
        soles = sole_y(track, 0.08 * self.source.height_px)
        return standing_line(soles, self.source.fps) if self._feet_visible and np.isfinite(soles).any() else None

    def _rotated(self, world: Float64Array) -> Float64Array:
        """The source's world [...,3] rotated about the stage center, because the cameras see it from different sides."""
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

    def _to_target_stage(self, world: Float64Array) -> Float64Array:
        """Map points of the source's world [...,3] into the target's: paths are scaled by leg length."""
        from_px, to_px = self._home_distances_px
        x = self.target.stage_x_px + self._leg_ratio * (world[..., 0] - self.source.stage_x_px)
        away = np.maximum(to_px + self._leg_ratio * (world[..., 1] - from_px), self._nearest_px)
        return np.stack([x, away, self._leg_ratio * world[..., 2] + self.target.sole_px * self._feet_visible], axis=-1)

    def shift_into_frame(self, track: Pose) -> float:
        """Shift of the stage to the right, in px, that brings the dance into the target's frame; 0 if it is inside.

        Of a dance that is too wide for the frame, as much as possible is shown.
        """
        joints = self.source.joints(track)
        points, visible = joints.of(HIPS)
        if not visible.any():
            return 0.0
        size = np.exp(self.source.log_sizes(joints, self._ground_line(track)))
        hips = self._to_target_stage(self._rotated(self.source.world(points[:, None], size))[visible, 0])
        half = self.target.frame_width_px / 2 - MARGIN * self.target.height_px
        return _fit_shift(np.sort(hips[:, 0]), max(half, 0.0))

    def _retargeted(self, body: Float64Array) -> Float64Array:
        """The target's body [T,J,3] on the source's path, with the source's joint directions."""
        retargeted = np.empty_like(body)
        retargeted[:, HIPS] = self._to_target_stage(body[:, HIPS])
        for joint, parent, part in TREE:
            vector = body[:, joint] - body[:, parent]
            length = np.linalg.norm(vector, axis=1, keepdims=True)
            longest = MAX_LENGTH * self.source.parts_px[part]
            retargeted[:, joint] = retargeted[:, parent] + self._part_ratio(part) * vector * np.minimum(
                1.0, longest / np.maximum(length, 1e-9)
            )
        return retargeted

    def _planted(self, dance: "_Dance") -> "_Dance":
        """The dance with shifts that align the body to its feet, and move the feet to their footholds."""
        a, b = self.source, self.target
        heels = a.heels_px
        feet, wanted = (np.empty((len(dance.joints), len(FEET), 3)) for _ in range(2))
        for frames in blocks(len(feet), _BLOCK):
            body = self._body(dance, frames)
            feet[frames], wanted[frames] = body[:, FEET], self._retargeted(body)[:, FEET]
        seen, stands = np.empty((len(feet), len(FEET)), np.bool_), np.empty((len(feet), len(FEET)))
        for foot, joint in enumerate(FEET):
            points, seen[:, foot] = dance.joints.of(joint)
            up = feet[:, foot, 2] - heels[foot]
            stands[:, foot] = contact_weights(points[:, :2], up, seen[:, foot], a.fps, a.height_px)
        stands = steady_weights(stands, a.fps)
        for foot, joint in enumerate(FEET):
            at = slice(foot, foot + 1)
            seen_at = dance.joints.of(joint)[0][:, None, :2] / a.height_px
            held = footholds(self._to_target_stage(feet[:, at]), stands[:, at], seen_at, a.fps)
            held[..., 2] += (b.heels_px - self._leg_ratio * heels)[foot]
            np.subtract(held, wanted[:, at], out=wanted[:, at])
        del feet, held, points, seen_at
        # Standing feet determine the position of the body; feet in the air count where none stands.
        root = _root(wanted, (stands + AIRBORNE_FOOT_WEIGHT) * seen, round(ROOT_SMOOTHING_S * a.fps))
        for frames in blocks(len(root)):
            off = wanted[frames] - root[frames, None]
            wanted[frames] = limited_shifts(off, seen[frames], MAX_SHIFT * b.height_px)
        return replace(dance, root=root, shift=wanted)

    def _join_hands(self, retargeted: Float64Array, body: Float64Array, present: NDArray[np.bool_]) -> None:
        """Make hands touch that touch in the source, in place: each moves half of the distance, elbows half of that."""
        hands = [INDEX["right_wrist"], INDEX["left_wrist"]]
        apart = body[:, hands[1]] - body[:, hands[0]]
        free = (np.linalg.norm(apart, axis=1) / self.source.parts_px["torso"] - HANDS_TOUCH[0]) / (
            HANDS_TOUCH[1] - HANDS_TOUCH[0]
        )
        near = np.clip(1 - free, 0, 1) * present[:, hands].all(axis=1)
        wanted = apart * self._part_ratio("hand")
        miss = (wanted - (retargeted[:, hands[1]] - retargeted[:, hands[0]])) * near[:, None] / 2
        for side, sign in (("right", -1.0), ("left", 1.0)):
            for name, part in (("elbow", 0.5), ("wrist", 1.0), ("thumb", 1.0), ("index", 1.0), ("pinky", 1.0)):
                retargeted[:, INDEX[f"{side}_{name}"]] += sign * part * miss


@dataclass(frozen=True, eq=False)
class _Dance:
    """A dance of T frames before it is retargeted. joints: without gaps. size: [T] apparent, relative to home. ground: [T], its
    height. root: [T,3], how the target's body is shifted, and shift: [T,4,3], how its feet are then; None without feet."""

    joints: Joints
    size: Float64Array
    ground: Float64Array
    root: Float64Array | None = None
    shift: Float64Array | None = None


def fit_skeletal(source: PoseTrack, target: PoseTrack, same_camera: bool | None = None) -> SkeletalRetargeter:
    """Fit to two tracks. same_camera: whether one still camera filmed both, which poses do not show; frame positions and facing
    direction are then kept. None (not known): similar cameras are partly treated as the same.

    Raises:
        UserError: a track shows too little of the body.
    """
    a, b = fit_body_model(source), fit_body_model(target)
    if a.feet_seen != b.feet_seen:
        a, b = fit_body_model(source, by_hips=True), fit_body_model(target, by_hips=True)
    if same_camera and a.feet_seen:
        b = replace(b, stage_x_px=float(_same_frame_position(a, b)[0]))
    fitted = SkeletalRetargeter(a, b, same_camera)
    return replace(fitted, target=replace(b, stage_x_px=b.stage_x_px + fitted.shift_into_frame(source.pose)))


def _same_frame_position(a: BodyModel, b: BodyModel) -> Float64Array:
    """Position [3] on the floor of b's world that b's camera sees at the frame position of a's home."""
    scale = np.array([b.frame_width_px / a.frame_width_px, b.frame_height_px / a.frame_height_px])
    return b.camera.floor_point(a.home_px * scale, 0.0, (0.2 * b.home_away_px, 5 * b.home_away_px))


def _fit_shift(x_px: Float64Array, half_px: float) -> float:
    """Smallest shift that brings as many of the sorted positions [N] as possible between -half_px and half_px.

    The outermost few are ignored if the others fit.
    """
    low, high = np.percentile(x_px, VISIBLE_PATH)
    if high - low > 2 * half_px:
        inside = np.searchsorted(x_px, x_px + 2 * half_px, side="right") - np.arange(len(x_px))
        first = int(inside.argmax())
        low, high = x_px[first], x_px[first + inside[first] - 1]
    return float(np.clip(0.0, -half_px - low, half_px - high))


def _root(wanted: Float64Array, weight: Float64Array, half: int) -> Float64Array:
    """Smooth shift of the body [T,3] that fits the feet's shifts [T,4,3]; interpolated where no foot is visible."""
    total, shift = weight.sum(axis=1), np.empty((len(weight), 3))
    for block in blocks(len(weight)):
        mean = (wanted[block] * weight[block, :, None]).sum(axis=1)
        shift[block] = mean / np.maximum(total[block], 1e-9)[:, None]
    known = total > 0
    if not known.any():
        return np.zeros_like(shift)
    frames = np.arange(len(shift))
    interpolated = np.stack([np.interp(frames, frames[known], shift[known, axis]) for axis in range(3)], axis=1)
    return moving_average(interpolated, half)


def _missing_near_body(xy: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
    """Missing joints get the position of their parent, not an interpolated one."""
    for joint, parent, _ in TREE:
        xy[:, joint] = np.where(present[:, joint, None], xy[:, joint], xy[:, parent])
    return xy
