"""Coverage: how near the target's footage comes to each pose of a source video, and which moves are missing.

A generator trained on one person can render what it has seen. The relation of the distance to the true error of frames was
measured on rendered transfers that nothing was tuned on (benchmarks/2026-11-27-coverage.json): with true poses the rank
correlation with the perceptual distance per area of the person is .61 over six transfers to three subjects; .66, .75 and .49 by
subject. It does not predict position errors, which come from retargeting (.20).
"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.pose.body_statistics import Float64Array
from dancenow.pose.move_classes import MOVES, which_moves
from dancenow.pose.pose_distance import PARTS, BodyPoses, body_poses, nearest
from dancenow.pose.retargeting.registry import RetargetingKind, complete_body, fit_retargeter, retarget
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack

NUM_NEIGHBORS: Final = 3
"""Number of nearest poses in the footage that are averaged."""
FOOTAGE_STEP_S: Final = 0.1
"""Sampling interval of the footage's poses: the body hardly moves in between."""
SOURCE_STEP_S: Final = 1 / 15
"""Sampling interval of the source's poses; distances in between are interpolated."""
PART_WEIGHTS: Final = {"arms": 0.25, "legs": 0.25, "torso": 0.25, "head": 0.25}
"""Weight of each part's squared distance in the total squared distance."""
ERROR_CURVE: Final = ((0.027, 0.042, 0.061, 0.095, 0.133, 0.209), (1.06, 1.16, 1.16, 1.24, 1.43, 1.55))
"""Distances, and the perceptual distance per area of the person that a short draft has there, fitted in
benchmarks/2026-11-27-coverage.json. Only its shape matters: longer training lowers it as a whole.
"""
UNCOVERED_DISTANCE: Final = 0.12
"""Body heights; a pose farther from the footage is not covered: its error is 1.2 to 1.3 times that of near poses."""
SMOOTHING_S: Final = 0.3
MERGED_GAP_S: Final = 0.5
MIN_RANGE_S: Final = 0.25
"""Uncovered ranges closer together than the gap are merged; shorter ones than this are ignored."""
MAX_PIECE_S: Final = 2.0
"""A longer range is described in pieces of about this length."""
RARITY_TIME_S: Final = 0.7
"""A move filmed for at least this long is not rare."""
SUFFICIENT_FRACTION: Final = 0.9
"""No warning is given if this fraction is covered."""
MAX_WARNED_MOVES: Final = 4
"""Maximum number of moves in a warning."""
UNNAMED_MOVES: Final = {
    "arms": ("arm movements missing from the footage", "Film it: the arm movements of the source video."),
    "legs": ("steps missing from the footage", "Film it: the steps of the source video."),
    "torso": (
        "turns or bends of the body missing from the footage",
        "Film it: turn and bend the upper body as in the source video.",
    ),
    "head": ("head movements missing from the footage", "Film it: look around, up and down, from every side."),
}
"""Text and advice for motion that matches no named move."""


@dataclass(frozen=True)
class UncoveredRange:
    """A time range in seconds that the footage does not cover: what happens there, and what to film."""

    start_s: float
    stop_s: float
    what: str
    advice: str


@dataclass(frozen=True, eq=False)
class Coverage:
    """How near the footage comes to each frame of the source video.

    time_s: float64 [T]. distance: float64 [T] in body heights, from 0 (the same pose is in the footage); NaN where there is no
    person. parts: the same for arms, legs, torso and head alone. expected: float64 [T], perceptual distance per area of the
    person (that in the box times the box's area over the person's) expected of a draft, lower is better; NaN where there is no
    person. nearest: int64 [T], the most similar frame of the footage, -1 where there is no person. ranges: what is not covered,
    in temporal order.
    """

    time_s: Float64Array
    distance: Float64Array
    parts: dict[str, Float64Array]
    expected: Float64Array
    nearest: NDArray[np.int64]
    ranges: tuple[UncoveredRange, ...]

    @property
    def summary(self) -> str:
        """One sentence."""
        return _summary(self.covered_fraction, self.ranges)

    @property
    def uncovered(self) -> NDArray[np.bool_]:
        """bool [T]: frames inside one of the ranges."""
        inside = np.zeros(len(self.time_s), bool)
        for each in self.ranges:
            inside |= (self.time_s >= each.start_s) & (self.time_s < each.stop_s)
        return inside

    @property
    def covered_fraction(self) -> float:
        """Fraction of the source's frames with a person that the footage covers, from 0 to 1."""
        known = np.isfinite(self.distance)
        return float((known & ~self.uncovered).sum() / known.sum())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings before a training: none if `SUFFICIENT_FRACTION` is covered, else the longest gaps, and what to film."""
        if self.covered_fraction >= SUFFICIENT_FRACTION:
            return ()
        lines = []
        for what in _longest_first(self.ranges)[:MAX_WARNED_MOVES]:
            found = [each for each in self.ranges if each.what == what]
            times = ", ".join(f"{each.start_s:.1f}-{each.stop_s:.1f} s" for each in found[:3])
            more = f" and {len(found) - 3} times more" if len(found) > 3 else ""
            lines.append(f"not covered: {what} ({times}{more}). {found[0].advice}")
        return self.summary, *lines

    def to_json(self) -> dict[str, Any]:
        """JSON values; null where there is no person."""

        def numbers(values: Float64Array) -> list[float | None]:
            return [round(float(value), 4) if np.isfinite(value) else None for value in values]

        return {
            "summary": self.summary,
            "ranges": [vars(each) for each in self.ranges],
            "time_s": numbers(self.time_s),
            "distance": numbers(self.distance),
            "parts": {name: numbers(values) for name, values in self.parts.items()},
            "expected_perceptual_person": numbers(self.expected),
            "nearest_frame": self.nearest.tolist(),
        }


def coverage_if_comparable(source_body: PoseTrack, subject: Subject, normalize: RetargetingKind) -> Coverage | None:
    """Coverage of a source video by a subject's training frames; None if a track shows too little of the body to compare."""
    training_frames = subject.manifest.in_split("train", subject.track.time_s)
    try:
        return measure_coverage(source_body, subject.track, normalize=normalize, training_frames=training_frames)
    except InputError:
        return None


def measure_coverage(
    source_track: PoseTrack,
    footage: PoseTrack,
    *,
    normalize: RetargetingKind = "paper",
    training_frames: NDArray[np.bool_] | None = None,
) -> Coverage:
    """Compare the poses of a source video with those of the target's footage.

    Args:
        source_track: the source person's poses. footage: the target's poses.
        normalize: method of retargeting. training_frames: bool [F], the frames of the footage used in training; by default all.

    Raises:
        UserError: a track shows too little of the body to compare.
    """
    source_body, footage_body = body_poses(_retargeted(source_track, footage, normalize)), body_poses(footage)
    usable = footage_body.measured if training_frames is None else footage_body.measured & training_frames
    frames = _sample_frames(usable, footage.time_s, FOOTAGE_STEP_S)
    rows = _sample_frames(source_body.present, source_track.time_s, SOURCE_STEP_S)
    if not len(frames):
        raise InputError("no frame of the footage shows the person's body; film the whole body.")
    if not len(rows):
        raise InputError("no frame of the source shows the person's body; choose a video of the whole body.")
    depth = bool(source_track.pose.depth.any() and footage.pose.depth.any())
    sampled, index = nearest(source_body[rows], footage_body[frames], tuple(PARTS), depth=depth, neighbors=NUM_NEIGHBORS)
    parts = {name: _interpolate(values, rows, source_body.present) for name, values in zip(PARTS, sampled, strict=True)}
    distance = np.sqrt(sum(weight * parts[name] ** 2 for name, weight in PART_WEIGHTS.items()))
    nearest_frame = np.full(len(source_track), -1)
    nearest_frame[source_body.present] = frames[index][_last_sampled(rows, np.flatnonzero(source_body.present))]
    ranges = tuple(
        UncoveredRange(float(source_track.time_s[a]), float(source_track.time_s[b - 1] + 1 / source_track.fps), *description)
        for a, b, description in _describe_runs(
            _uncovered_runs(distance, source_track.fps), source_body, footage_body[frames], parts, source_track.fps
        )
    )
    return Coverage(source_track.time_s, distance, parts, expected_error(distance), nearest_frame, ranges)


def expected_error(distance: Float64Array) -> Float64Array:
    """Perceptual distance per area of the person expected at a distance [T] from the footage; NaN stays NaN."""
    return np.interp(distance, *ERROR_CURVE)


def _retargeted(source_track: PoseTrack, footage: PoseTrack, normalize: RetargetingKind) -> PoseTrack:
    """The source completed and retargeted to the target; whether one camera filmed both does not matter here."""
    dance = complete_body(source_track, footage)
    return retarget(dance, fit_retargeter(normalize, dance, footage), footage)


def _sample_frames(usable: NDArray[np.bool_], time_s: Float64Array, step_s: float) -> NDArray[np.int64]:
    """Numbers of the usable frames, the first in each `step_s`."""
    frames = np.flatnonzero(usable)
    _, first = np.unique(np.floor(time_s[frames] / step_s + 1e-6), return_index=True)
    return frames[first]


def _interpolate(values: Float64Array, rows: NDArray[np.int64], present: NDArray[np.bool_]) -> Float64Array:
    """Interpolate values of the sampled `rows` to every frame [T]; NaN where there is no person."""
    return np.where(present, np.interp(np.arange(len(present)), rows, values), np.nan)


def _last_sampled(rows: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each frame, the index in `rows` (ascending) of the last one at or before it."""
    return np.maximum(np.searchsorted(rows, frames, side="right") - 1, 0)


def _uncovered_runs(distance: Float64Array, fps: float) -> list[tuple[int, int]]:
    """Runs of frames (start, end exclusive) far from the footage; short gaps are closed and short runs ignored."""
    known = np.isfinite(distance)
    half = round(SMOOTHING_S * fps / 2)
    window = np.ones(2 * half + 1)
    total = np.convolve(np.pad(np.where(known, distance, 0), half), window, mode="valid")
    smooth = total / np.maximum(np.convolve(np.pad(known.astype(float), half), window, mode="valid"), 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (known & (smooth > UNCOVERED_DISTANCE)).astype(int), [0]])))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= MERGED_GAP_S * fps:
            runs[-1] = runs[-1][0], stop
        else:
            runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= MIN_RANGE_S * fps]


def _describe_runs(
    runs: list[tuple[int, int]], source_body: BodyPoses, footage_body: BodyPoses, parts: dict[str, Float64Array], fps: float
) -> list[tuple[int, int, tuple[str, str]]]:
    """Add text and advice to the runs; long ones in pieces, if different things happen in them."""
    shown, footage_moves = which_moves(source_body), which_moves(footage_body)
    result: list[tuple[int, int, tuple[str, str]]] = []
    for start, stop in runs:
        cuts = np.linspace(start, stop, max(1, round((stop - start) / (MAX_PIECE_S * fps))) + 1).round().astype(int).tolist()
        for a, b in pairwise(cuts):
            part_distances = {name: float(np.nanmean(values[a:b])) for name, values in parts.items()}
            description = _describe_moves(shown[a:b], footage_moves, part_distances)
            if result and result[-1][1] == a and result[-1][2] == description:
                result[-1] = result[-1][0], b, description
            else:
                result.append((a, b, description))
    return result


def _describe_moves(
    shown: NDArray[np.bool_], footage_moves: NDArray[np.bool_], part_distances: dict[str, float]
) -> tuple[str, str]:
    """Name the moves `shown` [t,M] that are missing in the footage's, `footage_moves` [F,M]; return text and advice.

    A move's score depends on how often it is shown, how rarely it was filmed, and the distance of its body part. Two moves that
    were filmed, but not together, are named together; if no named move fits, the text names the most distant part.
    """
    frequency = shown.mean(axis=0)
    furthest = max(part_distances.values())
    weight = (
        np.array([max(part_distances.values()) if move.part == "facing" else part_distances[move.part] for move in MOVES])
        / furthest
    )
    score = frequency * weight * _rarity(footage_moves)
    best = int(score.argmax())
    if score[best] >= 0.25:
        other = _best_of_another_part(score, best)
        chosen = [best, other] if other is not None and score[other] >= max(0.25, score[best] / 2) else [best]
        if MOVES[chosen[-1]].part == "facing":
            chosen.reverse()
        return _combine_moves(chosen, together=False)
    candidates = np.flatnonzero(frequency * weight > 0.4)
    pairs = [(i, j) for i, j in combinations(candidates.tolist(), 2) if MOVES[i].part != MOVES[j].part]
    together = [
        float((shown[:, i] & shown[:, j]).mean() * _rarity(footage_moves[:, i] & footage_moves[:, j])) for i, j in pairs
    ]
    if together and max(together) >= 0.25:
        return _combine_moves(list(pairs[int(np.argmax(together))]), together=True)
    part = max(part_distances, key=lambda name: part_distances[name])
    return UNNAMED_MOVES[part]


def _rarity(footage_body: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 for moves that were never filmed, towards 0 for a second or more; over the first axis."""
    rarity: NDArray[np.float64] = np.exp(-footage_body.sum(axis=0) * FOOTAGE_STEP_S / RARITY_TIME_S)
    return rarity


def _best_of_another_part(score: Float64Array, best: int) -> int | None:
    others = [i for i in range(len(MOVES)) if MOVES[i].part != MOVES[best].part]
    return max(others, key=lambda i: float(score[i])) if others else None


def _combine_moves(chosen: list[int], *, together: bool) -> tuple[str, str]:
    moves = [MOVES[i] for i in chosen]
    what = ", ".join(move.name for move in moves)
    film = (" and " if len(moves) == 2 else "").join(move.film for move in moves)
    return what, f"Film it: {film}{', at the same time' if together else ''}."


def _summary(covered_fraction: float, ranges: tuple[UncoveredRange, ...]) -> str:
    if not ranges:
        return "The footage covers every pose of the source video."
    return (
        f"The footage covers {covered_fraction:.0%} of the source video; missing most: {'; '.join(_longest_first(ranges)[:3])}."
    )


def _longest_first(ranges: tuple[UncoveredRange, ...]) -> list[str]:
    """Texts of the ranges without repetition, those with the longest total duration first."""
    seconds: dict[str, float] = {}
    for each in ranges:
        seconds[each.what] = seconds.get(each.what, 0.0) + each.stop_s - each.start_s
    return sorted(seconds, key=lambda what: -seconds[what])
