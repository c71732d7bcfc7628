"""Correct BlazePose's systematic errors in a repaired track, with a small temporal network over keypoints.

A detector that sees one image at a time errs in the same way in the same pose (it shortens limbs that point at the camera, and
exaggerates depth fivefold); such errors change too slowly for any smoothing. Follows SmoothNet (Zeng et al., 2022), which also
works on keypoints alone. `research.recipes.bias_network` trains the network with torch; here it runs with numpy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from dancenow.assets import CORRECTOR
from dancenow.pose.filtering.local_regression import blocks, gaussian
from dancenow.pose.filtering.smoothing import BODY_SIZE_SIGMA_S, body_size
from dancenow.skeleton import INDEX, LIMBS, MIRROR, NUM_KEYPOINTS
from dancenow.types import FloatArray, Pose, PoseTrack

RATE_HZ: Final = 30.0
"""Tracks are resampled to this rate for the network."""
MIN_RATE_HZ: Final = 12.0
"""A track of a lower rate shows too little of the motion, and is not corrected."""
INPUTS: Final = 6 * NUM_KEYPOINTS + len(LIMBS)
OUTPUTS: Final = 3 * NUM_KEYPOINTS
DILATIONS: Final = (1, 2, 4, 1, 2, 4)
"""Dilation of each block's convolution, in frames."""
FIRST_WIDTH: Final = 5
"""Kernel size of the first layer, in frames."""
REACH: Final = FIRST_WIDTH // 2 + sum(DILATIONS)
"""Receptive field: frames before and after a frame that decide its correction."""
GAIN_IN, GAIN_OUT = 3.0, 0.1
"""Inputs and outputs are in body sizes times these factors, so that values in the network are about 1."""
DEPTH_SCALE: Final = 0.2
"""Factor on the detector's depth before correction: it is exaggerated about fivefold."""
_FULL_PERCENTILE: Final = 90
_CENTER_S: Final = 0.5
LAG_S: Final = REACH / RATE_HZ + 3 * max(_CENTER_S, BODY_SIZE_SIGMA_S)
"""Later frames that decide a frame's correction, in seconds: the network's reach and the smoothing of position and size.
The lengths of the limbs, residual from the whole track, change slowly and can be those of the frames so far."""
_BLOCK: Final = 4096
_TRUNK: Final = np.array([INDEX[name] for name in ("neck", "neck", "right_hip", "left_hip")])
LIMB_MIRROR: Final[NDArray[np.int64]] = np.array(
    [next(j for j, other in enumerate(LIMBS) if set(other) == set(MIRROR[limb])) for limb in LIMBS]
)
"""[L] index of each limb's mirror image."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """The network's input: a smoothed track in body sizes, relative to the center of the trunk.

    keypoints: float32 [G,K,6] at `RATE_HZ`: x, y, depth, confidence, and the residual of x and y that smoothing removed.
    limbs: float32 [L]: a high percentile of each limb's apparent length over the whole track.
    """

    keypoints: FloatArray
    limbs: FloatArray


@dataclass(frozen=True, eq=False)
class Corrector:
    """The correction network in numpy: weights by name, as `research.recipes.bias_network.Corrector` trains them."""

    weights: Mapping[str, NDArray[np.float32]]

    def __call__(self, motion: Motion) -> FloatArray:
        """Correction of x, y and depth, float32 [G,K,3] in body sizes: the mean for the motion and for its mirror image."""
        return self.in_blocks(len(motion.keypoints), lambda part: motion.keypoints[part], motion.limbs)

    def in_blocks(self, count: int, keypoints: Callable[[slice], FloatArray], limbs: FloatArray) -> FloatArray:
        """The same of a motion of `count` frames whose keypoints are made for some frames [n,K,6] at a time."""
        change = np.empty((count, NUM_KEYPOINTS, 3), np.float32)
        for block in blocks(count, _BLOCK):
            part = slice(max(block.start - REACH, 0), min(block.stop + REACH, count))
            motion = Motion(keypoints(part), limbs)
            mirrored = self._run(Motion(mirrored_values(motion.keypoints, (0, 4)), limbs[LIMB_MIRROR]))
            both = (self._run(motion) + mirrored_values(mirrored, (0,))) / 2
            change[block] = both[block.start - part.start : block.stop - part.start]
        return change

    def _run(self, motion: Motion) -> FloatArray:
        frames = len(motion.keypoints)
        limbs = np.broadcast_to(motion.limbs, (frames, len(motion.limbs)))
        rows = np.asarray(GAIN_IN * np.concatenate([motion.keypoints.reshape(frames, -1), limbs], axis=1), np.float32)
        return np.asarray(GAIN_OUT * self._layers(rows), np.float32).reshape(frames, NUM_KEYPOINTS, 3)

    def _layers(self, rows: FloatArray) -> FloatArray:
        hidden = self._over_time("first", rows, 1)
        for number, dilation in enumerate(DILATIONS):
            inner = _silu(self._over_time(f"blocks.{number}.time", self._normed(f"blocks.{number}.norm", hidden), dilation))
            hidden = hidden + self._linear(f"blocks.{number}.out", inner)
        return self._linear("last", _silu(self._normed("norm", hidden)))

    def _over_time(self, name: str, rows: FloatArray, dilation: int) -> FloatArray:
        """Convolution over frames [G,C]; the first and last frame are repeated beyond the ends."""
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
        centered = rows - rows.mean(axis=1, keepdims=True)
        scale = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-5)
        return np.asarray(centered / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], np.float32)


def correct_bias(repaired: PoseTrack, measured: PoseTrack, weights: Path = CORRECTOR) -> PoseTrack:
    """Correct the detector's systematic errors in keypoints, and the scale of depth.

    repaired: `measured` after `smoothing.repair`, smoothed or not; smoothing what comes out leaves less jitter. Confidence and
    status are unchanged, and so are missing keypoints. A track of less than `MIN_RATE_HZ`, or without a trunk, is returned as
    it is.
    """
    if len(repaired) < 2 or repaired.fps < MIN_RATE_HZ or not (repaired.pose.confidence[:, _TRUNK] > 0).any():
        return repaired
    size_px, center_px = scales(repaired)
    times_s, grid_s, limbs = repaired.time_s, grid_of(repaired.time_s), _limbs(repaired, size_px, center_px)
    change = load_corrector(weights).in_blocks(
        len(grid_s), lambda part: _keypoints(repaired, measured, size_px, center_px, grid_s[part]), limbs
    )
    pose = repaired.pose
    xy, depth = np.empty_like(pose.xy), np.empty_like(pose.depth)
    for frames in blocks(len(repaired)):
        near = _around(grid_s, times_s[frames])
        columns = change[near].reshape(near.stop - near.start, -1).T
        resampled = np.stack([np.interp(times_s[frames], grid_s[near], column) for column in columns], axis=1)
        change_px = resampled.reshape(-1, NUM_KEYPOINTS, 3) * size_px[frames, None, None]
        present = pose.confidence[frames] > 0
        xy[frames] = np.where(present[..., None], pose.xy[frames] + change_px[..., :2], pose.xy[frames])
        depth[frames] = np.where(present, DEPTH_SCALE * pose.depth[frames] + change_px[..., 2], pose.depth[frames])
    return replace(repaired, pose=Pose(xy, pose.confidence, depth))


def motion_of(repaired: PoseTrack, measured: PoseTrack) -> Motion:
    """The network's input for a track, arguments as in `correct_bias`; `scales` gives its units and `grid_of` its times."""
    size_px, center_px = scales(repaired)
    keypoints = _keypoints(repaired, measured, size_px, center_px, grid_of(repaired.time_s))
    return Motion(keypoints, _limbs(repaired, size_px, center_px))


def _keypoints(repaired: PoseTrack, measured: PoseTrack, size_px: Array, center_px: Array, grid_s: Array) -> FloatArray:
    """The keypoints of `Motion` at some times of the grid, [G]. size_px [T], center_px [T,2]: of `scales`."""
    frames = _around(repaired.time_s, grid_s)
    pose, seen, size_px = repaired.pose[frames], measured.pose[frames], size_px[frames, None]
    present = pose.confidence > 0
    position = (pose.xy - center_px[frames, None]) / size_px[..., None]
    depth = DEPTH_SCALE * pose.depth / size_px
    residual = np.where(seen.confidence[..., None] > 0, seen.xy - pose.xy, 0) / size_px[..., None]
    values = (
        np.concatenate([position, depth[..., None], np.ones_like(depth)[..., None], residual], axis=-1) * present[..., None]
    )
    values[..., 3] = pose.confidence
    return _resample(grid_s, repaired.time_s[frames], values, present)


def _around(times_s: Array, wanted_s: Array) -> slice:
    """The part of increasing times [T] between which wanted ones, increasing, are interpolated."""
    first, last = np.searchsorted(times_s, [wanted_s[0], wanted_s[-1]]).tolist()
    return slice(max(first - 1, 0), min(last + 1, len(times_s)))


def scales(track: PoseTrack) -> tuple[Array, Array]:
    """Body size [T] and center of the trunk [T,2], both in px and smoothed over about a second."""
    xy, seen = track.pose.xy[:, _TRUNK].astype(np.float64), track.pose.confidence[:, _TRUNK] > 0
    known = seen.any(axis=1)
    middle = (xy * seen[..., None]).sum(axis=1)[known] / seen.sum(axis=1)[known, None]
    lines = [np.interp(track.time_s, track.time_s[known], column) for column in middle.T]
    center = np.stack([gaussian(line, track.time_s, _CENTER_S) for line in lines], axis=1)
    return np.maximum(body_size(track.pose, track.time_s), 1.0), center


def grid_of(time_s: Array) -> Array:
    """Times [G] in seconds at `RATE_HZ` from the first to the last frame of a track."""
    count = int(np.floor((time_s[-1] - time_s[0]) * RATE_HZ + 1e-6)) + 1
    return np.asarray(time_s[0] + np.arange(count) / RATE_HZ)


def mirrored_values(values: FloatArray, across: tuple[int, ...]) -> FloatArray:
    """Values [...,K,C] of the keypoints of the mirror image; across: indices in C of horizontal values, whose sign changes."""
    mirrored = values[..., MIRROR, :].copy()
    mirrored[..., list(across)] *= -1
    return mirrored


def _resample(grid_s: Array, time_s: Array, values: Array, present: NDArray[np.bool_]) -> FloatArray:
    """Values [T,K,C] resampled to the times `grid_s`, float32 [G,K,C], from the frames in which each keypoint is present."""
    resampled = np.empty((len(grid_s), *values.shape[1:]), np.float32)
    for k in range(values.shape[1]):
        fraction = np.interp(grid_s, time_s, present[:, k].astype(np.float64))
        for c in range(values.shape[2]):
            mean = np.interp(grid_s, time_s, values[:, k, c])
            resampled[:, k, c] = mean if c == 3 else mean / np.maximum(fraction, 1e-6)
    return resampled


def _limbs(track: PoseTrack, size_px: Array, center_px: Array) -> FloatArray:
    """Apparent length [L] of every limb in body sizes, at a high percentile; 0 if the limb is never visible."""
    found = []
    for ends in LIMBS:
        seen = (track.pose.confidence[:, ends] > 0).all(axis=1)
        position = (track.pose.xy[seen][:, ends] - center_px[seen, None]) / size_px[seen, None, None]
        length = np.linalg.norm(position[:, 0] - position[:, 1], axis=-1)
        found.append(np.percentile(length, _FULL_PERCENTILE) if seen.any() else 0)
    return np.array(found, np.float32)


def _silu(values: FloatArray) -> FloatArray:
    return np.asarray(values / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)


@cache
def load_corrector(weights: Path) -> Corrector:
    """Load a trained network, once per process."""
    with safe_open(weights, framework="np") as file:
        tensors: dict[str, Any] = {name.removeprefix("corrector."): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Corrector({name: each.astype(np.float32) for name, each in tensors.items()})
