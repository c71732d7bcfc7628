"""Find leaks between train and test: duplicate footage, overlapping time spans, and shared people, rooms or dances.

The search reads the index and not the plan, because the index may be wrong or written by another program.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from dancenow.research.dataset.findings import Finding
from dancenow.research.dataset.index import Dataset, Entry
from dancenow.research.dataset.protocol import GAP_FRACTION, GAP_S, PARTS

DISJOINT: Final = {"person": ("identity", "room"), "dance": ("dance",), "both": ("identity", "room", "dance")}
"""Protocol -> what must not occur in two of its parts."""
_WORDS: Final = {"identity": "the person", "room": "the room", "dance": "the dance"}


def find_leaks(dataset: Dataset) -> Iterator[Finding]:
    """Yield all leaks; nothing for a valid dataset."""
    yield from _find_duplicate_footage(dataset)
    for entry in dataset.entries:
        # The footage of a rendered person is concatenated from pieces without the gaps between them.
        record = entry.info.get("consent") or {}
        yield from _check_spans(entry, apart=dataset.kind == "rendered" or record.get("kind") != "rendered")
    if dataset.kind == "rendered":
        for protocol in DISJOINT:
            yield from _check_parts(dataset.entries, protocol)


def _find_duplicate_footage(dataset: Dataset) -> Iterator[Finding]:
    """Find identical videos: a leak if one is in a test part, and double weight otherwise."""
    by_hash: dict[str, list[Entry]] = defaultdict(list)
    for entry in dataset.entries:
        for suffix in (suffix for suffix in entry.files if suffix == "mp4" or suffix.startswith("video.")):
            by_hash[entry.files[suffix].sha256].append(entry)
    for same in by_hash.values():
        if len(same) > 1:
            names = " and ".join(entry.key for entry in same[:3])
            yield Finding("error", "splits", f"{names} are the same footage, so test frames may be in the training set")


def _check_spans(entry: Entry, apart: bool) -> Iterator[Finding]:
    """Check the time spans of a clip. apart: whether there must be a gap between two parts."""
    spans = {part: (float(start), float(stop)) for part, (start, stop) in entry.info.get("spans_s", {}).items()}
    seconds = float(entry.info["seconds"])
    for part, (start, stop) in spans.items():
        if not 0 <= start < stop or start >= seconds:
            yield Finding("error", "splits", f"{part} of {entry.key} is {start:g} to {stop:g} s, but there are {seconds:g} s")
    ordered = sorted(spans.items(), key=lambda item: item[1])
    least_s = min(GAP_S, GAP_FRACTION * seconds) - 0.002
    for (first, (_, stop)), (second, (start, _)) in pairwise(ordered):
        if start < stop:
            yield Finding("error", "splits", f"{first} and {second} of {entry.key} overlap by {stop - start:.2f} s")
        elif apart and start - stop < least_s:
            yield Finding(
                "error",
                "splits",
                f"{second} of {entry.key} begins {start - stop:.2f} s after {first} ends, where poses look alike",
            )


def _check_parts(entries: Sequence[Entry], protocol: str) -> Iterator[Finding]:
    """Check people, rooms and dances of a protocol, and find empty parts."""
    used = {part: [entry for entry in entries if entry.part(protocol) == part] for part in PARTS}
    unknown = sorted({str(entry.part(protocol)) for entry in entries} - {*PARTS, "None"})
    if unknown:
        yield Finding("error", "splits", f"protocol {protocol} has an unknown part {unknown[0]!r}")
    for what in DISJOINT[protocol]:
        seen: dict[str, set[str]] = defaultdict(set)
        for part, those in used.items():
            for entry in those:
                seen[str(entry.info[what])].add(part)
        for name, parts in seen.items():
            if len(parts) > 1:
                where = " and ".join(part for part in PARTS if part in parts)
                yield Finding("error", "splits", f"protocol {protocol}: {_WORDS[what]} {name} is in {where}")
    empty = [part for part in PARTS if not used[part]]
    if empty:
        yield Finding("warning", "splits", f"protocol {protocol} has no clips in {' and '.join(empty)}")
