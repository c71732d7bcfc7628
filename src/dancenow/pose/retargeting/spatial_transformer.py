"""Spatial transformer retargeting: a localization network predicts one scale, rotation and translation for a whole clip.

After Jaderberg et al., 2015 (spatial transformer networks). `research.recipes.stn_network` trains the network with torch; here
it runs with numpy, so that fitting needs no torch. Poses are in body coordinates: relative to home, in body heights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from dancenow.assets import TRANSFORMER
from dancenow.pose.body_statistics import MIN_CONFIDENCE, Float64Array
from dancenow.pose.retargeting.base import as_track
from dancenow.pose.retargeting.body_model import AVERAGE, BodyModel, fit_body_model
from dancenow.pose.retargeting.joints import PARTS
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import FloatArray, Pose, PoseTrack

FRAMES: Final = 48
"""Frames of a track, evenly spaced, that the network sees."""
FRAME_INPUTS: Final = 4 * NUM_KEYPOINTS
FIGURE_INPUTS: Final = 4 + len(PARTS)
REACH: Final = (0.35, 0.25, 0.2)
"""Bounds of the predicted change of log scale, rotation (rad) and translation (body heights)."""


@dataclass(frozen=True)
class SpatialTransformerRetargeter:
    """Rotates by `rotation_rad` and scales about the source's home, which maps to `to_*_px` of the target's frame.

    The same for all frames, so that it adds no jitter. doubt: disagreement between parts of the source, as a fraction of the
    scale.
    """

    scale: float
    rotation_rad: float
    from_x_px: float
    from_y_px: float
    to_x_px: float
    to_y_px: float
    doubt: float
    kind: ClassVar[str] = "stn"

    def __call__(self, pose: Pose) -> Pose:
        track = as_track(pose)
        cos, sin = np.cos(self.rotation_rad), np.sin(self.rotation_rad)
        linear = self.scale * np.array([[cos, -sin], [sin, cos]])
        xy = (track.xy - [self.from_x_px, self.from_y_px]) @ linear.T + [self.to_x_px, self.to_y_px]
        mapped = Pose(xy.astype(np.float32), track.confidence, (track.depth * self.scale).astype(np.float32))
        return mapped if pose.xy.ndim == 3 else mapped[0]

    def __str__(self) -> str:
        shift = f"({self.from_x_px:.0f}, {self.from_y_px:.0f}) -> ({self.to_x_px:.0f}, {self.to_y_px:.0f}) px"
        turn = f"rotation {np.degrees(self.rotation_rad):+.1f} degrees"
        return f"stn: scale {self.scale:.3f}, {turn}, about {shift}; parts of the clip agree within {self.doubt:.1%}"

    def inverse(self) -> "SpatialTransformerRetargeter":
        return SpatialTransformerRetargeter(
            1 / self.scale, -self.rotation_rad, self.to_x_px, self.to_y_px, self.from_x_px, self.from_y_px, self.doubt
        )

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        values = {name: float(saved[name]) for name in (field.name for field in fields(cls))}
        if not np.isfinite(list(values.values())).all() or values["scale"] <= 0:
            raise ValueError("a scale must be positive")
        return cls(**values)


@dataclass(frozen=True, eq=False)
class LocalizationNet:
    """The localization network in numpy: weights by name, as `research.recipes.stn_network.LocalizationNet` trains them."""

    weights: Mapping[str, NDArray[np.float32]]

    def __call__(self, inputs: "Inputs") -> Float64Array:
        """Predicted change [4] of log scale, rotation and translation for one pair."""
        codes = [inputs.source_figure, inputs.target_figure]
        for frames, known in ((inputs.source_frames, inputs.source_known), (inputs.target_frames, inputs.target_known)):
            hidden = self._layer("frames.2", np.maximum(self._layer("frames.0", frames), 0))
            codes.append((np.maximum(hidden, 0) * known[:, None]).sum(axis=0) / max(known.sum(), 1e-6))
        hidden = np.maximum(self._layer("clip.0", np.concatenate(codes)), 0)
        hidden = np.maximum(self._layer("clip.2", hidden), 0)
        return np.asarray(np.tanh(self._layer("clip.4", hidden)) * _reach(), np.float64)

    def _layer(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"])


@dataclass(frozen=True, eq=False)
class Inputs:
    """The network's input for a pair: *_frames [F,4K] poses in body coordinates, *_known [F], *_figure [G]."""

    source_frames: FloatArray
    source_known: FloatArray
    source_figure: FloatArray
    target_frames: FloatArray
    target_known: FloatArray
    target_figure: FloatArray


def fit_spatial_transformer(source: PoseTrack, target: PoseTrack, weights: Path = TRANSFORMER) -> SpatialTransformerRetargeter:
    """Fit to two tracks: the mean of the predictions for parts of the clip.

    Half the difference between the predictions for both directions counts: they are opposite in truth, so their common part is
    an error of the network, and a track fitted to itself stays unchanged.

    Raises:
        UserError: a track shows too little of the body.
    """
    a, b = fit_body_model(source), fit_body_model(target)
    if a.feet_seen != b.feet_seen:
        a, b = fit_body_model(source, by_hips=True), fit_body_model(target, by_hips=True)
    localization_net = _load(weights)
    forward = np.stack([localization_net(inputs_of(part, a, target, b)) for part in _parts_of(source)])
    back = np.stack([localization_net(inputs_of(part, b, source, a)) for part in _parts_of(target)])
    changes = (forward - back.mean(axis=0)) / 2
    log_scale, rotation, x, y = changes.mean(axis=0)
    return SpatialTransformerRetargeter(
        scale=float(b.height_px / a.height_px * np.exp(log_scale)),
        rotation_rad=float(rotation),
        from_x_px=float(a.home_px[0]),
        from_y_px=float(a.home_px[1]),
        to_x_px=float(b.home_px[0] + x * b.height_px),
        to_y_px=float(b.home_px[1] + y * b.height_px),
        doubt=float(np.abs(changes[:, 0] - log_scale).max()),
    )


def inputs_of(source: PoseTrack, a: BodyModel, target: PoseTrack, b: BodyModel) -> Inputs:
    """The network's input for a pair of tracks and their body models."""
    return Inputs(*_frames(source, a), _numbers(a), *_frames(target, b), _numbers(b))


def own_coordinates(xy: NDArray[Any], body: BodyModel) -> FloatArray:
    """Positions [...,2] px -> relative to home, in body heights."""
    return np.asarray((xy - body.home_px) / body.height_px, np.float32)


def chosen_frames(track: PoseTrack, count: int = FRAMES) -> NDArray[np.int64]:
    """Indices of the frames [F] that the network sees."""
    return np.linspace(0, len(track) - 1, count).round().astype(np.int64)


def _frames(track: PoseTrack, body: BodyModel) -> tuple[FloatArray, FloatArray]:
    pose = track.pose[chosen_frames(track)]
    seen = (pose.confidence >= MIN_CONFIDENCE).astype(np.float32)
    places = np.clip(own_coordinates(pose.xy, body), -3, 3) * seen[..., None]
    depth = np.clip(pose.depth / body.height_px, -2, 2) * seen
    rows = np.concatenate([places, depth[..., None], seen[..., None]], axis=-1)
    return rows.reshape(len(rows), -1).astype(np.float32), seen.max(axis=1)


def _numbers(body: BodyModel) -> FloatArray:
    """The body model as numbers [G] of about unit scale."""
    longer = [10 * np.log(body.parts_px[name] / body.parts_px["torso"] * AVERAGE["torso"] / AVERAGE[name]) for name in PARTS]
    size_px = np.array([body.frame_width_px, body.frame_height_px])
    aside, below = (float(value) for value in (body.home_px - size_px / 2) / body.height_px)
    return np.array([5 * body.slant - 1, 4 / body.distance - 1, aside, below, *longer], np.float32)


def _parts_of(track: PoseTrack) -> list[PoseTrack]:
    """The whole track, and those of its halves that show the person."""
    half = len(track) // 2
    halves = [(0, half), (half, len(track))] if half >= FRAMES // 2 else []
    spans = [(0, len(track)), *((a, b) for a, b in halves if (track.pose.confidence[a:b] >= MIN_CONFIDENCE).any())]
    return [
        PoseTrack(
            track.pose[a:b], track.time_s[a:b], track.status[a:b], track.width_px, track.height_px, track.detector,
            track.source_sha256,
        )
        for a, b in spans
    ]  # fmt: skip


def _reach() -> Float64Array:
    return np.array([REACH[0], REACH[1], REACH[2], REACH[2]])


@cache
def _load(weights: Path) -> LocalizationNet:
    with safe_open(weights, framework="np") as file:
        return LocalizationNet({name.removeprefix("localiser."): file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
