"""Splits of a dataset into train, val and test: four protocols over the same clips, written into every index.

`person` holds out people, `dance` holds out dances, `both` holds out people and dances and leaves mixed clips out, and `time`
splits every clip, for models of one person.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Final, Literal

Fractions = tuple[float, float, float]
Span = tuple[float, float]
Protocol = Literal["person", "dance", "both", "time"]

PARTS: Final = ("train", "val", "test")
GAP_S: Final = 1.0
"""Gap between two parts of one clip, because poses shortly after each other look alike; at most `GAP_FRACTION` of the clip."""
GAP_FRACTION: Final = 0.05
DESCRIPTIONS: Final[Mapping[str, str]] = {
    "person": (
        "For models of many people: no person of val or test, and no room, is in train; dances are shared by all parts. Tests"
        " whether a model works for somebody whom it has not seen."
    ),
    "dance": (
        "For models of many people or of one: no dance of val or test is in train; people are shared by all parts. Tests"
        " whether a model works for poses and moves that it has not seen. Of one person: learn from their clips of train, be"
        " judged on their clips of test."
    ),
    "both": (
        "The strictest: train has the train people in the train dances, val and test likewise; clips that mix parts are left"
        " out. Neither person, room nor dance of one part is in another."
    ),
    "time": (
        "For models of one person: every clip is divided in time, train first, then val, then test, a gap apart; people, rooms"
        " and dances are shared by all parts, moments are not."
    ),
}
"""Protocol -> what it holds out and its use. Written into the index and the datasheet."""
PAIRS: Final = (
    "Clips of one dance are, frame by frame, the same moves on different bodies. So for any two people the clip of one is the"
    " truth of a transfer of the other's clip of that dance onto them: people who share a room differ in the body alone, others"
    " in room, light and camera too. A transfer is judged on dances that are test in the protocol used, onto people who are"
    " test (person, both) or were learnt from their own clips of train (dance, time)."
)


@cache
def assign_parts(count: int, split_fractions: Fractions) -> tuple[str, ...]:
    """Assign people or dances to parts: each goes where most is missing, so that growing changes no earlier assignment."""
    counts: list[int] = [0, 0, 0]
    parts: list[str] = []
    for number in range(1, count + 1):
        missing = [round(fraction * number - assigned, 9) for fraction, assigned in zip(split_fractions, counts, strict=True)]
        # Ties go to train first and to val last, because a test split is indispensable.
        part = max((0, 2, 1), key=missing.__getitem__)
        counts[part] += 1
        parts.append(PARTS[part])
    return tuple(parts)


def clip_part(protocol: str, identity_part: str, dance_part: str) -> str | None:
    """Return the part of a clip from those of its person and dance; None if the protocol excludes it or splits by time."""
    if protocol == "person":
        return identity_part
    if protocol == "dance":
        return dance_part
    if protocol == "both":
        return identity_part if identity_part == dance_part else None
    return None


def split_spans(seconds: float, split_fractions: Fractions) -> dict[str, Span]:
    """Return part -> (start, stop) in seconds of the protocol `time`, stop exclusive, for parts with a positive fraction."""
    kept = [(part, fraction) for part, fraction in zip(PARTS, split_fractions, strict=True) if fraction > 0]
    gap_s = min(GAP_S, GAP_FRACTION * seconds)
    free_s = seconds - gap_s * (len(kept) - 1)
    spans, start = {}, 0.0
    for part, fraction in kept:
        stop = start + fraction * free_s
        spans[part] = (round(start, 6), round(stop, 6))
        start = stop + gap_s
    return spans


def spans_overlap(spans: Sequence[Span]) -> bool:
    """Return whether any two spans overlap."""
    ordered = sorted(spans)
    return any(later[0] < earlier[1] for earlier, later in pairwise(ordered))
