"""Files that appear only when complete, content hashes, and the folders of the cache and of the user's data.

Every file is written through `complete_or_absent`: in a hidden folder beside its place, moved there at the end.
"""

import errno
import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from dancenow.errors import OutputError, UserError
from dancenow.storage.unfinished import COMPLETE, NEW, OLD, unfinished_folder

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_ABOUT_OUTPUT: Final = (*NO_ROOM, errno.EFBIG)
_LONGEST: int = 230 if os.name == "nt" else sys.maxsize
"""Letters of a path that work on Windows, which says of longer ones that they do not exist; what is unfinished needs 28."""
_WAITS_S: Sequence[float] = (0.05, 0.2, 1.0) if os.name == "nt" else ()
"""Before renaming is tried again."""


def require_writable(path: Path, suffix: str = "", *, folder: bool = False) -> None:
    """Check before long work what `complete_or_absent` would find after it; nothing is created.

    path: what will be written, a file whose name must end in `suffix`, or a `folder`.

    Raises:
        UserError: the name has another suffix, a folder is there (or a file, for a folder), or the folder is not writable.
    """
    path = Path(path)
    if suffix and path.suffix.lower() != suffix:
        raise OutputError(f"cannot write {path}: give it a name that ends in {suffix}.")
    try:
        _require_same_kind(path, folder=folder)
        parent = path.absolute().parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{parent} is not a folder")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{parent} is not writable")
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def complete_or_absent(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the name of `path`; it is moved to `path` on success and removed on failure.

    Works for files and for folders (create the folder at the path given). An existing file is replaced in one step; an
    existing folder is replaced only when the new one is complete, and put back if that is interrupted. What a killed process
    leaves is removed when something else is written to the same folder, see `unfinished`.

    Raises:
        OutputError: `path` is not writable or is a folder where a file is written (or the other way round), or the disk is
            full. Errors of other files while `path` is being written are raised as they are.
    """
    with all_or_none(path) as (temporary,):
        yield temporary


@contextmanager
def all_or_none(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """`complete_or_absent` of several files or folders beside each other: all of them appear, or none does.

    Raises:
        OutputError: as `complete_or_absent`.
    """
    first, parent = Path(paths[0]), Path(paths[0]).parent
    with ExitStack() as stack:
        try:
            stack.enter_context(_created(parent))
            folder = stack.enter_context(unfinished_folder(parent))
            new = folder / NEW
            new.mkdir()
        except OSError as error:
            raise _unwritable(first, error) from error
        try:
            yield tuple(new / Path(path).name for path in paths)
        except UserError as error:  # of a file inside: it is named as it would have been called
            raise type(error)(str(error).replace(str(new), str(parent))) from error
        except OSError as error:
            if error.errno in _ABOUT_OUTPUT or _is_within(error.filename, folder):
                raise _unwritable(first, error) from error
            raise
        try:
            _put_all(folder, [Path(path) for path in paths])
        except OSError as error:
            raise _unwritable(first, error) from error


@contextmanager
def _created(parent: Path) -> Iterator[None]:
    """Create a folder and those above it; those that were new are removed again on failure, if nothing is in them."""
    new = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _put_all(folder: Path, paths: Sequence[Path]) -> None:
    """Move everything from `NEW` in the unfinished folder to its place; if that fails, what was there before is put back.

    A single file needs one step. Otherwise `COMPLETE` says, should the process be killed meanwhile, that the rest may follow.
    """
    new, old = folder / NEW, folder / OLD
    for path in paths:
        _require_same_kind(path, folder=(new / path.name).is_dir())
        if (new / path.name).is_file():
            # Some writers create files for the owner alone; the result gets the mode of any new file, by the process's umask.
            (new / path.name).chmod(_mode_of_new_file(folder / "mode"))
    if len(paths) == 1 and not paths[0].is_dir():
        _move(new / paths[0].name, paths[0])
        return
    old.mkdir()
    (folder / COMPLETE).touch()
    moved: list[Path] = []
    try:
        for path in paths:
            moved.append(path)
            if path.exists():
                _move(path, old / path.name)
            _move(new / path.name, path)
    except BaseException:
        (folder / COMPLETE).unlink()
        for path in reversed(moved):
            _put_back(path, old / path.name, is_placed=not (new / path.name).exists())
        raise


def _move(path: Path, place: Path) -> None:
    """Rename, and replace a file that is there. On Windows nobody may have it open, but a scanner may for a moment."""
    for wait_s in _WAITS_S:
        try:
            path.replace(place)
        except PermissionError:
            time.sleep(wait_s)
        else:
            return
    path.replace(place)


def _put_back(path: Path, before: Path, *, is_placed: bool) -> None:
    if is_placed:
        remove_path(path)
    if before.exists():
        before.replace(path)


def remove_path(path: Path) -> None:
    """Remove a file or folder; a link goes, and what it leads to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _require_same_kind(path: Path, *, folder: bool) -> None:
    if path.is_dir() and not folder:
        raise OutputError(f"cannot write {path}: it is a folder; give the name of a file.")
    if path.is_file() and folder:
        raise OutputError(f"cannot write {path}: it is a file; give the name of a folder.")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OutputError(f"cannot write {path}: it is a device or a pipe; give the name of a file.")


def _unwritable(path: Path, error: OSError) -> UserError:
    if error.errno in NO_ROOM:
        return OutputError(f"cannot write {path}: the disk is full; nothing was left half-written.")
    if error.errno == errno.EFBIG:
        return OutputError(f"cannot write {path}: it is larger than the file system or a limit of the system allows.")
    if isinstance(error, FileNotFoundError) and len(str(Path(path).absolute())) > _LONGEST:
        return OutputError(f"cannot write {path}: the name with its folders is too long for Windows; choose a shorter one.")
    return OutputError(f"cannot write {path}: {error.strerror or error}.")


def _is_within(filename: object, folder: Path) -> bool:
    return isinstance(filename, str | os.PathLike) and Path(filename).is_relative_to(folder)


def _mode_of_new_file(probe: Path) -> int:
    """The umask cannot be read without setting it, which would affect other threads; a new file shows it."""
    probe.touch(0o666)
    return stat.S_IMODE(probe.stat().st_mode)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_root() -> Path:
    """The folder of everything that can be computed again: `$DANCENOW_CACHE`, else in the user's cache folder; not created."""
    root = os.environ.get("DANCENOW_CACHE")
    return Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dancenow"


def cache_dir(name: str) -> Path:
    """The folder of a stage in `cache_root`, created if needed.

    Raises:
        OutputError: it cannot be created.
    """
    folder = cache_root() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the cache folder {folder}: {error.strerror}; set DANCENOW_CACHE to one.") from error
    return folder


def data_dir(name: str) -> Path:
    """A path for what cannot be computed again: `$DANCENOW_HOME/name`, else in the user's data folder; not created."""
    root = os.environ.get("DANCENOW_HOME")
    base = Path(root) if root else Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "dancenow"
    return base / name


def require_other(out: Path, *inputs: Path) -> None:
    """Require that writing `out` overwrites none of the inputs.

    Raises:
        OutputError: it would.
    """
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise OutputError(f"the output {out} is also an input; give the output another name.")
