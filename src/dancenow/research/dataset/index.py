"""The index of a dataset: what it holds, file by file, with hashes; and the one way to the files, rendered or filmed.

A rendered dataset is a folder with `dataset.json` and a folder CLIP/ in `clips` for every clip, with CLIP.mp4, CLIP.npz (exact
track), CLIP.masks.mkv, CLIP.background.png and CLIP.faces.npz. A filmed one is a folder of subjects as `prepare` makes them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any, Final, Literal, Self

from dancenow.errors import InputError
from dancenow.storage.atomic_io import complete_or_absent

SCHEMA: Final = 1
INDEX: Final = "dataset.json"
CLIPS: Final = "clips"
LICENCE: Final = "CC0-1.0"
Kind = Literal["rendered", "subjects"]
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")
_SUFFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class FileRecord:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Entry:
    """A clip of a rendered dataset, or a subject. key: its name, without a dot. files: ending (such as `masks.mkv`; of a
    subject, the whole name) -> record, in the order in which they are packed. info: everything else that the index says."""

    key: str
    files: Mapping[str, FileRecord]
    info: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Who dances."""
        return str(self.info["identity"])

    @property
    def num_frames(self) -> int:
        """Of the video."""
        return int(self.info["frames"])

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(record.bytes for record in self.files.values())

    def part(self, protocol: str) -> str | None:
        """Its part under a protocol that does not divide clips; None if it is left out."""
        part = self.info.get("parts", {}).get(protocol)
        return None if part is None else str(part)

    def to_json(self) -> dict[str, Any]:
        """As it is written into the index."""
        return {"key": self.key, **self.info, "files": {suffix: record.to_json() for suffix, record in self.files.items()}}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError if anything is off."""
        info = {name: value for name, value in fields.items() if name not in ("key", "files")}
        key = str(fields["key"])
        if not is_key(key):
            raise ValueError(f"{key!r} is no name of a clip")
        files = {}
        for suffix, record in fields["files"].items():
            if not is_suffix(suffix):
                raise ValueError(f"{suffix!r} is no ending of a file")
            files[suffix] = FileRecord(int(record["bytes"]), str(record["sha256"]))
        entry = cls(key, files, info)
        if not entry.identity or entry.num_frames < 1:
            raise ValueError(f"{key} has no frames")
        _require_described(info)
        return entry


def _require_described(info: Mapping[str, Any]) -> None:
    """Raises ValueError, KeyError, TypeError or AttributeError unless size, rate, length and parts can be read."""
    if min(int(info["width_px"]), int(info["height_px"])) < 1 or not 0 < float(info["seconds"]) < float("inf"):
        raise ValueError("a clip has no size or length")
    try:
        if Fraction(info["fps"]) <= 0:
            raise ValueError("a clip has no frame rate")
    except ZeroDivisionError as error:
        raise ValueError("a clip has no frame rate") from error
    for start, stop in info.get("spans_s", {}).values():
        float(start), float(stop)
    info.get("parts", {}).items()


@dataclass(frozen=True, eq=False)
class Dataset:
    """An index that was read. about: what it says of the whole, without the clips."""

    kind: Kind
    about: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def identities(self) -> list[str]:
        """Everybody in it, in the order of the index."""
        return list(dict.fromkeys(entry.identity for entry in self.entries))

    @property
    def num_frames(self) -> int:
        """Of all videos."""
        return sum(entry.num_frames for entry in self.entries)

    def entry(self, key: str) -> Entry:
        """The one of that name. Raises UserError if there is none."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        raise InputError(f"the dataset has no clip {key!r}; `dancenow dataset open ... --list` shows what it has.")

    def of(self, identity: str) -> list[Entry]:
        """The clips of one person. Raises UserError if there are none."""
        found = [entry for entry in self.entries if entry.identity == identity]
        if not found:
            some = ", ".join(self.identities[:8])
            raise InputError(f"nobody in the dataset is called {identity!r}; there are {some}.")
        return found

    def only(self, entries: list[Entry]) -> "Dataset":
        """A dataset of some of the clips."""
        return Dataset(self.kind, self.about, tuple(entries))

    def to_json(self) -> dict[str, Any]:
        """With a digest of everything else, so that damage and slips of the hand are noticed."""
        fields = {
            "schema": SCHEMA,
            "kind": self.kind,
            **self.about,
            "totals": {
                "clips": len(self.entries),
                "identities": len(self.identities),
                "frames": self.num_frames,
                "bytes": sum(entry.bytes for entry in self.entries),
            },
            "clips": [entry.to_json() for entry in self.entries],
        }
        return fields | {"digest": digest_of(fields)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, KeyError, TypeError or AttributeError if anything is off."""
        held = dict(fields)
        if held["schema"] != SCHEMA:
            raise ValueError(f"schema {held['schema']} instead of {SCHEMA}")
        if held.pop("digest") != digest_of(held):
            raise ValueError("its fields do not match its digest")
        if held["kind"] not in ("rendered", "subjects"):
            raise ValueError(f"unknown kind {held['kind']!r}")
        entries = tuple(Entry.from_json(each) for each in held.pop("clips"))
        if len({entry.key for entry in entries}) != len(entries) or not entries:
            raise ValueError("it lists no clips, or one twice")
        about = {name: value for name, value in held.items() if name not in ("schema", "kind", "totals")}
        if not isinstance(about["title"], str) or not isinstance(about.get("consent") or {}, dict):
            raise ValueError("it does not say what it is")
        return cls(held["kind"], about, entries)


def read_index(path: Path) -> Dataset:
    """The dataset that an index file describes.

    Raises:
        UserError: the file cannot be read, is damaged, or is of another version.
    """
    try:
        return Dataset.from_json(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise InputError(f"the index {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the index {path} is damaged or of another version ({error}); make the dataset again.") from error


def write_index(path: Path, dataset: Dataset) -> None:
    """Write an index; the same dataset gives the same bytes."""
    with complete_or_absent(path) as temporary:
        temporary.write_text(json.dumps(dataset.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def clip_file(folder: Path, key: str, suffix: str) -> Path:
    """Where a file of a clip lies in a rendered dataset's folder."""
    return folder / CLIPS / key / f"{key}.{suffix}"


def is_key(text: str) -> bool:
    """Whether a clip may be called so: nothing that could lead out of a folder."""
    return _KEY.fullmatch(text) is not None


def is_suffix(text: str) -> bool:
    """Whether a file of a clip may end so."""
    return _SUFFIX.fullmatch(text) is not None and PurePath(text).name == text


def digest_of(fields: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values in their canonical form."""
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
