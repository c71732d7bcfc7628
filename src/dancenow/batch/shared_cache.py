"""The cache of one machine given to another: what a step used or made there, packed into one file of the storage.

Machines of a cluster have caches of their own. With this a subject or a model that one of them made is copied by the next.
"""

import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dancenow.batch.storage import ResultStorage
from dancenow.errors import InputError
from dancenow.storage.atomic_io import all_or_none, cache_root
from dancenow.storage.cache import CacheEntry


def upload_entries(entries: Iterable[CacheEntry], storage: ResultStorage, name: str, scratch: Path) -> None:
    """Store the files of some entries under one name. scratch: a folder for the archive.

    Raises:
        OutputError: the storage cannot be written.
    """
    archive, root = scratch / PurePosixPath(name).name, cache_root()
    with tarfile.open(archive, "w") as tar:
        for path in (path for entry in entries for path in entry.files()):
            tar.add(path, path.relative_to(root).as_posix())
    storage.put(archive, name)
    archive.unlink()


def download_entries(storage: ResultStorage, name: str, scratch: Path) -> None:
    """Put the entries of an archive into the cache of this machine, where they are not there already.

    Raises:
        UserError: the archive is damaged, or the cache cannot be written.
    """
    archive = scratch / PurePosixPath(name).name
    storage.fetch(name, archive)
    unpacked = scratch / f"{archive.stem}.files"
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"{name} in the storage {storage.url} is damaged; remove it and start the batch again.") from error
    for stage in sorted(unpacked.iterdir()):
        by_entry: dict[str, list[Path]] = {}
        for path in stage.iterdir():
            by_entry.setdefault(path.name.partition(".")[0], []).append(path)
        for name_of_entry, paths in by_entry.items():
            _adopt(CacheEntry(stage.name, name_of_entry), paths)


def _adopt(entry: CacheEntry, paths: list[Path]) -> None:
    """Move new files into an entry, unless it is there."""
    with entry.in_use(), entry.alone():
        if entry.files():
            return
        places = [entry.path(path.name.removeprefix(entry.name)) for path in paths]
        with all_or_none(*places) as temporary:
            for path, place in zip(paths, temporary, strict=True):
                path.replace(place)
