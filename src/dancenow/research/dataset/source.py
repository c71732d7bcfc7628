"""Access to the files of a dataset: a rendered folder, a folder of subjects, or shards, with one interface.

Everything is checked before use: the index by its digest, files from shards by their hashes, names by their format.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from dancenow.errors import InputError
from dancenow.pose.track_io import load_track
from dancenow.research.dataset.index import INDEX, Dataset, Entry, FileRecord, clip_file, is_valid_key, read_index
from dancenow.research.dataset.make import RECIPE_FILE
from dancenow.research.dataset.shards import SHARDS_INDEX, Shards
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.manifest import MANIFEST, SubjectManifest
from dancenow.types import PoseTrack


class Source(Protocol):
    """A dataset and access to its files."""

    dataset: Dataset

    def files(self, entry: Entry, *suffixes: str) -> "Iterator[Mapping[str, Path]]":
        """Open the files of an entry (all, or those with these suffixes) in a `with` block: suffix -> path.

        Raises:
            UserError: a file is missing or damaged.
        """


class FolderSource:
    """Files of a rendered dataset or a folder of subjects."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.folder, self.dataset = folder, dataset

    def path(self, entry: Entry, suffix: str) -> Path:
        """Return the path of a file, whether it exists or not."""
        if self.dataset.kind == "rendered":
            return clip_file(self.folder, entry.key, suffix)
        return self.folder / str(entry.info["folder"]) / suffix

    @contextmanager
    def files(self, entry: Entry, *suffixes: str) -> Iterator[Mapping[str, Path]]:
        """See `Source`."""
        found = {suffix: self.path(entry, suffix) for suffix in suffixes or entry.files}
        for path in found.values():
            if not path.is_file():
                raise InputError(f"{path} is missing; make the dataset again.")
        yield found


class ShardSource:
    """Files in shards; each is checked against its hash when it is extracted."""

    def __init__(self, shards: Shards) -> None:
        self.shards, self.dataset = shards, shards.dataset

    @contextmanager
    def files(self, entry: Entry, *suffixes: str) -> Iterator[Mapping[str, Path]]:
        """See `Source`; the files exist within the `with` block only."""
        with tempfile.TemporaryDirectory() as scratch:
            yield self.shards.unpack(entry, Path(scratch), *suffixes)


def open_source(path: Path) -> FolderSource | ShardSource:
    """Open shards, a rendered dataset, a subject, or a folder of subjects.

    Raises:
        UserError: the path is none of these, or its index is damaged.
    """
    path = Path(path)
    if path.name in (SHARDS_INDEX, INDEX) and path.is_file():
        path = path.parent
    if not path.is_dir():
        raise InputError(f"{path} is not a dataset; make one with `dancenow dataset make {path} --identities 4 --dances 3`.")
    if (path / SHARDS_INDEX).is_file():
        return ShardSource(Shards.open(path))
    if (path / INDEX).is_file():
        return FolderSource(path, read_index(path / INDEX))
    if (path / RECIPE_FILE).is_file():
        raise InputError(f"the dataset {path} is not complete; continue with the same `dancenow dataset make` command.")
    folders = (
        [path] if (path / MANIFEST).is_file() else [each for each in sorted(path.iterdir()) if (each / MANIFEST).is_file()]
    )
    if not folders:
        raise InputError(f"{path} contains neither a dataset nor subjects; see `dancenow dataset make` and `dancenow prepare`.")
    root = path.parent if folders == [path] else path
    return FolderSource(root, index_subjects([each.name for each in folders], root))


def index_subjects(names: list[str], root: Path) -> Dataset:
    """Build the index of a folder of subjects from their manifests.

    Raises:
        UserError: a manifest is damaged, or two subjects have the same name.
    """
    entries = [_subject_entry(root / name) for name in names]
    keys = [entry.key for entry in entries]
    if duplicates := [key for key in keys if keys.count(key) > 1]:
        raise InputError(f"two subjects in {root} have the name {duplicates[0]}; rename a folder.")
    licences = sorted({str(entry.info["licence"]) for entry in entries if entry.info["licence"]})
    about = {
        "title": f"{len(entries)} filmed subject{'s' * (len(entries) != 1)}",
        "licence": " AND ".join(licences) or None,
        "protocols": {"time": _PROTOCOL},
    }
    return Dataset("subjects", about, tuple(entries))


_PROTOCOL: Final = (
    "For models of one person: a subject's footage is divided in time as its manifest says (`prepare --hold-out` keeps the last"
    " tenth for val); what is in no part is a gap between two."
)


def _subject_entry(folder: Path) -> Entry:
    path = folder / MANIFEST
    try:
        manifest = SubjectManifest.from_json(path.read_text("utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the subject folder {folder} is damaged ({error}); make it again with `dancenow prepare`.") from error
    key = (
        "".join(letter if is_valid_key(letter) or letter in "_-" else "-" for letter in folder.name).strip("-_")[:60]
        or "subject"
    )
    files = {
        MANIFEST: FileRecord(path.stat().st_size, sha256_of(path)),
        **{name: FileRecord(sizes[name], sha256) for name, sha256 in manifest.files.items()},
        manifest.video: FileRecord(manifest.video_bytes, manifest.source_sha256),
    }
    track_fps = Fraction(manifest.fps)
    info = {
        "identity": key,
        "folder": folder.name,
        "frames": manifest.num_frames,
        "fps": manifest.fps,
        "width_px": manifest.width_px,
        "height_px": manifest.height_px,
        "seconds": round(float(manifest.num_frames / track_fps), 3),
        "spans_s": {part: list(span) for part, span in manifest.splits_s.items()},
        "detector": manifest.detector,
        "source_sha256": manifest.source_sha256,
        "licence": manifest.licence,
        "consent": None if manifest.consent is None else asdict(manifest.consent),
        "warnings": list(manifest.warnings),
    }
    return Entry(key, dict(sorted(files.items())), info)


def track_suffix(dataset: Dataset) -> str:
    """Return the suffix of the track file of an entry."""
    return "npz" if dataset.kind == "rendered" else "track.npz"


def video_suffix(entry: Entry) -> str:
    """Return the suffix of the video file of an entry."""
    return next(suffix for suffix in entry.files if suffix == "mp4" or suffix.startswith("video."))


def load_entry_track(source: FolderSource | ShardSource, entry: Entry) -> PoseTrack:
    """Load the track of an entry. Raises UserError if it is missing or damaged."""
    suffix = track_suffix(source.dataset)
    with source.files(entry, suffix) as files:
        return load_track(files[suffix])


def to_json_text(values: Mapping[str, object]) -> str:
    """Return JSON as formatted in all files of a dataset."""
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
