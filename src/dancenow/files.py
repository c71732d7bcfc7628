"""Files that appear only when complete, content hashes, and the folder where costly results are kept.

Everything the project writes goes through `complete_or_absent`: a temporary name in the same folder, renamed at the end.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dancenow.errors import UserError


@contextmanager
def complete_or_absent(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (same suffix); on success it is renamed to `path`, on any failure removed.

    Works for files and for folders (create the folder at the path given). An existing file is replaced in one step; an
    existing folder is replaced only when the new one is complete.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}.") from error
    temporary = holder / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            path.replace(holder / "replaced")
        elif temporary.is_file():
            # Some writers make files for the owner alone; these are made as any program would make them.
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"cannot write {path}: the disk is full; nothing was left half-written.") from error
        raise
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_dir(name: str) -> Path:
    """A folder for results that can be made again: `$DANCENOW_CACHE/name`, else under the user's cache folder."""
    root = os.environ.get("DANCENOW_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dancenow"
    folder = base / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the cache folder {folder}: {error.strerror}; set DANCENOW_CACHE to one.") from error
    return folder
