"""Index of a dataset: its clips and files with hashes, and the paths of the files, rendered or filmed.

A rendered dataset is a folder with `dataset.json` and, in `clips`, one folder CLIP/ per clip, with CLIP.mp4, CLIP.npz (exact
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
        """Return JSON values."""
        return {"bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Entry:
    """A clip of a rendered dataset, or a subject.

    key: its name, without a dot. files: suffix (such as `masks.mkv`; for a subject the full name) -> record, in packing order.
    info: all other fields of the index.
    """

    key: str
    files: Mapping[str, FileRecord]
    info: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Name of the person."""
        return str(self.info["identity"])

    @property
    def num_frames(self) -> int:
        """Number of frames of the video."""
        return int(self.info["frames"])

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(record.bytes for record in self.files.values())

    def part(self, protocol: str) -> str | None:
        """Part under a protocol that does not split clips; None if the clip is left out."""
        part = self.info.get("parts", {}).get(protocol)
        return None if part is None else str(part)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as written into the index."""
        return {"key": self.key, **self.info, "files": {suffix: record.to_json() for suffix, record in self.files.items()}}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Invert `to_json`. Raises ValueError, KeyError or TypeError for invalid fields."""
        info = {name: value for name, value in fields.items() if name not in ("key", "files")}
        key = str(fields["key"])
        if not is_valid_key(key):
            raise ValueError(f"{key!r} is not a valid clip name")
        files = {}
        for suffix, record in fields["files"].items():
            if not is_valid_suffix(suffix):
                raise ValueError(f"{suffix!r} is not a valid file suffix")
            files[suffix] = FileRecord(int(record["bytes"]), str(record["sha256"]))
        entry = cls(key, files, info)
        if not entry.identity or entry.num_frames < 1:
            raise ValueError(f"{key} has no frames")
        _require_video_info(info)
        return entry


def _require_video_info(info: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError unless size, rate, length and parts are valid."""
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
    """The content of an index. about: the fields that describe the dataset, without the clips."""

    kind: Kind
    about: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def identities(self) -> list[str]:
        """Names of all people, in index order."""
        return list(dict.fromkeys(entry.identity for entry in self.entries))

    @property
    def num_frames(self) -> int:
        """Number of frames of all videos."""
        return sum(entry.num_frames for entry in self.entries)

    def entry(self, key: str) -> Entry:
        """Return the entry of a key. Raises UserError if there is none."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        raise InputError(f"the dataset has no clip {key!r}; `dancenow dataset open ... --list` lists them.")

    def of(self, identity: str) -> list[Entry]:
        """Return the clips of one person. Raises UserError if there are none."""
        found = [entry for entry in self.entries if entry.identity == identity]
        if not found:
            some = ", ".join(self.identities[:8])
            raise InputError(f"the dataset has no person {identity!r}; choose one of {some}.")
        return found

    def only(self, entries: list[Entry]) -> "Dataset":
        """Return a dataset of some of the clips."""
        return Dataset(self.kind, self.about, tuple(entries))

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the index with a digest, so that damage and manual edits are noticed."""
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
        """Invert `to_json`. Raises ValueError, KeyError, TypeError or AttributeError for invalid fields."""
        values = dict(fields)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']} instead of {SCHEMA}")
        if values.pop("digest") != digest_of(values):
            raise ValueError("its fields do not match its digest")
        if values["kind"] not in ("rendered", "subjects"):
            raise ValueError(f"unknown kind {values['kind']!r}")
        entries = tuple(Entry.from_json(each) for each in values.pop("clips"))
        if len({entry.key for entry in entries}) != len(entries) or not entries:
            raise ValueError("it lists no clips, or one of them twice")
        about = {name: value for name, value in values.items() if name not in ("schema", "kind", "totals")}
        if not isinstance(about["title"], str) or not isinstance(about.get("consent") or {}, dict):
            raise ValueError("title or consent is missing")
        return cls(values["kind"], about, entries)


def read_index(path: Path) -> Dataset:
    """Read an index file.

    Raises:
        UserError: the file cannot be read, is damaged, or has another version.
    """
    try:
        return Dataset.from_json(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise InputError(f"the index {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the index {path} is damaged or has another version ({error}); make the dataset again.") from error


def write_index(path: Path, dataset: Dataset) -> None:
    """Write an index; the same dataset gives the same bytes."""
    with complete_or_absent(path) as temporary:
        temporary.write_text(json.dumps(dataset.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def clip_file(folder: Path, key: str, suffix: str) -> Path:
    """Return the path of a file of a clip in the folder of a rendered dataset."""
    return folder / CLIPS / key / f"{key}.{suffix}"


def is_valid_key(text: str) -> bool:
    """Return whether a text is a valid clip name, which cannot point outside a folder."""
    return _KEY.fullmatch(text) is not None


def is_valid_suffix(text: str) -> bool:
    """Return whether a text is a valid file suffix of a clip."""
    return _SUFFIX.fullmatch(text) is not None and PurePath(text).name == text


def digest_of(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON values in canonical form."""
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
