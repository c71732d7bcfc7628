"""The cache: results of costly stages, found again by the content of their inputs, their parameters and their code.

A key is derived, never counted: the digests of the inputs, the parameters, and the digest of the modules that compute the
result (`code_digest`). So a change of any of them gives another key, and no version number has to be raised by hand.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from dancenow.storage.atomic_io import cache_dir, remove_path
from dancenow.storage.code_digest import code_digest

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed
    fcntl = None  # type: ignore[assignment]

LOCKS: Final = ".locks"
_KEY_LENGTH: Final = 32


def cache_key(
    stage: str, *, inputs: Sequence[str] = (), parameters: Mapping[str, Any] | None = None, modules: Sequence[str] = ()
) -> str:
    """The key of a stage's result, 32 hexadecimal digits.

    Args:
        inputs: digests of what the stage reads, in its order.
        parameters: JSON values; their order does not matter.
        modules: full names of the modules that compute the result; what they import counts, registries excepted.
    """
    code = code_digest(*sorted(modules), through_registries=False) if modules else ""
    content = json.dumps([stage, list(inputs), dict(parameters or {}), code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class CacheEntry:
    """One result: every file or folder in the folder of its stage that is called `name`, up to the first dot."""

    stage: str
    name: str

    def path(self, suffix: str = "") -> Path:
        """The file or folder of the entry with this ending."""
        return cache_dir(self.stage) / f"{self.name}{suffix}"

    def files(self) -> list[Path]:
        """What there is of the entry."""
        return sorted(path for path in cache_dir(self.stage).glob(f"{self.name}*") if entry_name(path) == self.name)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside it, no process prunes the entry; afterwards it counts as just used."""
        with _locked(self, exclusive=False):
            self._touch()
            try:
                yield
            finally:
                self._touch()

    def remove(self) -> bool:
        """Remove the entry, unless it is in use, in this process or another; whether it was removed."""
        with suppress(BlockingIOError), _locked(self, exclusive=True) as lock:
            for path in self.files():
                remove_path(path)
            lock.unlink(missing_ok=True)
            return True
        return False

    def _touch(self) -> None:
        for path in self.files():
            with suppress(OSError):
                os.utime(path)


def cache_entry(stage: str, key: str, label: str = "") -> CacheEntry:
    """The entry of a key; label: what a person reads in the file's name, without a dot."""
    name = f"{label}-{key}" if label else key
    return CacheEntry(stage, name.replace(".", "_").replace(" ", ""))


def entry_name(path: Path) -> str:
    """The name of the entry that a file or folder belongs to; that of an unfinished one is empty, as it begins with a dot."""
    return path.name.partition(".")[0]


@contextmanager
def _locked(entry: CacheEntry, *, exclusive: bool) -> Iterator[Path]:
    """A lock between processes and threads; an exclusive one does not wait.

    Raises:
        BlockingIOError: the entry is in use.
    """
    folder = cache_dir(LOCKS)
    path = folder / hashlib.sha256(f"{entry.stage}/{entry.name}".encode()).hexdigest()[:_KEY_LENGTH]
    file = _open_locked(path, exclusive)
    try:
        yield path
    finally:
        file.close()


def _open_locked(path: Path, exclusive: bool) -> IO[bytes]:
    while True:
        file = path.open("ab")
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
        except OSError as error:
            file.close()
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise BlockingIOError from error
            raise
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # the entry was removed, and its lock with it, while this waited
        time.sleep(0.001)
