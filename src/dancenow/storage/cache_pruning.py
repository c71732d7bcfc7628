"""What the cache holds, and removing it: by age, by stage, or down to a size, what was least recently used first.

Only the folders of known stages are touched, below the cache folder; links are not followed. What was used in the last hour
is never removed to save space, nor is what a running command has in use.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dancenow.errors import OptionError
from dancenow.storage.atomic_io import cache_root, remove_path
from dancenow.storage.cache import CacheEntry, entry_name
from dancenow.storage.code_digest import STAGE as CODE_STAGE
from dancenow.storage.unfinished import PREFIX, remove_abandoned

LIMIT_VARIABLE: Final = "DANCENOW_CACHE_LIMIT"
STAGES: Final[dict[str, str]] = {
    "integrity": "what is damaged in videos",
    "shots": "cuts in videos",
    "cameras": "how the cameras of videos move",
    "tracks": "pose tracks and masks of videos",
    "faces": "faces in videos",
    "subjects": "prepared people",
    "models": "trained models",
    "weights": "downloaded networks",
    CODE_STAGE: "digests of source files",
    "bench": "measurements",
    "forensics": "clips for the forgery classifier",
    "packs": "rendered people for training base models",
    "closeups": "rendered faces for training base models",
    "corrector": "rendered clips for training the bias correction",
}
"""Folder in the cache -> what it holds."""
_GROUPS: Final = ("bench", "forensics")
"""Folders with one more level of folders above the entries."""
RECENT_S: Final = 3600.0
_ABANDONED_S: Final = 24 * 3600.0
"""An unfinished file that is older belongs to no running process."""
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class EntryInfo:
    """An entry, its size, and seconds since its last use."""

    entry: CacheEntry
    bytes: int
    age_s: float


def list_entries(stages: Sequence[str] = ()) -> list[EntryInfo]:
    """All entries of some stages, or of all, least recently used first.

    Raises:
        OptionError: there is no such stage.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise OptionError(f"there is no cache stage {unknown[0]!r}; choose of {', '.join(STAGES)}.")
    found = [each for stage in stages or STAGES for each in _entries(stage)]
    return sorted(found, key=lambda each: -each.age_s)


def prune(entries: Sequence[EntryInfo]) -> list[EntryInfo]:
    """Remove entries, except those in use; returns those that were removed."""
    return [each for each in entries if each.entry.remove()]


def prune_to(limit_bytes: int, entries: Sequence[EntryInfo], *, recent_s: float = RECENT_S) -> list[EntryInfo]:
    """Remove the least recently used of `entries` (in that order) until the rest is within a size; returns those removed."""
    excess, removed = sum(each.bytes for each in entries) - limit_bytes, []
    for each in entries:
        if excess <= 0:
            break
        if each.age_s >= recent_s and each.entry.remove():
            excess -= each.bytes
            removed.append(each)
    return removed


def size_limit() -> int | None:
    """The size in bytes that `DANCENOW_CACHE_LIMIT` sets; None if it is not set.

    Raises:
        OptionError: it is not a size.
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    return parse_size(text) if text else None


def enforce_limit() -> list[EntryInfo]:
    """Keep the cache within `DANCENOW_CACHE_LIMIT`, if it is set; returns what was removed.

    Raises:
        OptionError: it is not a size.
    """
    limit = size_limit()
    return [] if limit is None else prune_to(limit, list_entries())


def remove_leftovers() -> None:
    """Remove what killed processes left unfinished in the cache; they would stay where nothing is written any more."""
    with suppress(OSError):  # of a cache without rights, who needs it tells
        for stage in STAGES:
            for folder in _folders(stage):
                _remove_abandoned(folder)


def parse_size(text: str) -> int:
    """Bytes of a size such as `20GB`, `500 MB` or `1.5T`; units are powers of 1000.

    Raises:
        OptionError: it is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise OptionError(f"{text!r} is not a size; write it as 20GB or 500MB.")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def parse_age(text: str) -> float:
    """Seconds of an age such as `30d`, `12h` or `90m`.

    Raises:
        OptionError: it is not an age.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if match is None:
        raise OptionError(f"{text!r} is not an age; write it as 30d, 12h or 90m.")
    return float(match[1]) * _SECONDS[match[2]]


def format_size(count: int) -> str:
    """Bytes as a person reads them: `1.5 GB`."""
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def format_age(age_s: float) -> str:
    """Seconds as a person reads them: `3 h ago`."""
    unit = next((unit for unit in ("d", "h", "m") if age_s >= _SECONDS[unit]), "s")
    return f"{age_s / _SECONDS[unit]:.0f} {'min' if unit == 'm' else unit} ago"


def _entries(stage: str) -> Iterator[EntryInfo]:
    for folder in _folders(stage):
        _remove_abandoned(folder)
        name = folder.relative_to(cache_root()).as_posix()
        for entry in sorted({entry_name(path) for path in _children(folder)} - {""}):
            yield _info(CacheEntry(name, entry))


def _folders(stage: str) -> list[Path]:
    """The folders in which the entries of a stage lie."""
    root = cache_root() / stage
    found = _children(root) if stage in _GROUPS else [root]
    return [folder for folder in found if folder.is_dir() and not folder.is_symlink()]


def _info(entry: CacheEntry) -> EntryInfo:
    files = entry.files()
    newest_s = max((path.lstat().st_mtime for path in files if path.exists()), default=0.0)
    return EntryInfo(entry, sum(map(_size, files)), max(0.0, time.time() - newest_s))


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: Path) -> int:
    """Bytes of a file or of everything in a folder; what vanishes meanwhile has none."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(_size(each) for each in path.iterdir())
    except FileNotFoundError:
        return 0


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left unfinished: hidden names next to the entries."""
    remove_abandoned(folder)
    for path in _children(folder):
        if (
            path.name.startswith(".")
            and not path.name.startswith(PREFIX)
            and time.time() - path.lstat().st_mtime > _ABANDONED_S
        ):
            remove_path(path)
