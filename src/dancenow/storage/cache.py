"""The cache: results of costly stages, found again by the content of their inputs, their parameters and their code.

A key is derived, never counted: the digests of the inputs, the parameters, and the digest of the modules that compute the
result (`code_digest`). So a change of any of them gives another key, and no version number has to be raised by hand.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from dancenow.errors import OutputError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, remove_path, sha256_of
from dancenow.storage.code_digest import code_digest
from dancenow.storage.locks import open_locked

LOCKS: Final = ".locks"
_KEY_LENGTH: Final = 32
_SEAL: Final = ".sha256"
_WAIT_S: Final = 0.05
T = TypeVar("T")
_listeners: Final[list[Callable[["CacheEntry"], None]]] = []


@contextmanager
def entries_used() -> Iterator[set["CacheEntry"]]:
    """Inside it, a growing set of the entries that this process uses or makes, in any of its threads."""
    used: set[CacheEntry] = set()
    _listeners.append(used.add)
    try:
        yield used
    finally:
        _listeners.remove(used.add)


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
        for note in _listeners:
            note(self)
        with _opened(self.lock_path(), shared=True):
            self._touch()
            try:
                yield
            finally:
                self._touch()

    @contextmanager
    def alone(self, on_progress: ProgressCallback = ignore_progress) -> Iterator[None]:
        """Inside it, nobody else makes the entry. Who comes later waits, and reports that, where it can be cancelled."""
        path = self.lock_path(".alone")
        with _opened(path, on_wait=lambda: on_progress(Progress("waiting for another dancenow", 0))):
            try:
                yield
            finally:
                with suppress(OSError):  # Windows removes no open file
                    path.unlink()

    def remove(self) -> bool:
        """Remove the entry, unless it is in use, in this process or another; whether it was removed."""
        lock = self.lock_path()
        if os.name == "nt":
            try:
                lock.unlink(missing_ok=True)  # an open file cannot be removed
            except OSError:
                return False
            self._remove_files()
            return True
        file = open_locked(lock)
        if file is None:
            return False
        with file:
            self._remove_files()
            lock.unlink(missing_ok=True)
        return True

    def _remove_files(self) -> None:
        for path in self.files():
            remove_path(path)

    def lock_path(self, suffix: str = "") -> Path:
        """The file whose lock says who uses the entry."""
        name = hashlib.sha256(os.fsencode(f"{self.stage}/{self.name}")).hexdigest()[:_KEY_LENGTH]
        return cache_dir(LOCKS) / f"{name}{suffix}"

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


def cached_result(
    entry: CacheEntry,
    load: Callable[[], T | None],
    make: Callable[[], T],
    *,
    sealed: Sequence[str] = (),
    on_progress: ProgressCallback = ignore_progress,
) -> T:
    """What `load` reads from an entry, or what `make` makes and writes to it, if `load` gives None or a file is damaged.

    Two processes that want the same make it once: the later one waits for it. The digests of the files with the endings
    `sealed` are kept beside them, and tell any damage.

    Raises:
        OutputError: the cache folder cannot be used. Errors of `load` and `make` are raised as they are.
    """

    def known() -> T | None:
        return load() if _is_sound(entry) else None

    with entry.in_use():
        found = known()
        if found is None:
            with entry.alone(on_progress):
                found = known()
                if found is None:
                    found = make()
                    _seal(entry, sealed)
        return found


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Inside it, no other process or thread does long work on the file `path`, which need not be in the cache.

    Raises:
        OutputError: one does already.
    """
    lock = CacheEntry("outputs", str(path.absolute())).lock_path()
    file = _open_or_explain(lock, shared=False)
    if file is None:
        raise OutputError(
            f"another dancenow is at work on {path}; wait until it is finished, or give the name of another file."
        )
    with file:
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()


def _seal(entry: CacheEntry, suffixes: Sequence[str]) -> None:
    digests = {suffix: sha256_of(path) for suffix in suffixes if (path := entry.path(suffix)).is_file()}
    if digests:
        with complete_or_absent(entry.path(_SEAL)) as temporary:
            temporary.write_text(json.dumps(digests), "utf-8")


def _is_sound(entry: CacheEntry) -> bool:
    """Whether the sealed files are as they were written; an entry without a seal is judged by who reads it."""
    try:
        digests = json.loads(entry.path(_SEAL).read_text("utf-8"))
        return all(sha256_of(entry.path(suffix)) == digest for suffix, digest in digests.items())
    except FileNotFoundError as error:
        return str(error.filename).endswith(_SEAL)
    except (OSError, ValueError, TypeError, AttributeError):
        return False


@contextmanager
def _opened(path: Path, *, shared: bool = False, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock, after waiting for whoever holds it."""
    while (file := _open_or_explain(path, shared)) is None:
        on_wait()
        time.sleep(_WAIT_S)
    with file:
        yield


def _open_or_explain(path: Path, shared: bool) -> IO[bytes] | None:
    try:
        return open_locked(path, shared=shared)
    except OSError as error:
        raise OutputError(
            f"the cache folder {path.parent.parent} cannot be used: {error.strerror}; set DANCENOW_CACHE to another."
        ) from error
