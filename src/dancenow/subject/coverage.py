"""How much of a dance the target's footage covers: for every frame how near the footage comes to its pose, and what lacks.

A generator trained on one person paints what it has seen. How well the distance orders the frames by their true error was
measured on rendered transfers that nothing was tuned on (benchmarks/2026-11-27-coverage.json): rank correlation .61 over six
transfers to three subjects with the perceptual distance per area of the person, when the poses are the true ones; .66, .75 and
.49 by subject. Errors of place, which normalization makes, it does not foretell (.20).
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
from dancenow.pose.retargeting.registry import RetargetingKind, fit_retargeter
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack

NEIGHBOURS: Final = 3
"""Poses of the footage that count as the nearest ones."""
FOOTAGE_STEP_S: Final = 0.1
"""Poses of the footage are compared this far apart: between them the body hardly moves."""
DANCE_STEP_S: Final = 1 / 15
"""Poses of the dance are compared this far apart, and what lies between is interpolated."""
PART_WEIGHTS: Final = {"arms": 0.25, "legs": 0.25, "torso": 0.25, "head": 0.25}
"""What the square of each part's distance counts for in the square of the whole."""
CURVE: Final = ((0.027, 0.042, 0.061, 0.095, 0.133, 0.209), (1.06, 1.16, 1.16, 1.24, 1.43, 1.55))
"""Distances, and the perceptual distance per area of the person that a short draft has there, fitted in
benchmarks/2026-11-27-coverage.json. Its shape counts: longer trainings lower it as a whole."""
UNCOVERED: Final = 0.12
"""Body heights; what is farther from the footage is not covered: the error there is 1.2 to 1.3 times that of what is near."""
SMOOTHING_S: Final = 0.3
MERGED_GAP_S: Final = 0.5
SHORTEST_S: Final = 0.25
"""Uncovered moments nearer to each other than the gap are one; those shorter than this pass unseen."""
PIECE_S: Final = 2.0
"""A longer range is described in pieces of about this length."""
FAMILIAR_S: Final = 0.7
"""A move that was filmed for this long is no longer rare."""
ENOUGH: Final = 0.9
"""Nobody is warned when this share of the dance is covered."""
WARNED: Final = 4
"""Moves that a warning names."""
UNNAMED: Final = {
    "arms": ("arms as they were not filmed", "Film it: the dance's own arm movements."),
    "legs": ("steps as they were not filmed", "Film it: the dance's own steps."),
    "torso": ("the body turned or bent as it was not filmed", "Film it: turn and bend the upper body as the dance does."),
    "head": ("the head as it was not filmed", "Film it: look around, up and down, from every side."),
}
"""Words and advice for what no move names."""


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
    parts: the same for arms, legs, torso and head by themselves. expected: float64 [T], the perceptual distance per area of
    the person (that in the box times the box's area over the person's) to be expected of a draft, lower is better; NaN where
    nobody dances. nearest: int64 [T], the footage's frame that is most alike, -1 where nobody dances. ranges: what is not
    covered, in order of time.
    """

    time_s: Float64Array
    distance: Float64Array
    parts: dict[str, Float64Array]
    expected: Float64Array
    nearest: NDArray[np.int64]
    ranges: tuple[Uncovered, ...]

    @property
    def summary(self) -> str:
        """One sentence."""
        return _summary(self.share, self.ranges)

    @property
    def uncovered(self) -> NDArray[np.bool_]:
        """bool [T]: frames inside one of the ranges."""
        inside = np.zeros(len(self.time_s), bool)
        for each in self.ranges:
            inside |= (self.time_s >= each.start_s) & (self.time_s < each.stop_s)
        return inside

    @property
    def share(self) -> float:
        """Of the frames that show the dancer, those that the footage covers: 0 to 1."""
        known = np.isfinite(self.distance)
        return float((known & ~self.uncovered).sum() / known.sum())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell before a training: nothing if the footage covers `ENOUGH`, else what lacks most, and the remedy."""
        if self.share >= ENOUGH:
            return ()
        lines = []
        for what in _longest_first(self.ranges)[:WARNED]:
            found = [each for each in self.ranges if each.what == what]
            times = ", ".join(f"{each.start_s:.1f}-{each.stop_s:.1f} s" for each in found[:3])
            more = f" and {len(found) - 3} times more" if len(found) > 3 else ""
            lines.append(f"not covered: {what} ({times}{more}). {found[0].advice}")
        return self.summary, *lines

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
            "expected_perceptual_person": numbers(self.expected),
            "nearest_frame": self.nearest.tolist(),
        }


def coverage_if_comparable(source_track: PoseTrack, subject: Subject, normalize: RetargetingKind) -> Coverage | None:
    """Coverage of a dance by the training frames of a subject; None if a track shows too little of the body to compare."""
    trained_on = subject.manifest.in_split("train", subject.track.time_s)
    try:
        return coverage(source_track, subject.track, normalize=normalize, learnt=trained_on)
    except InputError:
        return None


def coverage(
    dance: PoseTrack, footage: PoseTrack, *, normalize: RetargetingKind = "paper", learnt: NDArray[np.bool_] | None = None
) -> Coverage:
    """Compare the poses of a dance with those of the footage that a model learns from.

    Args:
        dance: the dancer's track, in the source's frame. footage: the target's own track.
        normalize: how the dancer's body will be fitted to the target's. learnt: bool [F], which frames of the footage a model
            learns from; by default all.

    Raises:
        UserError: a track shows too little of the body to be compared.
    """
    source_track, filmed = body_poses(_in_target(dance, footage, normalize)), body_poses(footage)
    counts = filmed.measured if learnt is None else filmed.measured & learnt
    frames = _samples(counts, footage.time_s, FOOTAGE_STEP_S)
    rows = _samples(source_track.present, dance.time_s, DANCE_STEP_S)
    if not len(frames):
        raise InputError("no frame of the footage shows the person's body; film the whole body.")
    if not len(rows):
        raise InputError("no frame of the source shows the dancer's body; choose a video that shows it whole.")
    depth = bool(dance.pose.depth.any() and footage.pose.depth.any())
    sampled, index = nearest(source_track[rows], filmed[frames], tuple(PARTS), depth=depth, neighbours=NEIGHBOURS)
    parts = {name: _spread(values, rows, source_track.present) for name, values in zip(PARTS, sampled, strict=True)}
    distance = np.sqrt(sum(weight * parts[name] ** 2 for name, weight in PART_WEIGHTS.items()))
    where = np.full(len(dance), -1)
    where[source_track.present] = frames[index][_before(rows, np.flatnonzero(source_track.present))]
    ranges = tuple(
        Uncovered(float(dance.time_s[a]), float(dance.time_s[b - 1] + 1 / dance.fps), *words)
        for a, b, words in _described(_uncovered(distance, dance.fps), source_track, filmed[frames], parts, dance.fps)
    )
    return Coverage(dance.time_s, distance, parts, expected_error(distance), where, ranges)


def expected_error(distance: Float64Array) -> Float64Array:
    """The perceptual distance per area of the person to be expected at a distance [T] from the footage; NaN stays NaN."""
    return np.interp(distance, *CURVE)


def _in_target(dance: PoseTrack, footage: PoseTrack, normalize: RetargetingKind) -> PoseTrack:
    """The dance in the target's frame, as far as poses are concerned: which camera filmed it does not matter here."""
    pose = fit_retargeter(normalize, dance, footage)(dance.pose)
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


def _before(rows: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each frame the place in `rows` (ascending) of the last one at or before it."""
    return np.maximum(np.searchsorted(rows, frames, side="right") - 1, 0)


def _uncovered(distance: Float64Array, fps: float) -> list[tuple[int, int]]:
    """Runs of frames (start, end exclusive) that are far from the footage, short gaps closed and moments left out."""
    known = np.isfinite(distance)
    half = round(SMOOTHING_S * fps / 2)
    window = np.ones(2 * half + 1)
    total = np.convolve(np.pad(np.where(known, distance, 0), half), window, mode="valid")
    smooth = total / np.maximum(np.convolve(np.pad(known.astype(float), half), window, mode="valid"), 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (known & (smooth > UNCOVERED)).astype(int), [0]])))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= MERGED_GAP_S * fps:
            runs[-1] = runs[-1][0], stop
        else:
            runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= SHORTEST_S * fps]


def _described(
    runs: list[tuple[int, int]], source_track: BodyPoses, filmed: BodyPoses, parts: dict[str, Float64Array], fps: float
) -> list[tuple[int, int, tuple[str, str]]]:
    """The runs with words and advice; long ones in pieces, as far as different things happen in them."""
    shown, familiar = which_moves(source_track), which_moves(filmed)
    result: list[tuple[int, int, tuple[str, str]]] = []
    for start, stop in runs:
        cuts = np.linspace(start, stop, max(1, round((stop - start) / (PIECE_S * fps))) + 1).round().astype(int).tolist()
        for a, b in pairwise(cuts):
            far = {name: float(np.nanmean(values[a:b])) for name, values in parts.items()}
            words = _words(shown[a:b], familiar, far)
            if result and result[-1][1] == a and result[-1][2] == words:
                result[-1] = result[-1][0], b, words
            else:
                result.append((a, b, words))
    return result


def _words(shown: NDArray[np.bool_], familiar: NDArray[np.bool_], far: dict[str, float]) -> tuple[str, str]:
    """What happens in frames whose moves are `shown` [t,M] that the footage's, `familiar` [F,M], do not show; and the advice.

    A move counts by how often it is shown, how seldom it was filmed, and how far its part is from the footage. Where each was
    filmed, but not together, two are named together; where none is known by name, the part that is farthest is.
    """
    often = shown.mean(axis=0)
    furthest = max(far.values())
    weight = np.array([max(far.values()) if move.part == "facing" else far[move.part] for move in MOVES]) / furthest
    score = often * weight * _rarity(familiar)
    best = int(score.argmax())
    if score[best] >= 0.25:
        other = _best_of_another_part(score, best)
        chosen = [best, other] if other is not None and score[other] >= max(0.25, score[best] / 2) else [best]
        if MOVES[chosen[-1]].part == "facing":
            chosen.reverse()
        return _joined(chosen, together=False)
    likely = np.flatnonzero(often * weight > 0.4)
    pairs = [(i, j) for i, j in combinations(likely.tolist(), 2) if MOVES[i].part != MOVES[j].part]
    together = [float((shown[:, i] & shown[:, j]).mean() * _rarity(familiar[:, i] & familiar[:, j])) for i, j in pairs]
    if together and max(together) >= 0.25:
        return _joined(list(pairs[int(np.argmax(together))]), together=True)
    part = max(far, key=lambda name: far[name])
    return UNNAMED[part]


def _rarity(filmed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 for what was never filmed, towards 0 for what was for a second or more; over the first axis."""
    rarity: NDArray[np.float64] = np.exp(-filmed.sum(axis=0) * FOOTAGE_STEP_S / FAMILIAR_S)
    return rarity


def _best_of_another_part(score: Float64Array, best: int) -> int | None:
    others = [i for i in range(len(MOVES)) if MOVES[i].part != MOVES[best].part]
    return max(others, key=lambda i: float(score[i])) if others else None


def _joined(chosen: list[int], *, together: bool) -> tuple[str, str]:
    moves = [MOVES[i] for i in chosen]
    what = ", ".join(move.name for move in moves)
    film = (" and " if len(moves) == 2 else "").join(move.film for move in moves)
    return what, f"Film it: {film}{', at the same time' if together else ''}."


def _summary(share: float, ranges: tuple[Uncovered, ...]) -> str:
    if not ranges:
        return "The footage covers all of the dance."
    return f"The footage covers {share:.0%} of the dance; what lacks most: {'; '.join(_longest_first(ranges)[:3])}."


def _longest_first(ranges: tuple[Uncovered, ...]) -> list[str]:
    """The words of the ranges, each once, those that last longest in all first."""
    seconds: dict[str, float] = {}
    for each in ranges:
        seconds[each.what] = seconds.get(each.what, 0.0) + each.stop_s - each.start_s
    return sorted(seconds, key=lambda what: -seconds[what])
