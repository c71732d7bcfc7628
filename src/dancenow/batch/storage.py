"""Where the results of a batch are kept: any storage that fsspec knows, or a folder.

A result appears under its name only when it is complete: a local file is moved into its place, an object of a bucket exists
when its upload ends, and elsewhere it is uploaded under another name first. Names are keys, so nothing is ever overwritten by
something else.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from dancenow.errors import InputError, OptionError, OutputError, UserError
from dancenow.storage.atomic_io import complete_or_absent

_WHOLE_OBJECTS: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl"})
"""Protocols of storages in which a file exists only when its upload is complete."""
_UNFINISHED: Final = ".unfinished"


class ResultStorage:
    """A folder of results by name. bytes_read, bytes_written: traffic of this object, for the summary."""

    def __init__(self, url: str) -> None:
        """url: a folder, or a URL such as s3://bucket/folder.

        Raises:
            UserError: there is no such storage.
        """
        self.url, self.bytes_read, self.bytes_written = url, 0, 0
        try:
            self._files, self._root = url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise OptionError(f"the storage {url} cannot be used: {error}.") from error
        self._is_local = isinstance(self._files, LocalFileSystem)

    def size(self, name: str) -> int | None:
        """Bytes of a result; None if it is not there."""
        with self._explained("read", name):
            try:
                return int(self._files.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    def put(self, path: Path, name: str) -> None:
        """Store a file; one that is there is replaced by the same content.

        Raises:
            OutputError: the storage cannot be written.
        """
        with self._explained("write", name):
            if self._is_local:
                with complete_or_absent(Path(self._path(name))) as temporary:
                    self._files.get_file(str(path), str(temporary))
            else:
                self._upload(path, name)
        self.bytes_written += path.stat().st_size

    def fetch(self, name: str, path: Path) -> None:
        """Copy a result to a file, which appears only when it is complete.

        Raises:
            InputError: there is no such result, or it cannot be read.
        """
        with complete_or_absent(path) as temporary, self._explained("read", name):
            self._files.get_file(self._path(name), str(temporary))
        self.bytes_read += path.stat().st_size

    def put_json(self, value: Any, name: str, scratch: Path) -> None:
        """Store plain data; scratch: a folder for the file on its way."""
        path = scratch / PurePosixPath(name).name
        path.write_text(json.dumps(value), "utf-8")
        self.put(path, name)

    def read_json(self, name: str) -> Any:
        """Plain data that `put_json` stored; None if it is not there or damaged."""
        with self._explained("read", name):
            try:
                return json.loads(self._files.cat_file(self._path(name)))
            except (FileNotFoundError, ValueError):
                return None

    def names(self, folder: str) -> frozenset[str]:
        """Names of all results in a folder, without it."""
        with self._explained("read", folder):
            try:
                found = self._files.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return frozenset()
        return frozenset(PurePosixPath(path).name for path in found)

    def remove(self, name: str) -> None:
        """Remove a result, if it is there."""
        with self._explained("write", name):
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _upload(self, path: Path, name: str) -> None:
        protocol = self._files.protocol if isinstance(self._files.protocol, str) else self._files.protocol[0]
        place = self._path(name)
        self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
        if protocol in _WHOLE_OBJECTS:
            self._files.put_file(str(path), place)
            return
        unfinished = f"{place}{_UNFINISHED}"  # the next attempt writes over what a killed one left
        self._files.put_file(str(path), unfinished)
        self._files.mv(unfinished, place)

    @contextmanager
    def _explained(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"{name} is missing in the storage {self.url}; start the batch again.") from error
        except Exception as error:  # of any kind: each storage has its own errors
            kind = OutputError if what == "write" else InputError
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise kind(f"the storage {self.url} cannot {what} {name}: {reason}.") from error
