"""Hidden folders for files that are being written, and removing those that a killed process left behind.

The owner holds a lock on a file in the folder. Whoever makes the next folder beside it and gets that lock knows that the owner
is dead, at once and without a guess by age.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from dancenow.storage.locks import try_lock

PREFIX: Final = ".dancenow-"
COMPLETE: Final = "complete"
"""A file of this name says that everything in `NEW` is whole, and was being moved to its place."""
NEW: Final = "new"
OLD: Final = "old"
_LOCK: Final = "lock"
_EMPTY_S: Final = 60.0
_ABANDONED_S: Final = 24 * 3600.0
"""A folder without a lock file that is older belongs to no running process; an empty one gets its lock within a moment."""

_own: set[Path] = set()


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Inside it, a new hidden folder in `parent`, which is removed at the end; what killed processes left there goes first.

    Raises:
        OSError: the folder cannot be made.
    """
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    _own.add(folder)
    try:
        with _locked(folder):
            yield folder
    finally:
        if not _put_missing(folder / OLD, parent):  # only what was replaced by something is still there
            _remove(folder)
        _own.discard(folder)  # last: an interruption here leaves it to `remove_own`


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Inside it, an `unfinished_folder` where the system keeps temporary files.

    Raises:
        OSError: the folder cannot be made.
    """
    with unfinished_folder(Path(tempfile.gettempdir())) as folder:
        yield folder


def remove_abandoned(parent: Path) -> None:
    """Remove the unfinished folders of dead processes in `parent`; what was complete and on its way is put in its place."""
    with suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path))


def remove_own() -> None:
    """Remove the unfinished folders of this process, which is about to end; its `finally` clauses may not or not wholly run."""
    for folder in list(_own):
        if not (folder / COMPLETE).exists():
            _remove(folder)


def _remove_if_abandoned(folder: Path) -> None:
    info = folder.lstat()
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        return
    try:
        lock = (folder / _LOCK).open("r+b")
    except FileNotFoundError:  # its owner is about to make it, or was killed before
        if time.time() - info.st_mtime > (_ABANDONED_S if any(folder.iterdir()) else _EMPTY_S):
            shutil.rmtree(folder, ignore_errors=True)
        return
    with lock:
        if not stat.S_ISREG(os.fstat(lock.fileno()).st_mode) or not try_lock(lock):
            return
        if (folder / COMPLETE).is_file():
            _put_missing(folder / NEW, folder.parent)
        if _put_missing(folder / OLD, folder.parent):
            return
        if os.name == "posix":
            _remove(folder)
    shutil.rmtree(folder, ignore_errors=True)  # Windows removes no open file


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: if this is interrupted, the lock still says that the owner is dead."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _put_missing(folder: Path, parent: Path) -> bool:
    """Move what is in a folder to `parent`, where nothing of that name is there; whether that failed."""
    try:
        for path in folder.iterdir():
            place = parent / path.name
            if not place.exists() and not place.is_symlink():
                path.replace(place)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder. The file is locked before it gets its name: nobody owns one of that name without a lock."""
    path = folder / (f"{_LOCK}.new" if os.name == "posix" else _LOCK)
    with path.open("wb") as file:
        if _lock(file) and os.name == "posix":
            path.replace(folder / _LOCK)
        yield


def _lock(file: IO[Any]) -> bool:
    """False where the file system has no locks: then the folder goes by its age."""
    try:
        return try_lock(file)
    except OSError:
        return False
