"""Pack a dataset into reproducible shards with checksums, index and card, and extract clips again.

Tar members have no owner, no time and a fixed order, so the bytes do not depend on the machine. Invalid datasets are refused.
"""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from dancenow.errors import InputError, OptionError, OutputError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.dataset.card import write_card
from dancenow.research.dataset.consents import require_usable
from dancenow.research.dataset.findings import ValidationReport
from dancenow.research.dataset.index import CLIPS, INDEX, Entry, clip_file, digest_of, write_index
from dancenow.research.dataset.shards import INFO, SCHEMA, SHARDS_INDEX, Shard, Shards
from dancenow.research.dataset.source import FolderSource, ShardSource, open_source, to_json_text
from dancenow.research.dataset.validate import validate
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of

SUMS: Final = "SHA256SUMS"


def package(source: Path, out: Path, *, shard_mb: float = 256.0, on_progress: ProgressCallback = ignore_progress) -> Shards:
    """Write the shards of a dataset, their index, checksums and card into a new folder.

    Args:
        source: a rendered dataset or a folder of subjects.
        shard_mb: approximate maximum size of a shard; a clip is never divided.

    Raises:
        UserError: the dataset is invalid (the message names the first error) or already packed, or `out` exists or is
        unwritable.
    """
    if not 0.1 <= shard_mb <= 1e6:
        raise OptionError(f"the shard size must be between 0.1 and 1000000 MB, got {shard_mb:g}.")
    opened = open_source(source)
    if isinstance(opened, ShardSource):
        raise InputError(f"{source} is packed already; `dancenow dataset open` unpacks it.")
    require_new(out)
    report = validate(opened, on_progress=on_progress)
    require_valid(report, source)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        shards = _write_shards(folder, opened, int(shard_mb * 1e6), on_progress)
        fields = {"schema": SCHEMA, "dataset": opened.dataset.to_json(), "shards": [shard.to_json() for shard in shards]}
        (folder / SHARDS_INDEX).write_text(to_json_text(fields | {"digest": digest_of(fields)}), "utf-8")
        packed = Shards.open(folder)
        write_card(ShardSource(packed), folder, report.statistics)
        names = sorted(path.name for path in folder.iterdir())
        sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
        (folder / SUMS).write_text(sums, "utf-8")
    return Shards.open(out)


def require_valid(report: ValidationReport, source: Path) -> None:
    """Raise UserError with the first error, if there is one."""
    errors = report.errors
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise InputError(f"{source} is not valid: {errors[0].what}{more}; `dancenow dataset validate` lists all errors.")


def require_new(out: Path) -> None:
    """Raise UserError unless the folder `out` can be created without losing anything."""
    require_writable(out, folder=True)
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out} exists and is not empty; choose a new folder.")


def _write_shards(folder: Path, source: FolderSource, max_bytes: int, on_progress: ProgressCallback) -> list[Shard]:
    groups: list[list[Entry]] = [[]]
    filled = 0
    for entry in source.dataset.entries:
        if groups[-1] and filled + entry.bytes > max_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(entry)
        filled += entry.bytes
    shards, done = [], 0
    for number, group in enumerate(groups):
        path = folder / f"clips-{number:06d}.tar"
        offsets = {}
        with path.open("wb") as file, tarfile.TarFile(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for entry in group:
                offsets[entry.key] = tar.offset
                _add_clip(tar, entry, source)
                done += 1
                on_progress(Progress("packing", done, len(source.dataset.entries)))
        shards.append(Shard(path.name, path.stat().st_size, sha256_of(path), offsets))
    return shards


def _add_clip(tar: tarfile.TarFile, entry: Entry, source: FolderSource) -> None:
    """Add the members of a clip, the description first."""
    if INFO not in entry.files:
        description = to_json_text({"key": entry.key, **entry.info}).encode()
        tar.addfile(_tar_header(f"{entry.key}.{INFO}", len(description)), io.BytesIO(description))
    with source.files(entry) as files:
        for suffix, record in entry.files.items():
            with files[suffix].open("rb") as file:
                tar.addfile(_tar_header(f"{entry.key}.{suffix}", record.bytes), _CheckedFile(file, files[suffix], record.bytes))


def _tar_header(name: str, size: int) -> tarfile.TarInfo:
    """Return a header without information on machine or date."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname = size, 0o644, 0, 0, 0, "", ""
    return info


class _CheckedFile(io.RawIOBase):
    """A file whose size is checked before packing, in case it has changed since the validation."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        if path.stat().st_size != size:
            raise InputError(f"{path} has changed during packing; try again.")
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def unpack(source: Path, out: Path, keys: Sequence[str] = (), *, on_progress: ProgressCallback = ignore_progress) -> list[Path]:
    """Extract clips (all, or those named) from shards into a new folder: a dataset of their own, or subject folders.

    Raises:
        UserError: no shards, damaged shards, unknown clip, withdrawn consent, or `out` exists.
    """
    opened = open_source(source)
    if not isinstance(opened, ShardSource):
        raise InputError(f"{source} is not packed; use its files directly.")
    require_new(out)
    dataset = opened.dataset
    entries = [dataset.entry(key) for key in dict.fromkeys(keys)] if keys else list(dataset.entries)
    for entry in entries:
        require_usable(dataset, entry)
    place = _clip_path if dataset.kind == "rendered" else _subject_path
    with complete_or_absent(out) as folder:
        folder.mkdir()
        for done, entry in enumerate(entries, start=1):
            sample = opened.shards.read(entry)
            for suffix, content in sample.files.items():
                path = place(folder, entry, suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            on_progress(Progress("unpacking", done, len(entries)))
        if dataset.kind == "rendered":
            write_index(folder / INDEX, dataset.only(entries))
    return [out / CLIPS / entry.key if dataset.kind == "rendered" else out / entry.key for entry in entries]


def _clip_path(folder: Path, entry: Entry, suffix: str) -> Path:
    return clip_file(folder, entry.key, suffix)


def _subject_path(folder: Path, entry: Entry, suffix: str) -> Path:
    """Return the path of a subject file; the index allows plain names only."""
    return folder / entry.key / suffix
