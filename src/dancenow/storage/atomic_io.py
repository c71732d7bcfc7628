"""Files that appear only when complete, content hashes, and the folders of the cache and of the user's data.

Every file is written through `complete_or_absent`: under a temporary name in the same folder, renamed at the end.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dancenow.errors import OutputError, UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


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
    """Yield a temporary path next to `path` (same suffix); it is renamed to `path` on success and removed on failure.

    Works for files and for folders (create the folder at the path given). An existing file is replaced in one step; an
    existing folder is replaced only when the new one is complete, and put back if that is interrupted.

    Raises:
        OutputError: `path` is not writable or is a folder where a file is written (or the other way round), or the disk is
            full. Errors of other files while `path` is being written are raised as they are.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary, replaced = holder / path.name, holder / f"{path.name}.replaced"
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno in _NO_ROOM or _is_within(error.filename, holder):
                raise _unwritable(path, error) from error
            raise
        try:
            _put(temporary, path, replaced)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        if replaced.exists() and not path.exists():
            replaced.replace(path)  # if even this fails, the old folder is kept: the line below is not reached
        shutil.rmtree(holder, ignore_errors=True)


def _put(temporary: Path, path: Path, replaced: Path) -> None:
    """Move the finished file or folder to `path`; an existing folder is moved to `replaced`."""
    _require_same_kind(path, folder=temporary.is_dir())
    if path.is_dir():
        path.replace(replaced)
    elif temporary.is_file():
        # Some writers create files for the owner alone; the result gets the mode of any new file, by the process's umask.
        temporary.chmod(_mode_of_new_file(temporary.with_name(".mode")))
    temporary.replace(path)


def _require_same_kind(path: Path, *, folder: bool) -> None:
    if path.is_dir() and not folder:
        raise OutputError(f"cannot write {path}: it is a folder; give the name of a file.")
    if path.is_file() and folder:
        raise OutputError(f"cannot write {path}: it is a file; give the name of a folder.")


def _unwritable(path: Path, error: OSError) -> UserError:
    if error.errno in _NO_ROOM:
        return OutputError(f"cannot write {path}: the disk is full; nothing was left half-written.")
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


def require_outputs(video: Path, page: Path | None, *inputs: Path) -> None:
    """Check, before long work, that an .mp4 and a page next to it can be written and overwrite no input.

    Raises:
        OutputError: they cannot.
    """
    require_other(video, *inputs)
    require_writable(video, ".mp4")
    if page is not None:
        require_writable(page)


def require_other(out: Path, *inputs: Path) -> None:
    """Require that writing `out` overwrites none of the inputs.

    Raises:
        OutputError: it would.
    """
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise OutputError(f"the output {out} is also an input; give the output another name.")
