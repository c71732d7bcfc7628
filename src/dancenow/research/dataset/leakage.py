"""Whether what a test shows was seen in training: the same footage twice, moments, people, rooms or dances in two parts.

Looked for in what the index says of each clip, whoever wrote it: a plan may be right and its index wrong.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from dancenow.research.dataset.findings import Finding
from dancenow.research.dataset.index import Dataset, Entry
from dancenow.research.dataset.protocol import GAP_S, GAP_SHARE, PARTS

HELD_APART: Final = {"person": ("identity", "room"), "dance": ("dance",), "both": ("identity", "room", "dance")}
"""Protocol -> what may be in one of its parts alone."""
_WORDS: Final = {"identity": "the person", "room": "the room", "dance": "the dance"}


def leaks(dataset: Dataset) -> Iterator[Finding]:
    """All that is found; nothing for a sound dataset."""
    yield from _same_footage(dataset)
    for entry in dataset.entries:
        # The footage of a rendered person is put together from pieces: the gaps between their parts have been taken out.
        record = entry.info.get("consent") or {}
        yield from _moments(entry, apart=dataset.kind == "rendered" or record.get("kind") != "rendered")
    if dataset.kind == "rendered":
        for protocol in HELD_APART:
            yield from _parts(dataset.entries, protocol)


def _same_footage(dataset: Dataset) -> Iterator[Finding]:
    """Footage that is there twice is a leak if anything of it is tested on, and counts double if not."""
    by_hash: dict[str, list[Entry]] = defaultdict(list)
    for entry in dataset.entries:
        for suffix in (suffix for suffix in entry.files if suffix == "mp4" or suffix.startswith("video.")):
            by_hash[entry.files[suffix].sha256].append(entry)
    for same in by_hash.values():
        if len(same) > 1:
            names = " and ".join(entry.key for entry in same[:3])
            yield Finding("error", "splits", f"{names} are the same footage, so what one part tests another may have learnt")


def _moments(entry: Entry, apart: bool) -> Iterator[Finding]:
    """A clip's own parts in time. apart: whether there has to be a gap between them."""
    spans = {part: (float(start), float(stop)) for part, (start, stop) in entry.info.get("spans_s", {}).items()}
    seconds = float(entry.info["seconds"])
    for part, (start, stop) in spans.items():
        if not 0 <= start < stop or start >= seconds:
            yield Finding("error", "splits", f"{part} of {entry.key} is {start:g} to {stop:g} s, but there are {seconds:g} s")
    ordered = sorted(spans.items(), key=lambda item: item[1])
    least_s = min(GAP_S, GAP_SHARE * seconds) - 0.002
    for (first, (_, stop)), (second, (start, _)) in pairwise(ordered):
        if start < stop:
            yield Finding("error", "splits", f"{first} and {second} of {entry.key} overlap by {stop - start:.2f} s")
        elif apart and start - stop < least_s:
            yield Finding(
                "error",
                "splits",
                f"{second} of {entry.key} begins {start - stop:.2f} s after {first} ends, where a body looks the same",
            )


def _parts(entries: Sequence[Entry], protocol: str) -> Iterator[Finding]:
    """People, rooms and dances of a protocol, and parts that are empty."""
    used = {part: [entry for entry in entries if entry.part(protocol) == part] for part in PARTS}
    strange = sorted({str(entry.part(protocol)) for entry in entries} - {*PARTS, "None"})
    if strange:
        yield Finding("error", "splits", f"protocol {protocol} has a part {strange[0]!r} that there is not")
    for what in HELD_APART[protocol]:
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
