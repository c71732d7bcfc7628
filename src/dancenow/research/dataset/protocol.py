"""Who learns from what and is tested on what: four protocols over the same clips, written into every index.

`person` holds out people, `dance` holds out dances, `both` holds out people and dances at once and leaves the mixed clips
out, and `time` divides every clip, for models of one person.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Final, Literal

Shares = tuple[float, float, float]
Span = tuple[float, float]
Protocol = Literal["person", "dance", "both", "time"]

PARTS: Final = ("train", "val", "test")
GAP_S: Final = 1.0
"""Between two parts of one clip, because a moment later a body still looks the same; at most `GAP_SHARE` of the clip."""
GAP_SHARE: Final = 0.05
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
"""Protocol -> what it holds out and what it is for."""
PAIRS: Final = (
    "Clips of one dance are, frame by frame, the same moves on different bodies. So for any two people the clip of one is the"
    " truth of a transfer of the other's clip of that dance onto them: people who share a room differ in the body alone, others"
    " in room, light and camera too. A transfer is judged on dances that are test in the protocol used, onto people who are"
    " test (person, both) or were learnt from their own clips of train (dance, time)."
)


@cache
def parts_of(count: int, shares: Shares) -> tuple[str, ...]:
    """The parts of the first so many people or dances: each one goes where most is lacking, so that growing moves nobody."""
    counts: list[int] = [0, 0, 0]
    chosen: list[str] = []
    for number in range(1, count + 1):
        lack = [round(share * number - had, 9) for share, had in zip(shares, counts, strict=True)]
        # Of equals train is served first and val last: a test cannot be done without.
        part = max((0, 2, 1), key=lack.__getitem__)
        counts[part] += 1
        chosen.append(PARTS[part])
    return tuple(chosen)


def part_under(protocol: str, identity_part: str, dance_part: str) -> str | None:
    """A clip's part, given those of its person and its dance; None where a protocol leaves it out or divides it by time."""
    if protocol == "person":
        return identity_part
    if protocol == "dance":
        return dance_part
    if protocol == "both":
        return identity_part if identity_part == dance_part else None
    return None


def spans_of(seconds: float, shares: Shares) -> dict[str, Span]:
    """Protocol `time`: part -> (start, stop) in seconds, stops exclusive, for the parts that have a share."""
    kept = [(part, share) for part, share in zip(PARTS, shares, strict=True) if share > 0]
    gap_s = min(GAP_S, GAP_SHARE * seconds)
    free_s = seconds - gap_s * (len(kept) - 1)
    spans, start = {}, 0.0
    for part, share in kept:
        stop = start + share * free_s
        spans[part] = (round(start, 6), round(stop, 6))
        start = stop + gap_s
    return spans


def overlap(spans: Sequence[Span]) -> bool:
    """Whether two of the spans share a moment."""
    ordered = sorted(spans)
    return any(later[0] < earlier[1] for earlier, later in pairwise(ordered))
