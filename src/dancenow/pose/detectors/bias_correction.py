"""A detector's habits taken off a track: by a network over time that was shown where the detector errs, and how far.

A detector that sees one picture at a time errs in the same way in the same pose (it cuts off what points at the camera, it
exaggerates depth fivefold), and such faults drift too slowly for any smoothing. After SmoothNet (Zeng et al., 2022), which
works on keypoints alone, too. `research.recipes.bias_network` trains the network with torch; here it is run with numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from dancenow.assets import CORRECTOR
from dancenow.pose.filtering.smoothing import BODY_SIZE_SIGMA_S, body_size, gaussian
from dancenow.skeleton import INDEX, LIMBS, MIRROR, NUM_KEYPOINTS
from dancenow.types import FloatArray, Pose, PoseTrack

RATE_HZ: Final = 30.0
"""Tracks are brought to this rate for the network."""
MIN_RATE_HZ: Final = 12.0
"""A track of fewer poses a second shows too little of the motion, and is left as it is."""
INPUTS: Final = 6 * NUM_KEYPOINTS + len(LIMBS)
OUTPUTS: Final = 3 * NUM_KEYPOINTS
DILATIONS: Final = (1, 2, 4, 1, 2, 4)
"""Of the network's blocks, in frames."""
FIRST_WIDTH: Final = 5
"""Frames that its first layer sees."""
REACH: Final = FIRST_WIDTH // 2 + sum(DILATIONS)
"""Frames before and after that decide a frame's correction."""
GAIN_IN, GAIN_OUT = 3.0, 0.1
"""What goes in and comes out is in body sizes, times these: about 1 inside the network."""
DEPTH_SHARE: Final = 0.2
"""What a detector's depth is multiplied by before it is corrected: it is exaggerated about fivefold."""
_FULL_PERCENTILE: Final = 90
_CENTRE_S: Final = 0.5
LAG_S: Final = REACH / RATE_HZ + 3 * max(_CENTRE_S, BODY_SIZE_SIGMA_S)
"""Later frames that decide a frame's correction, in seconds: the network's reach and the smoothing of place and size.
The lengths of the limbs, taken from the whole track, change slowly and can be those of the frames so far."""
_BLOCK: Final = 4096
_TRUNK: Final = np.array([INDEX[name] for name in ("neck", "neck", "right_hip", "left_hip")])
LIMB_MIRROR: Final[NDArray[np.int64]] = np.array(
    [next(j for j, there in enumerate(LIMBS) if set(there) == set(MIRROR[limb])) for limb in LIMBS]
)
"""[L] which limb is each limb's mirror image."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """A track as the network sees it, in sizes of the body from the middle of the trunk, smoothed.

    keypoints: float32 [G,K,6] at `RATE_HZ`: x, y, depth, confidence, and what smoothing took from x and y. limbs: float32 [L]:
    how long each limb looks where it looks long, over the whole track.
    """

    keypoints: FloatArray
    limbs: FloatArray


@dataclass(frozen=True, eq=False)
class Corrector:
    """The network's weights by name; runs without torch what `research.recipes.bias_network.Corrector` trains."""

    weights: Mapping[str, NDArray[np.float32]]

    def __call__(self, motion: Motion) -> FloatArray:
        """What to add to x, y and depth, [G,K,3] in sizes of the body: the mean of the motion's and its mirror image's."""
        mirrored = self._run(Motion(mirrored_values(motion.keypoints, (0, 4)), motion.limbs[LIMB_MIRROR]))
        return np.asarray((self._run(motion) + mirrored_values(mirrored, (0,))) / 2, np.float32)

    def _run(self, motion: Motion) -> FloatArray:
        frames = len(motion.keypoints)
        limbs = np.broadcast_to(motion.limbs, (frames, len(motion.limbs)))
        rows = np.asarray(GAIN_IN * np.concatenate([motion.keypoints.reshape(frames, -1), limbs], axis=1), np.float32)
        parts = []
        for start in range(0, frames, _BLOCK):
            before, after = max(start - REACH, 0), min(start + _BLOCK + REACH, frames)
            part = self._layers(rows[before:after])
            parts.append(part[start - before : start - before + _BLOCK])
        return np.asarray(GAIN_OUT * np.concatenate(parts), np.float32).reshape(frames, NUM_KEYPOINTS, 3)

    def _layers(self, rows: FloatArray) -> FloatArray:
        hidden = self._over_time("first", rows, 1)
        for number, dilation in enumerate(DILATIONS):
            inner = _silu(self._over_time(f"blocks.{number}.time", self._normed(f"blocks.{number}.norm", hidden), dilation))
            hidden = hidden + self._linear(f"blocks.{number}.out", inner)
        return self._linear("last", _silu(self._normed("norm", hidden)))

    def _over_time(self, name: str, rows: FloatArray, dilation: int) -> FloatArray:
        """A convolution over frames [G,C]; the first and last frame stand still beyond the ends."""
        weight = self.weights[f"{name}.weight"]
        reach = weight.shape[2] // 2 * dilation
        padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
        total = np.zeros((len(rows), weight.shape[0]), np.float32)
        for tap in range(weight.shape[2]):
            total += padded[tap * dilation : tap * dilation + len(rows)] @ weight[:, :, tap].T
        return total + self.weights[f"{name}.bias"]

    def _linear(self, name: str, rows: FloatArray) -> FloatArray:
        return np.asarray(rows @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"], np.float32)

    def _normed(self, name: str, rows: FloatArray) -> FloatArray:
        centred = rows - rows.mean(axis=1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        return np.asarray(centred / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], np.float32)


def correct_bias(smoothed: PoseTrack, measured: PoseTrack, weights: Path = CORRECTOR) -> PoseTrack:
    """A detected track with the detector's habits taken off: keypoints at their places, depth of its true size.

    smoothed: what `smooth` made of `measured`. Confidence and status stay, and so does what was not found. A track of less than
    `MIN_RATE_HZ` poses a second, or without a trunk, is left as it is.
    """
    if len(smoothed) < 2 or smoothed.fps < MIN_RATE_HZ or not (smoothed.pose.confidence[:, _TRUNK] > 0).any():
        return smoothed
    size_px, _ = scales(smoothed)
    grid_s = grid_of(smoothed.time_s)
    change = load_corrector(weights)(motion_of(smoothed, measured))
    there = np.stack([np.interp(smoothed.time_s, grid_s, column) for column in change.reshape(len(grid_s), -1).T], axis=1)
    change_px = there.reshape(len(smoothed), NUM_KEYPOINTS, 3) * size_px[:, None, None]
    pose, present = smoothed.pose, smoothed.pose.confidence > 0
    xy = np.where(present[..., None], pose.xy + change_px[..., :2], pose.xy)
    depth = np.where(present, DEPTH_SHARE * pose.depth + change_px[..., 2], pose.depth)
    return replace(smoothed, pose=Pose(xy.astype(np.float32), pose.confidence, depth.astype(np.float32)))


def motion_of(smoothed: PoseTrack, measured: PoseTrack) -> Motion:
    """What the network is given of a track: as in `correct_bias`; `scales` and `grid_of` say in which units and when."""
    size_px, centre_px = scales(smoothed)
    pose, confidence = smoothed.pose, smoothed.pose.confidence
    present = confidence > 0
    place = (pose.xy - centre_px[:, None]) / size_px[:, None, None]
    depth = DEPTH_SHARE * pose.depth / size_px[:, None]
    taken = np.where(measured.pose.confidence[..., None] > 0, measured.pose.xy - pose.xy, 0) / size_px[:, None, None]
    values = np.concatenate([place, depth[..., None], np.ones_like(depth)[..., None], taken], axis=-1) * present[..., None]
    values[..., 3] = confidence
    return Motion(_at(grid_of(smoothed.time_s), smoothed.time_s, values, present), _limbs(place, present))


def scales(track: PoseTrack) -> tuple[Array, Array]:
    """The body's size [T] and the middle of its trunk [T,2], both in px and smoothed over about a second."""
    xy, seen = track.pose.xy[:, _TRUNK].astype(np.float64), track.pose.confidence[:, _TRUNK] > 0
    known = seen.any(axis=1)
    middle = (xy * seen[..., None]).sum(axis=1)[known] / seen.sum(axis=1)[known, None]
    lines = [np.interp(track.time_s, track.time_s[known], column) for column in middle.T]
    centre = np.stack([gaussian(line, track.time_s, _CENTRE_S) for line in lines], axis=1)
    return np.maximum(body_size(track.pose, track.time_s), 1.0), centre


def grid_of(time_s: Array) -> Array:
    """Times [G] in seconds at `RATE_HZ` from the first to the last frame of a track."""
    count = int(np.floor((time_s[-1] - time_s[0]) * RATE_HZ + 1e-6)) + 1
    return np.asarray(time_s[0] + np.arange(count) / RATE_HZ)


def mirrored_values(values: FloatArray, across: tuple[int, ...]) -> FloatArray:
    """Values [...,K,C] of keypoints of the mirror image; across: those of the C that point from left to right."""
    turned = values[..., MIRROR, :].copy()
    turned[..., list(across)] *= -1
    return turned


def _at(grid_s: Array, time_s: Array, values: Array, present: NDArray[np.bool_]) -> FloatArray:
    """Values [T,K,C] in between, float32 [G,K,C], of those frames in which a keypoint is present."""
    there = np.empty((len(grid_s), *values.shape[1:]), np.float32)
    for k in range(values.shape[1]):
        share = np.interp(grid_s, time_s, present[:, k].astype(np.float64))
        for c in range(values.shape[2]):
            mean = np.interp(grid_s, time_s, values[:, k, c])
            there[:, k, c] = mean if c == 3 else mean / np.maximum(share, 1e-6)
    return there


def _limbs(place: Array, present: NDArray[np.bool_]) -> FloatArray:
    """Length [L] of every limb in sizes of the body where it looks long; 0 where it was never seen."""
    length = np.linalg.norm(place[:, LIMBS[:, 0]] - place[:, LIMBS[:, 1]], axis=-1)
    both: NDArray[np.bool_] = present[:, LIMBS[:, 0]] & present[:, LIMBS[:, 1]]
    columns = zip(length.T, both.T, strict=True)
    return np.array([np.percentile(line[seen], _FULL_PERCENTILE) if seen.any() else 0 for line, seen in columns], np.float32)


def _silu(values: FloatArray) -> FloatArray:
    return np.asarray(values / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)


@cache
def load_corrector(weights: Path) -> Corrector:
    """A trained network, read once."""
    with safe_open(weights, framework="np") as file:
        tensors: dict[str, Any] = {name.removeprefix("corrector."): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Corrector({name: each.astype(np.float32) for name, each in tensors.items()})
