"""A camera and the floor under a dancer, read off the dancer alone: the lens, how steeply it looks down, how high it hangs.

Bones that keep their length tell the focal length where depth is sound, standing feet the floor; where neither says much, what
is usual counts. Lengths are in px at home, that is as large as they are seen where the dancer usually stands.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.retargeting.joints import PARTS, averaged, number_of
from dancenow.skeleton import INDEX

FOCAL_PER_SIDE: Final = 1.2
"""Focal length as a share of the frame's longer side, where nothing is known of a camera: between phone and camcorder."""
FOCAL_SPREAD: Final = 0.4
"""Standard deviation of it among cameras, in logarithms."""
FOCALS: Final = np.exp(np.linspace(np.log(0.6), np.log(3.6), 10))
FINER: Final = np.exp(np.linspace(-0.2, 0.2, 9))
"""What is tried first, and then about the best of it."""
TILT: Final = 0.08
"""Tangent of the angle at which cameras usually look down: chest-high, at the middle of the body, five steps away."""
TILT_SPREAD: Final = 0.06
HANGS_AT: Final = (0.8, 0.3)
"""How high cameras usually hang above the floor, and by how much that differs, in heights of the body."""
HEEL_SPREAD: Final = 0.02
"""How far heels seem to be above or below toes when both stand, in heights of the body: detectors have habits."""
FRAMES_PER_WORD: Final = (8.0, 200.0)
"""Frames that say the same thing, with exact depth and without: errors of neighbours are alike, and those of a detector's depth
are in all frames."""
BONES_SAY: Final = 30.0
"""What the logarithm of the bones' disagreement counts for when a focal length is chosen."""
STILL_PER_S: Final = 0.12
"""Speed of a heel or toe, in heights a second, up to which it stands."""
HANGS: Final = 0.1
"""What is this much higher in the picture than the lowest of both feet, in heights, hangs in the air, though it be still."""
IN_THE_AIR: Final = (0.5, 1.0)
"""What a foot that is still above the floor counts for, beside one below it, with exact depth and without: nobody stands lower
than the floor, but many are still above it for a moment. Without exact depth it cannot be told which is which."""
EXACT_DOUBT: Final = 0.015
"""Bones that disagree by no more about the body's size have exact depth; a detector's, though corrected, leaves twice that."""
MAX_FRAMES: Final = 150
"""Frames that a camera is read off: more say nothing new."""
ENOUGH_BONES: Final = 4
"""Of fewer one may be foreshortened, and the body would seem to shrink; its size is then that of the frames around."""
NEARNESS_RANGE: Final = (0.6, 1.7)
"""Distance of a joint to the camera as a share of the hips' is not believed beyond this."""

FEET: Final = tuple(INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("heel", "toe"))
IS_HEEL: Final = np.array([1.0, 0.0, 1.0, 0.0])
_BONES: Final = ("torso", "shoulders", "hips", "upper_arm", "forearm", "thigh", "shin")
BONE_PARTS: Final = tuple(name for name in _BONES for _ in PARTS[name])
BONE_ENDS: Final = np.array([[number_of(end) for end in ends] for name in _BONES for ends in PARTS[name]])
"""[B,2] joints at the ends of each bone whose length does not change."""


@dataclass(frozen=True)
class CameraModel:
    """A still camera over a floor. middle_*_px: the optical axis in the frame. tilt_rad: downwards. floor_px: how high the
    camera hangs above the floor, in px at home. heel_px: how far heels that stand seem to be above toes that stand.

    The world that it sees: to the right, away along the floor and up from it, from the point of the floor under the camera.
    """

    middle_x_px: float
    middle_y_px: float
    focal_px: float
    tilt_rad: float
    floor_px: float
    heel_px: float = 0.0

    def solid(self, points: Float64Array, size: Float64Array) -> Float64Array:
        """Points [T,J,3] (x, y, depth from the hips, px) of a body whose apparent size is `size` [T] of that at home, in the
        camera's space [T,J,3]: right, down, forward, px at home; at home the hips are `focal_px` away."""
        nearness = np.clip(1 + points[..., 2:] / self.focal_px, *NEARNESS_RANGE)
        middle = np.array([self.middle_x_px, self.middle_y_px])
        aside = (points[..., :2] - middle) * nearness
        return np.asarray(np.concatenate([aside, self.focal_px * nearness], axis=-1) / size[:, None, None])

    def world(self, solid: Float64Array) -> Float64Array:
        """The camera's space [...,3] as right, away, up."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, down, forward = np.moveaxis(solid, -1, 0)
        return np.stack([x, cos * forward - sin * down, self.floor_px - cos * down - sin * forward], axis=-1)

    def picture(self, world: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Points of the world [...,3] as places in the frame [...,2] px, and their distances along the axis [...]."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, away, up = np.moveaxis(world, -1, 0)
        below = self.floor_px - up
        forward = np.maximum(cos * away + sin * below, 0.1 * self.focal_px)
        aside = np.stack([x, cos * below - sin * away], axis=-1) / forward[..., None]
        return np.array([self.middle_x_px, self.middle_y_px]) + self.focal_px * aside, forward

    def on_floor(self, xy_px: Float64Array, up_px: Float64Array | float, reach: tuple[float, float]) -> Float64Array:
        """Where the world is seen at places [...,2] of the frame, `up_px` above the floor: [...,3]; `reach`: nearest and
        furthest distance along the floor that is believed."""
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x, y = np.moveaxis((xy_px - [self.middle_x_px, self.middle_y_px]) / self.focal_px, -1, 0)
        falls = np.maximum(cos * y + sin, 1e-3)
        away = np.clip((self.floor_px - up_px) / falls * (cos - sin * y), *reach)
        forward = away / np.maximum(cos - sin * y, 1e-3)
        return np.stack([x * forward, away, np.broadcast_to(up_px, away.shape)], axis=-1)


def bone_lengths(points: Float64Array, present: NDArray[np.bool_], focal_px: float, middle: Float64Array) -> Float64Array:
    """Logarithms of the bones' lengths [T,B] in px at the distance of the hips; NaN where an end is missing."""
    nearness = np.clip(1 + points[..., 2:] / focal_px, *NEARNESS_RANGE)
    solid = np.concatenate([(points[..., :2] - middle) * nearness, points[..., 2:]], axis=-1)
    lengths = np.linalg.norm(solid[:, BONE_ENDS[:, 0]] - solid[:, BONE_ENDS[:, 1]], axis=-1)
    known = present[:, BONE_ENDS].all(axis=-1)
    return np.where(known, np.log(np.maximum(lengths, 1e-3)), np.nan)


def log_size(lengths: Float64Array, full: Float64Array) -> Float64Array:
    """Logarithm of the apparent size [T] that most bones of known length [B] agree on; NaN where too few are seen."""
    relative = lengths - full
    seen = np.isfinite(relative).sum(axis=1)
    known = seen >= min(ENOUGH_BONES, int(seen.max(initial=1)))
    known &= seen > 0
    size = np.full(len(relative), np.nan)
    size[known] = np.nanmedian(relative[known], axis=1)
    return size


def read_view(
    points: Float64Array,
    present: NDArray[np.bool_],
    frame_px: tuple[int, int],
    fps: float,
    height_px: float,
    *,
    sound: bool,
) -> tuple[CameraModel, float]:
    """The camera that shows joints [T,J,3] (depth in px) of a body `height_px` tall, and how far bones disagree about the
    body's size in a frame (a share).

    Without feet that stand the floor is a length of legs below the hips; with them it is believed as far as depth is exact,
    which shows when the bones agree. Only `sound` depth tells the focal length: with another the bones disagree at any, and the
    usual one is taken.
    """
    step = max(1, len(points) // MAX_FRAMES)
    stands = standing(points[..., :2], present, fps, height_px)[::step]
    points, present = points[::step], present[::step]
    middle = (np.array(frame_px, np.float64) - 1) / 2
    usual_px = FOCAL_PER_SIDE * max(frame_px)

    def tried(focal_px: float, exact: bool) -> tuple[float, CameraModel, float]:
        lengths = bone_lengths(points, present, focal_px, middle)
        size, doubt = agreed_size(lengths, 1)
        view, off = _floor(points, stands, focal_px, middle, np.exp(size), height_px, exact=exact)
        usual = (np.log(focal_px / usual_px) / FOCAL_SPREAD) ** 2 / 2
        return usual + BONES_SAY * (np.log(doubt) + 0.5 * np.log(off)), view, doubt

    def best_of(focals_px: Float64Array, exact: bool) -> tuple[float, CameraModel, float]:
        return min((tried(float(focal_px), exact) for focal_px in focals_px), key=lambda found: found[0])

    def best(exact: bool) -> tuple[CameraModel, float]:
        coarse = best_of(FOCALS * max(frame_px), exact)
        return min(coarse, best_of(FINER * coarse[1].focal_px, exact), key=lambda found: found[0])[1:]

    if not sound:
        return tried(usual_px, exact=False)[1:]
    view, doubt = best(exact=True)
    return (view, doubt) if doubt <= EXACT_DOUBT else best(exact=False)


def standing(xy: Float64Array, present: NDArray[np.bool_], fps: float, height_px: float) -> NDArray[np.bool_]:
    """Which of `FEET` [T,4] are still."""
    half = max(1, round(0.05 * fps))
    frames = np.arange(len(xy))
    after, before = np.minimum(frames + half, len(xy) - 1), np.maximum(frames - half, 0)
    way = np.linalg.norm(xy[after][:, FEET] - xy[before][:, FEET], axis=-1)
    known = present[:, FEET] & present[after][:, FEET] & present[before][:, FEET]
    seconds = np.maximum(after - before, 1) / fps
    y = np.where(present[:, FEET], xy[:, FEET, 1], -np.inf)
    low = y > y.max(axis=1, keepdims=True) - HANGS * height_px
    return np.asarray(known & low & (way < STILL_PER_S * height_px * seconds[:, None]))


def agreed_size(lengths: Float64Array, half: int) -> tuple[Float64Array, float]:
    """Logarithm of the size [T] in every frame, 0 at home, from bones [T,B] of unknown lengths; how far they disagree."""
    size = np.zeros(len(lengths))
    ever = np.isfinite(lengths).any(axis=0)
    full = np.zeros(lengths.shape[1])
    frames = np.arange(len(lengths))
    for _ in range(3):
        full[ever] = np.nanmedian(lengths[:, ever] - size[:, None], axis=0)
        each = log_size(lengths, full)
        known = np.isfinite(each)
        size = np.interp(frames, frames[known], each[known]) if known.any() else size
    size -= np.median(size)
    off = np.abs(lengths - size[:, None] - full)
    doubt = float(np.nanmedian(off)) if np.isfinite(off).any() else 1.0
    return averaged(size, half), max(doubt, 1e-4)


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
    """Tilt and height of a camera from feet that stand [T,4], and how far these are from one plane, in heights."""
    level = CameraModel(float(middle[0]), float(middle[1]), float(focal_px), 0.0, 0.0)
    solid = level.solid(points, size)
    feet = solid[:, FEET][stands]
    heel = np.broadcast_to(IS_HEEL, stands.shape)[stands]
    if len(feet) < 4:
        return _below_hips(level, solid, height_px), 0.05
    # down = (floor - heel offset) / cos - tan(tilt) forward, by least squares with weights that forgive what is far off.
    table = np.stack([-feet[:, 2], np.ones(len(feet)), -heel], axis=1)
    usual = np.array([TILT, HANGS_AT[0] * height_px, 0.0])
    trust = 1 / np.array([TILT_SPREAD, HANGS_AT[1] * height_px, HEEL_SPREAD * height_px])
    scale, weight = 0.03 * height_px, np.full(len(feet), 1.0)
    frames_per_word, in_the_air = FRAMES_PER_WORD[not exact], IN_THE_AIR[not exact]
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
    # The weighted median, where what is above counts less.
    down = np.quantile(feet[:, 1] + np.tan(tilt_rad) * feet[:, 2] + found[2] * heel, 1 / (1 + in_the_air))
    floor_px = float(down * np.cos(tilt_rad))
    view = CameraModel(
        level.middle_x_px, level.middle_y_px, level.focal_px, tilt_rad, floor_px, float(found[2] * np.cos(tilt_rad))
    )
    if floor_px < 0.05 * height_px:  # nobody films from the floor: what seems so is a fault of the depth
        return _below_hips(level, solid, height_px), 0.05
    return view, scale / height_px


def _below_hips(level: CameraModel, solid: Float64Array, height_px: float) -> CameraModel:
    """The usual tilt, and a floor under legs of usual length."""
    tilt_rad = float(np.arctan(TILT))
    hips = solid[:, number_of("hips")]
    down = np.median(np.cos(tilt_rad) * hips[:, 1] + np.sin(tilt_rad) * hips[:, 2])
    floor_px = max(float(down) + 0.58 * height_px, 0.3 * height_px)
    return CameraModel(level.middle_x_px, level.middle_y_px, level.focal_px, tilt_rad, floor_px)
