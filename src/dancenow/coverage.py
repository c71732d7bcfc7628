"""How much of a dance the target's footage covers: for every frame how near the footage comes to its pose, and what lacks.

A generator trained on one person paints what it has seen; `expected` was calibrated on rendered transfers with known truth
(benchmarks/2026-11-22-coverage.json).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.pose.body import Float64Array
from dancenow.pose.normalize import Kind, fit
from dancenow.pose.space import PARTS, body_poses, nearest
from dancenow.types import PoseTrack

NEIGHBOURS: Final = 3
"""Poses of the footage that count as the nearest ones."""
FOOTAGE_STEP_S: Final = 0.1
"""Poses of the footage are compared this far apart: between them the body hardly moves."""
DANCE_STEP_S: Final = 1 / 15
"""Poses of the dance are compared this far apart, and what lies between is interpolated."""


@dataclass(frozen=True)
class Uncovered:
    """A part of the dance, in seconds, that the footage does not cover: what happens there, and what to film to mend it."""

    start_s: float
    stop_s: float
    what: str
    advice: str


@dataclass(frozen=True, eq=False)
class Coverage:
    """How near the footage comes to each frame of the dance.

    time_s: float64 [T]. distance: float64 [T] in body heights, from 0 (the very pose was filmed); NaN where nobody dances.
    parts: the same for arms, legs, torso and head by themselves. expected: float64 [T], the perceptual distance in the
    person's box that is to be expected, lower is better; NaN where nobody dances. nearest: int64 [T], the footage's frame that
    is most alike, -1 where nobody dances. ranges: what is not covered, in order of time. summary: one sentence.
    """

    time_s: Float64Array
    distance: Float64Array
    parts: dict[str, Float64Array]
    expected: Float64Array
    nearest: NDArray[np.int64]
    ranges: tuple[Uncovered, ...]
    summary: str

    @property
    def uncovered(self) -> NDArray[np.bool_]:
        """bool [T]: frames inside one of the ranges."""
        inside = np.zeros(len(self.time_s), bool)
        for each in self.ranges:
            inside |= (self.time_s >= each.start_s) & (self.time_s < each.stop_s)
        return inside

    def to_json(self) -> dict[str, Any]:
        """JSON values; null where nobody dances."""

        def numbers(values: Float64Array) -> list[float | None]:
            return [round(float(value), 4) if np.isfinite(value) else None for value in values]

        return {
            "summary": self.summary,
            "ranges": [vars(each) for each in self.ranges],
            "time_s": numbers(self.time_s),
            "distance": numbers(self.distance),
            "parts": {name: numbers(values) for name, values in self.parts.items()},
            "expected_perceptual": numbers(self.expected),
            "nearest_frame": self.nearest.tolist(),
        }


def coverage(dance: PoseTrack, footage: PoseTrack, *, normalize: Kind = "paper") -> Coverage:
    """Compare the poses of a dance with those of the footage that a model learns from.

    Args:
        dance: the dancer's track, in the source's frame. footage: the target's own track.
        normalize: how the dancer's body will be fitted to the target's.

    Raises:
        UserError: a track shows too little of the body to be compared.
    """
    danced = body_poses(_replaced(dance, fit(normalize, dance, footage)(dance.pose), footage))
    filmed = body_poses(footage)
    frames = _samples(filmed.measured, footage.time_s, FOOTAGE_STEP_S)
    rows = _samples(danced.present, dance.time_s, DANCE_STEP_S)
    if not len(frames):
        raise UserError("no frame of the footage shows the person's body; film the whole body.")
    if not len(rows):
        raise UserError("no frame of the dance shows the dancer's body; the whole body must be seen.")
    depth = bool(dance.pose.depth.any() and footage.pose.depth.any())
    sampled, index = nearest(danced[rows], filmed[frames], tuple(PARTS), depth=depth, neighbours=NEIGHBOURS)
    parts = {name: _spread(values, rows, danced.present) for name, values in zip(PARTS, sampled, strict=True)}
    distance = np.sqrt(np.mean(np.square(list(parts.values())), axis=0))
    expected = distance.copy()
    where = np.full(len(dance), -1)
    where[danced.present] = frames[index][_closest(rows, np.flatnonzero(danced.present))]
    ranges: tuple[Uncovered, ...] = ()
    return Coverage(dance.time_s, distance, parts, expected, where, ranges, "")


def _replaced(dance: PoseTrack, pose: Any, footage: PoseTrack) -> PoseTrack:
    """The dance as it will be danced in the target's frame."""
    size = footage.width_px, footage.height_px
    return PoseTrack(pose, dance.time_s, dance.status, *size, dance.detector, dance.source_sha256)


def _samples(counts: NDArray[np.bool_], time_s: Float64Array, step_s: float) -> NDArray[np.int64]:
    """Numbers of the frames that count, the first in each `step_s`."""
    frames = np.flatnonzero(counts)
    _, first = np.unique(np.floor(time_s[frames] / step_s + 1e-6), return_index=True)
    return frames[first]


def _spread(values: Float64Array, rows: NDArray[np.int64], present: NDArray[np.bool_]) -> Float64Array:
    """Values of the sampled `rows` for every frame [T]; NaN where nobody is."""
    return np.where(present, np.interp(np.arange(len(present)), rows, values), np.nan)


def _closest(rows: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each frame the place in `rows` (ascending) of the last one at or before it."""
    return np.maximum(np.searchsorted(rows, frames, side="right") - 1, 0)
