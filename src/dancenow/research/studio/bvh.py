"""BVH motion capture files: read them and retarget them to a studio body.

Retargeting uses joint positions, not rotations, so it works with every bone axis convention: limbs follow the recorded
directions, the trunk follows hips, shoulders and neck, and the feet are put on the floor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.research.studio import rotations as rot
from dancenow.research.studio.body import ACTIONS, Body
from dancenow.research.studio.motion import Performance
from dancenow.research.studio.segments import SIDES, expand_to_bones

Array = NDArray[np.float64]

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "hips": ("Hips", "Hip", "root", "hip", "pelvis", "Pelvis"),
    "spine": ("Spine1", "Spine", "LowerBack", "Chest", "chest", "spine"),
    "neck": ("Neck", "Neck1", "neck"),
    "head": ("Head", "head"),
    **{
        f"{part}{tail}": tuple(pattern.format(side=side, s=tail[-1]) for pattern in patterns)
        for side, tail in (("Left", ".L"), ("Right", ".R"))
        for part, patterns in {
            "upperarm01": ("{side}Arm", "UpperArm_{s}", "{side}UpArm", "{side}Shoulder"),
            "lowerarm01": ("{side}ForeArm", "LowerArm_{s}", "{side}LowArm", "{side}Elbow"),
            "wrist": ("{side}Hand", "Hand_{s}", "{side}Wrist"),
            "upperleg01": ("{side}UpLeg", "UpperLeg_{s}", "{side}Hip", "{side}Thigh"),
            "lowerleg01": ("{side}Leg", "LowerLeg_{s}", "{side}LowLeg", "{side}Knee", "{side}Shin"),
            "foot": ("{side}Foot", "Foot_{s}", "{side}Ankle"),
            "toe2-1": ("{side}ToeBase", "Toes_{s}", "{side}Toe"),
        }.items()
    },
}
_OPTIONAL: Final = ("head", "spine", "toe2-1.L", "toe2-1.R")


@dataclass(frozen=True, eq=False)
class BvhMotion:
    """A BVH file after forward kinematics: joint names, world positions float64 [T,J,3] and rotations [T,J,3,3], frame rate."""

    names: tuple[str, ...]
    positions: Array
    rotations: Array
    fps: float


def read_bvh(path: Path) -> BvhMotion:
    """Read a BVH file.

    Raises:
        UserError: the file is missing, not BVH, or truncated.
    """
    try:
        words = path.read_text(errors="replace").split()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
    try:
        names, parents, offsets, channels, rest = _parse_hierarchy(iter(words))
        count, step_s = int(rest[1]), float(rest[4])
        width = sum(len(kinds) for kinds in channels)
        values = np.array(rest[5 : 5 + count * width], float).reshape(count, width)
        if count < 1 or not np.isfinite(values).all() or not 1e-4 < step_s < 10:
            raise ValueError
        positions, rotations = _forward_kinematics(parents, offsets, channels, values)
    except (StopIteration, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a complete BVH file; export the motion again.") from error
    return BvhMotion(tuple(names), positions, rotations, 1 / step_s)


def _parse_hierarchy(words: Iterator[str]) -> tuple[list[str], list[int], Array, list[list[str]], list[str]]:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    current = -1
    if next(words) != "HIERARCHY":
        raise ValueError
    for word in words:
        match word:
            case "ROOT" | "JOINT":
                names.append(next(words))
                parents.append(stack[-1] if stack else -1)
                offsets.append([0.0, 0.0, 0.0])
                channels.append([])
                current = len(names) - 1
            case "End":
                next(words)
                current = -1
            case "{":
                stack.append(current)
            case "}":
                stack.pop()
            case "OFFSET":
                offset = [float(next(words)) for _ in range(3)]
                if stack[-1] >= 0:
                    offsets[stack[-1]] = offset
            case "CHANNELS":
                channels[stack[-1]] = [next(words) for _ in range(int(next(words)))]
            case "MOTION":
                break
            case _:
                raise ValueError
    return names, parents, np.array(offsets), channels, list(words)


def _forward_kinematics(parents: list[int], offsets: Array, channels: list[list[str]], values: Array) -> tuple[Array, Array]:
    frames, joints = len(values), len(parents)
    positions, rotations = np.zeros((frames, joints, 3)), np.zeros((frames, joints, 3, 3))
    column = 0
    for j, parent in enumerate(parents):
        local, shift = np.broadcast_to(np.eye(3), (frames, 3, 3)), np.tile(offsets[j], (frames, 1))
        for kind in channels[j]:
            axis = "XYZ".index(kind[0])
            if kind.endswith("rotation"):
                local = local @ rot.about(np.eye(3)[axis], np.radians(values[:, column]))
            else:
                shift[:, axis] = values[:, column]
            column += 1
        if parent < 0:
            positions[:, j], rotations[:, j] = shift, local
        else:
            positions[:, j] = positions[:, parent] + np.einsum("tab,tb->ta", rotations[:, parent], shift)
            rotations[:, j] = rotations[:, parent] @ local
    return positions, rotations


def retarget(motion: BvhMotion, body: Body, fps: float, seconds: float | None = None, start_s: float = 0.0) -> Performance:
    """Retarget a motion to a body, resample it to `fps`, turn it to the camera on average, and put its feet on the floor.

    Raises:
        UserError: hips, arms or legs cannot be identified by joint names, or the requested part is empty.
    """
    index = {part: next((motion.names.index(n) for n in names if n in motion.names), -1) for part, names in _NAMES.items()}
    missing = sorted(part for part, i in index.items() if i < 0 and part not in _OPTIONAL)
    if missing:
        raise InputError(f"the BVH skeleton lacks {missing[0]}; rename its joints as Mixamo or CMU do (Hips, LeftUpLeg, ...).")
    index["spine"] = _middle_spine(motion, index)
    length_s = len(motion.positions) / motion.fps - start_s
    time = np.arange(int(fps * min(length_s, seconds or length_s) + 1e-6)) / fps
    if len(time) < 1:
        raise InputError("the BVH file is shorter than the start asked for; start earlier.")
    where = np.clip((time + start_s) * motion.fps, 0, len(motion.positions) - 1)
    low = np.minimum(where.astype(int), len(motion.positions) - 1)
    high, fraction = np.minimum(low + 1, len(motion.positions) - 1), where - low
    upright = _upright_rotation(motion, index)
    positions = motion.positions[low] * (1 - fraction)[:, None, None] + motion.positions[high] * fraction[:, None, None]
    points = {part: positions[:, i] @ upright.T for part, i in index.items() if i >= 0}
    head = None if index["head"] < 0 else upright @ motion.rotations[low, index["head"]]
    world = _segment_rotations(points, head, body)
    thigh = np.linalg.norm(points["lowerleg01.L"] - points["upperleg01.L"], axis=1).mean()
    shin = np.linalg.norm(points["foot.L"] - points["lowerleg01.L"], axis=1).mean()
    middle = (points["upperleg01.L"] + points["upperleg01.R"]) / 2
    root = middle * (body.leg_m / (thigh + shin))
    rest_middle = (body.joint("upperleg01.L") + body.joint("upperleg01.R")) / 2 - body.joints[0]
    root = root - np.einsum("tab,b->ta", world["pelvis"], rest_middle.astype(float))
    root[:, :2] -= _slow_average(root[:, :2], fps)
    curl = np.full((len(time), 2), 0.3)
    rotations = expand_to_bones(body, world, curl)
    root[:, 2] += _floor_lift(body, rotations, root, fps)
    face = np.zeros((len(time), len(ACTIONS)), np.float32)
    return Performance(time, rotations.astype(np.float32), root.astype(np.float32), face)


def _middle_spine(motion: BvhMotion, index: dict[str, int]) -> int:
    """Return the first common spine joint well below the neck (in CMU files the last one coincides with it), or -1."""
    neck = motion.positions[0, index["neck"]]
    trunk = np.linalg.norm(neck - motion.positions[0, index["hips"]])
    for name in _NAMES["spine"]:
        if name in motion.names:
            i = motion.names.index(name)
            if np.linalg.norm(neck - motion.positions[0, i]) > 0.3 * trunk:
                return i
    return -1


def _upright_rotation(motion: BvhMotion, index: dict[str, int]) -> Array:
    """Return the rotation to z up that faces the camera at -y on average."""
    positions = motion.positions
    up = np.median(positions[:, index["neck"]] - positions[:, index["hips"]], axis=0)
    axis = int(np.abs(up).argmax())
    to_z_up = {0: rot.swing(np.eye(3)[0], np.eye(3)[2]), 1: rot.about(np.eye(3)[0], np.pi / 2), 2: np.eye(3)}[axis]
    left = (positions[:, index["upperleg01.L"]] - positions[:, index["upperleg01.R"]]) @ to_z_up.T
    forward = rot.unit(np.cross(left, [0, 0, 1.0])).mean(0)
    turn = -np.pi / 2 - np.arctan2(forward[1], forward[0])
    result: Array = rot.about(np.eye(3)[2], turn) @ to_z_up
    return result


def _segment_rotations(points: dict[str, Array], head: Array | None, body: Body) -> dict[str, Array]:
    """Return world rotations of the body segments that align the limbs with the recorded directions."""
    rest = {name: body.joint(name).astype(float) for name in body.names}
    middle = (points["upperleg01.L"] + points["upperleg01.R"]) / 2
    rest_middle = (rest["upperleg01.L"] + rest["upperleg01.R"]) / 2
    pelvis = rot.frame(points["upperleg01.L"] - points["upperleg01.R"], points["neck"] - middle)
    pelvis = pelvis @ rot.frame(rest["upperleg01.L"] - rest["upperleg01.R"], rest["neck01"] - rest_middle).T
    low = points.get("spine", middle)
    rest_low = rest["spine03"] if "spine" in points else rest_middle
    chest = rot.frame(points["upperarm01.L"] - points["upperarm01.R"], points["neck"] - low)
    chest = chest @ rot.frame(rest["upperarm01.L"] - rest["upperarm01.R"], rest["neck01"] - rest_low).T
    world = {"pelvis": pelvis, "chest": chest, "head": chest if head is None else _align_head(head, chest)}

    def swing_to(start: Array, first: str, second: str) -> Array:
        direction = np.einsum("tab,b->ta", start, rot.unit(rest[second] - rest[first]))
        return rot.swing(direction, points[second] - points[first]) @ start

    for side in SIDES:
        collar = rot.between(chest, swing_to(chest, "upperarm01" + side, "lowerarm01" + side), 0.2)
        upper = swing_to(chest, "upperarm01" + side, "lowerarm01" + side)
        fore = swing_to(upper, "lowerarm01" + side, "wrist" + side)
        thigh = swing_to(pelvis, "upperleg01" + side, "lowerleg01" + side)
        shin = swing_to(thigh, "lowerleg01" + side, "foot" + side)
        foot = swing_to(shin, "foot" + side, "toe2-1" + side) if "toe2-1" + side in points else shin
        world |= {"collar" + side: collar, "upperarm01" + side: upper, "upperarm02" + side: upper, "hand" + side: fore}
        world |= {"lowerarm01" + side: fore, "lowerarm02" + side: fore, "toe" + side: foot, "foot" + side: foot}
        world |= {"upperleg" + side: thigh, "lowerleg" + side: shin}
    return world


def _align_head(head: Array, chest: Array) -> Array:
    """Return head rotations whose mean over time agrees with the chest: the rest orientation in the file is unknown."""
    offset = np.swapaxes(head, 1, 2) @ chest
    u, _, vt = np.linalg.svd(offset.mean(0))
    turn: Array = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return head @ turn


def _slow_average(path: Array, fps: float) -> Array:
    """Return a slow average of a path [T,2], which is subtracted so that a walk stays in view."""
    sigma = fps
    reach = int(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(path, ((reach, reach), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, k], kernel / kernel.sum(), mode="valid") for k in range(2)], 1)
    return np.asarray(0.85 * smooth)


def _floor_lift(body: Body, rotations: Array, root: Array, fps: float) -> Array:
    """Return the lift [T] that puts the lowest foot point on the floor, slowly varying so that jumps are kept."""
    names = [i for i, name in enumerate(body.names) if name.startswith(("toe1", "toe3", "foot"))]
    heel = np.array([0.0, 0.06, 0.0])
    lowest = []
    for t in range(len(root)):
        positions = body.posed_joints(rotations[t], root[t])
        soles = positions[names] + np.einsum(
            "jab,jb->ja", rotations[t][names], np.c_[np.zeros((len(names), 2)), -body.joints[names, 2]]
        )
        heels = [
            positions[i] + rotations[t][i] @ (heel - [0, 0, body.joints[i, 2]])
            for i in names
            if body.names[i].startswith("foot")
        ]
        lowest.append(min(soles[:, 2].min(), min(h[2] for h in heels)))
    low = np.array(lowest)
    reach = max(1, int(0.3 * fps))
    padded = np.pad(low, reach, mode="edge")
    floor = np.array([padded[i : i + 2 * reach + 1].min() for i in range(len(low))])
    padded = np.pad(floor, reach, mode="edge")
    return np.asarray(-np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), mode="valid"))
