"""Retargeting part by part in the image plane: the source's directions and timing, the target's lengths, floor and camera.

Every keypoint goes where one scale about the ground would take it, plus a correction that is summed along the limbs, each of
which adds its vector times what its own ratio of lengths differs by. Standing feet are mapped by the floor alone: they cannot
slide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body import Float64Array, sole_y, standing_line
from dancenow.pose.maps.base import whole_track
from dancenow.pose.maps.figure import Figure, figure_of, size_at
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose, PoseTrack

HIPS, EARS = NUM_KEYPOINTS, NUM_KEYPOINTS + 1
"""Two points between pairs of keypoints, which the body hangs on; they come after the keypoints in arrays of `J` joints."""
NUM_JOINTS: Final = NUM_KEYPOINTS + 2


def _tree() -> tuple[tuple[int, int, str], ...]:
    """(joint, parent, part) from the hips outwards."""
    tree = [(INDEX["neck"], HIPS, "torso"), (EARS, INDEX["neck"], "neck"), (INDEX["nose"], EARS, "head")]
    for side in ("right", "left"):
        chain = [
            ("shoulder", "neck", "shoulders"), ("elbow", "shoulder", "upper_arm"), ("wrist", "elbow", "forearm"),
            ("thumb", "wrist", "hand"), ("index", "wrist", "hand"), ("pinky", "wrist", "hand"),
            ("hip", "hips", "hips"), ("knee", "hip", "thigh"), ("ankle", "knee", "shin"),
            ("heel", "ankle", "foot"), ("toe", "ankle", "foot"), ("eye", "ears", "head"), ("ear", "ears", "head"),
        ]  # fmt: skip
        middle = {"neck": INDEX["neck"], "hips": HIPS, "ears": EARS}
        for joint, parent, part in chain:
            tree.append((INDEX[f"{side}_{joint}"], middle.get(parent, INDEX.get(f"{side}_{parent}", -1)), part))
    return tuple(tree)


TREE: Final = _tree()
RATIO_RANGE: Final = (0.6, 1.6)
"""A part's ratio of lengths, relative to the whole body's, is not believed beyond this."""
STANDING_PER_S: Final = (0.15, 0.5)
"""Speed of a foot, in heights a second, up to which it stands and from which it does not."""
STANCE: Final = 0.45
"""How far apart in depth two standing feet may be, in heights: a still foot that is higher in the picture hangs in the air."""
ROOT_SMOOTHING_S: Final = 0.08
MAX_REACH: Final = 0.12
"""How far a leg is bent out of its retargeted shape to reach its foothold, in heights."""
TOUCH: Final = (0.2, 0.5)
"""Distance of the hands, in torsos, up to which they touch and from which they are free."""


@dataclass(frozen=True)
class BonesMap:
    """Per-part retargeting between two measured figures."""

    source: Figure
    target: Figure
    kind: ClassVar[str] = "bones"

    def __call__(self, pose: Pose) -> Pose:
        track = whole_track(pose)
        seen, present = _joints(track, self.source.depth_gain)
        joints = self.source.flattened(seen)
        line_px = self._ground_line(track)
        size = self._change_of_size(line_px)
        scale = size * self._leg_ratio
        depth_px = self._depth(joints, present) * size[:, None]
        base = self._on_floor(joints, line_px, scale)
        correction = self._corrections(joints, present, scale, size)
        correction += self._planting(seen, present, base + correction, self._on_floor(seen, line_px, scale), depth_px, line_px)
        flat = base + correction
        self._join_hands(flat, joints, present, size)
        placed = self.target.seen(np.concatenate([flat, depth_px[..., None]], axis=-1))
        xy = _missing_near_body(placed, present)[:, :NUM_KEYPOINTS].astype(np.float32)
        depth = (track.depth * size[:, None] * self._ratio).astype(np.float32)
        mapped = Pose(xy, track.confidence, depth)
        return mapped if pose.xy.ndim == 3 else mapped[0]

    def __str__(self) -> str:
        a, b = self.source, self.target
        shift = f"({a.home_x_px:.0f}, {a.home_y_px:.0f}) -> ({b.home_x_px:.0f}, {b.home_y_px:.0f}) px"
        relative = {
            name: self._part_ratio(name) / self._ratio - 1 for name in ("torso", "thigh", "shin", "upper_arm", "forearm")
        }
        most = max(relative, key=lambda name: abs(relative[name]))
        mean = np.mean(np.abs(list(relative.values())))
        differ = f"bodies differ by {mean:.1%} in proportion, most in the {most.replace('_', ' ')}"
        tilt = np.degrees(np.arctan(b.slant) - np.arctan(a.slant))
        camera = f", camera {abs(tilt):.0f} degrees {'steeper' if tilt > 0 else 'flatter'}" if abs(tilt) >= 1 else ""
        feet = "" if a.feet_seen and b.feet_seen else " (feet are not seen: place from the hips)"
        return f"bones: scale {self._ratio:.3f} about the ground point {shift}; {differ} ({relative[most]:+.0%}){camera}{feet}"

    def inverse(self) -> None:
        """There is none: what feet and hands were moved by cannot be told from the result."""

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "source": self.source.to_json(), "target": self.target.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        return cls(Figure.from_json(saved["source"]), Figure.from_json(saved["target"]))

    @property
    def _ratio(self) -> float:
        return self.target.height_px / self.source.height_px

    @property
    def _leg_ratio(self) -> float:
        return self.target.leg_px / self.source.leg_px if self._feet else self._ratio

    @property
    def _feet(self) -> bool:
        return self.source.feet_seen and self.target.feet_seen

    def _part_ratio(self, part: str) -> float:
        ratio = self.target.parts_px[part] / self.source.parts_px[part] / self._ratio
        return float(np.clip(ratio, *RATIO_RANGE)) * self._ratio

    def _ground_line(self, track: Pose) -> Float64Array:
        """y in px of the ground under the dancer [T]; home where feet are never seen."""
        soles = sole_y(track, 0.08 * self.source.height_px)
        if not self._feet or not np.isfinite(soles).any():
            return np.full(len(track), self.source.home_y_px)
        return standing_line(soles, self.source.fps)

    def _step(self, away: Float64Array) -> Float64Array:
        """How far from home the target stands, in heights, when the source stands `away`: longer legs step further."""
        return away * self._leg_ratio / self._ratio

    def _change_of_size(self, line_px: Float64Array) -> Float64Array:
        """Apparent size of the target over that of the source, as a share of that at home, for the source's ground lines."""
        away = self.source.away(line_px)
        return size_at(self._step(away), self.target.distance) / size_at(away, self.source.distance)

    def _floor(self, x_px: Float64Array, y_px: Float64Array) -> Float64Array:
        """Points of the source's floor on the target's: [..., 2] px."""
        a, b = self.source, self.target
        away = a.away(y_px)
        size_a, size_b = size_at(away, a.distance), size_at(self._step(away), b.distance)
        middle_a, middle_b = (a.frame_width_px - 1) / 2, (b.frame_width_px - 1) / 2
        sideways = (x_px - middle_a) / size_a - (a.home_x_px - middle_a)
        x = middle_b + (b.home_x_px - middle_b + sideways * self._leg_ratio) * size_b
        return np.stack([x, b.line(self._step(away))], axis=-1)

    def _on_floor(self, joints: Float64Array, line_px: Float64Array, scale: Float64Array) -> Float64Array:
        """[T,J,2]: every joint by the floor under the dancer and one scale."""
        under = self._floor(joints[..., 0], np.broadcast_to(line_px[:, None], joints.shape[:2]))
        under[..., 1] += scale[:, None] * (joints[..., 1] - line_px[:, None])
        return under

    def _turned(self, vectors: Float64Array) -> Float64Array:
        """Vectors [...,3] px as the target's camera sees them, [...,2]: it looks down at another angle."""
        angle = self.target.tilt_rad - self.source.tilt_rad
        return np.stack([vectors[..., 0], np.cos(angle) * vectors[..., 1] - np.sin(angle) * vectors[..., 2]], axis=-1)

    def _depth(self, joints: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
        """Depth in px [T,J] of the target's joints at home, relative to their hips, as their camera has it."""
        angle = self.target.tilt_rad - self.source.tilt_rad
        below = np.where(present & present[:, HIPS, None], joints[..., 1] - joints[:, HIPS, None, 1], 0.0)
        return np.asarray((np.cos(angle) * joints[..., 2] + np.sin(angle) * below) * self._ratio)

    def _corrections(
        self, joints: Float64Array, present: NDArray[np.bool_], scale: Float64Array, size: Float64Array
    ) -> Float64Array:
        """[T,J,2] px: what the parts between joint and hips add to one scale; interpolated where a joint hangs on nothing."""
        correction = np.full((*joints.shape[:2], 2), np.nan)
        correction[present[:, HIPS], HIPS] = 0.0
        # Where a joint is missing its children hang on the nearest one that is there: a longer vector, of a mean ratio.
        holder, held = joints.copy(), present.copy()
        ratio_since = np.ones(joints.shape[:2])
        for joint, parent, part in TREE:
            ratio = self._part_ratio(part)
            gap = ~present[:, parent]
            bridged = np.where(gap, (ratio + ratio_since[:, parent]) / 2, ratio)
            vector = joints[:, joint] - holder[:, parent]
            moved = self._turned(vector) * (bridged * size)[:, None] - vector[:, :2] * scale[:, None]
            here = present[:, joint] & held[:, parent]
            correction[here, joint] = (correction[:, parent] + moved)[here]
            lost = ~present[:, joint] & held[:, parent]
            holder[lost, joint], correction[lost, joint] = holder[lost, parent], correction[lost, parent]
            held[:, joint] |= lost
            ratio_since[:, joint] = bridged
        return _interpolated(correction)

    def _planting(
        self,
        seen: Float64Array,
        present: NDArray[np.bool_],
        now: Float64Array,
        hanging: Float64Array,
        depth_px: Float64Array,
        line_px: Float64Array,
    ) -> Float64Array:
        """[T,J,2] px: what brings the body over its feet, and the feet to their footholds.

        now: where the joints [T,J,2] are without it. hanging: where feet would be in the target's picture if none stood.
        """
        extra = np.zeros_like(now)
        if not self._feet:
            return extra
        wanted, weights = [], []
        for side in ("right", "left"):
            ends = [INDEX[f"{side}_{name}"] for name in ("ankle", "heel", "toe")]
            known = present[:, ends]
            foot = np.asarray(known.any(axis=1))
            share = (known / np.maximum(known.sum(axis=1, keepdims=True), 1))[..., None]
            sole, up = ((places[:, ends] * share).sum(axis=1) for places in (seen[..., :2], hanging))
            lowest_px = np.where(foot, np.where(known, seen[:, ends, 1], -np.inf).max(axis=1), line_px)
            stands = self._stands(sole, lowest_px, line_px)
            # The floor takes the lowest point of the foot; its middle stays as far above as it is.
            stood = self._floor(sole[:, 0], lowest_px)
            stood[:, 1] += self._change_of_size(lowest_px) * self._leg_ratio * (sole[:, 1] - lowest_px)
            foothold = stands[:, None] * stood + (1 - stands[:, None]) * up
            deep = (depth_px[:, ends] * share[..., 0]).sum(axis=1)
            foothold = self.target.flattened(np.concatenate([foothold, deep[:, None]], axis=-1))[:, :2]
            wanted.append(np.where(foot[:, None], foothold - (now[:, ends] * share).sum(axis=1), np.nan))
            weights.append(np.where(foot, 0.1 + stands, 0.0))
        root = _root(np.stack(wanted), np.stack(weights), round(ROOT_SMOOTHING_S * self.source.fps))
        extra += root[:, None]
        limit_px = MAX_REACH * self.target.height_px
        for side, want in zip(("right", "left"), wanted, strict=True):
            reach = np.where(np.isfinite(want), want - root, 0.0)
            far = np.linalg.norm(reach, axis=1, keepdims=True)
            reach *= np.minimum(1.0, limit_px / np.maximum(far, 1e-9))
            for name, part in (("knee", 0.5), ("ankle", 1.0), ("heel", 1.0), ("toe", 1.0)):
                extra[:, INDEX[f"{side}_{name}"]] += part * reach
        return extra

    def _stands(self, sole: Float64Array, lowest_px: Float64Array, line_px: Float64Array) -> Float64Array:
        """[T] from 0 to 1: how surely a foot stands on the floor."""
        half = max(1, round(0.05 * self.source.fps))
        there = np.arange(len(sole))
        after, before = np.minimum(there + half, len(sole) - 1), np.maximum(there - half, 0)
        span_s = np.maximum(after - before, 1) / self.source.fps
        speed = np.linalg.norm(sole[after] - sole[before], axis=1) / span_s / self.source.height_px
        slow = np.clip((STANDING_PER_S[1] - speed) / (STANDING_PER_S[1] - STANDING_PER_S[0]), 0, 1)
        above = (line_px - lowest_px) / (STANCE * self.source.slant * self.source.height_px)
        return _averaged(slow * np.clip(2 - 2 * np.abs(above), 0, 1), half)

    def _join_hands(self, xy: Float64Array, joints: Float64Array, present: NDArray[np.bool_], size: Float64Array) -> None:
        """Hands that touch in the source touch: both go half of the way, elbows half of that."""
        hands = [INDEX["right_wrist"], INDEX["left_wrist"]]
        apart = joints[:, hands[1], :2] - joints[:, hands[0], :2]
        torso_px = self.source.parts_px["torso"]
        free = (np.linalg.norm(apart, axis=1) / torso_px - TOUCH[0]) / (TOUCH[1] - TOUCH[0])
        deep = np.abs(joints[:, hands[1], 2] - joints[:, hands[0], 2]) / torso_px
        near = np.clip(1 - free, 0, 1) * np.clip(2 - 2 * deep, 0, 1) * present[:, hands].all(axis=1)
        wanted = apart * (self._part_ratio("hand") * size)[:, None]
        miss = (wanted - (xy[:, hands[1]] - xy[:, hands[0]])) * near[:, None] / 2
        for side, sign in (("right", -1.0), ("left", 1.0)):
            for name, part in (("elbow", 0.5), ("wrist", 1.0), ("thumb", 1.0), ("index", 1.0), ("pinky", 1.0)):
                xy[:, INDEX[f"{side}_{name}"]] += sign * part * miss


def fit_bones(source: PoseTrack, target: PoseTrack) -> BonesMap:
    """Measure both dancers.

    Raises:
        UserError: a track shows too little of the body.
    """
    a, b = figure_of(source), figure_of(target)
    if a.feet_seen != b.feet_seen:
        a, b = figure_of(source, by_hips=True), figure_of(target, by_hips=True)
    return BonesMap(a, b)


def _joints(track: Pose, depth_gain: float) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Places and depth [T,J,3] in px of keypoints, hips and ears, and which are there [T,J]."""
    points = np.concatenate([track.xy, depth_gain * track.depth[..., None]], axis=-1).astype(np.float64)
    seen = track.confidence > 0
    pairs = [[INDEX[f"{side}_{name}"] for side in ("right", "left")] for name in ("hip", "ear")]
    middles = [points[:, pair].mean(axis=1, keepdims=True) for pair in pairs]
    both = [seen[:, pair].all(axis=1, keepdims=True) for pair in pairs]
    return np.concatenate([points, *middles], axis=1), np.concatenate([seen, *both], axis=1)


def _interpolated(values: Float64Array) -> Float64Array:
    """Values [T,J,2] with NaN filled from the frames before and after; 0 for a joint that is NaN throughout."""
    frames = np.arange(len(values))
    for joint in range(values.shape[1]):
        known = np.isfinite(values[:, joint, 0])
        if not known.all():
            for axis in range(2):
                line = values[:, joint, axis]
                values[:, joint, axis] = np.interp(frames, frames[known], line[known]) if known.any() else 0.0
    return values


def _root(wanted: Float64Array, weights: Float64Array, half: int) -> Float64Array:
    """[T,2]: the shift of the whole body that suits both feet, smooth; where no foot is seen, that of the frames around."""
    total = weights.sum(axis=0)
    shift = (np.nan_to_num(wanted) * weights[..., None]).sum(axis=0) / np.maximum(total, 1e-9)[:, None]
    shift[total <= 0] = np.nan
    filled = _interpolated(shift[:, None])[:, 0]
    return np.stack([_averaged(filled[:, axis], half) for axis in range(2)], axis=1)


def _averaged(values: Float64Array, half: int) -> Float64Array:
    """Twice a running mean [T] over 2 half + 1 frames, the ends repeated: nearly a Gaussian."""
    for _ in range(2):
        padded = np.pad(values, half, mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).mean(axis=-1)
    return values


def _missing_near_body(xy: Float64Array, present: NDArray[np.bool_]) -> Float64Array:
    """Missing joints have nonsense for a place: they get that of the joint they hang on."""
    for joint, parent, _ in TREE:
        xy[:, joint] = np.where(present[:, joint, None], xy[:, joint], xy[:, parent])
    return xy
