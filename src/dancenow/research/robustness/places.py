"""Where disturbed commands work, and running commands: started without waiting for imports, told signals, watched to their end.

    fork server, which has imported everything ──fork──► command, in its place, with its output in a file

Every command has a cache of its own; the certificate and the consents are shared, because their random numbers are part of a
model. A fresh start is a new Python, for signals that arrive while it imports.
"""

import atexit
import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dancenow.storage.unfinished import PREFIX

_RIGHTS: Final = 0b1110
"""Bits of the capabilities CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER, by which root may do everything with files."""
_POLL_S: Final = 0.02
_LIMIT_S: Final = 1800.0
_PRELOADED: Final = (
    "dancenow.pipeline", "dancenow.cli.main", "dancenow.web.run_job", "dancenow.web.server", "dancenow.batch.run_batch",
    "dancenow.research.robustness.places", "tyro", "gradio", "ray", "uvicorn",
)  # fmt: skip


@dataclass(frozen=True)
class Running:
    """A started command. poll: its status, None while it runs. is_done: of a server, whether its work is done, so that it is
    told to end."""

    process_id: int
    poll: Callable[[], int | None]
    log: Path
    is_done: Callable[[], bool]

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the command has ended."""
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.process_id, number)

    def work_s(self, helpers: Iterable[int] = ()) -> float:
        """Seconds that processors have worked on it and its helpers, which depends less on other programs than time does."""
        ticks = 0
        for number in {self.process_id, *helpers}:
            with suppress(OSError):
                fields = Path(f"/proc/{number}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own, and those of children that ended
        return ticks / os.sysconf("SC_CLK_TCK")

    def finish(self, limit_s: float = _LIMIT_S) -> tuple[int, str]:
        """Status and output of the command, at its end; status 0 of a server that was told to end and did.

        Raises:
            TimeoutError: it does not end in time.
        """
        end_s, was_told = time.monotonic() + limit_s, False
        while (status := self.poll()) is None:
            if time.monotonic() > end_s:
                raise TimeoutError
            if not was_told and self.is_done():
                was_told = True
                self.send(signal.SIGTERM)
            time.sleep(_POLL_S)
        return 0 if was_told and status in _TOLD else status, self.log.read_text("utf-8", "replace")


_TOLD: Final = (130, -signal.SIGTERM)
"""Statuses after SIGTERM, the latter before the command listens."""


@dataclass(frozen=True)
class Place:
    """Where a command works: its cache, the folder of its result, and what all places share.

    stand_ins: name of a module whose `stand_in()` replaces the networks in every command, empty for the real ones.
    """

    folder: Path
    shared: Path
    stand_ins: str = ""

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(
        self, words: Sequence[str], *, is_done: Callable[[], bool] = lambda: False, fresh: bool = False, is_bound: bool = False
    ) -> Running:
        """Start a command of dancenow here. fresh: in a new Python. is_bound: to the rights of files, also for root."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.cache.mkdir(exist_ok=True)
        for name in ("weights", "code"):  # nothing is downloaded or parsed again
            if (self.shared / name).is_dir() and not (self.cache / name).exists():
                with suppress(OSError):  # a disk that cannot be written to
                    (self.cache / name).symlink_to(self.shared / name)
        places = {"DANCENOW_CACHE": str(self.cache), "DANCENOW_HOME": str(self.shared / "home"), "TMPDIR": str(self.folder)}
        places["RAY_TMPDIR"] = tempfile.gettempdir()  # Ray keeps logs there, and refuses long names
        handle, log = tempfile.mkstemp(prefix="output-", dir=self.folder.parent)
        if fresh:
            command = [sys.executable, "-m", "dancenow", *words]
            with os.fdopen(handle, "wb") as output:
                started = subprocess.Popen(
                    command, env=os.environ | places, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            return Running(started.pid, started.poll, Path(log), is_done)
        os.close(handle)
        how = (list(words), dict(os.environ | places), log, is_bound, self.stand_ins)
        process = _fork_server(self.stand_ins).Process(target=_become, args=how)
        process.start()
        return Running(process.pid or 0, lambda: process.exitcode, Path(log), is_done)

    def files(self) -> list[str]:
        """Everything here but lock files, by name."""
        found = [
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if ".locks/" not in path.as_posix()
        ]
        return sorted(name for name in found if not name.endswith(".locks"))

    def unfinished(self) -> list[str]:
        """What is unfinished here."""
        return [name for name in self.files() if PREFIX in name]

    def helpers(self) -> Iterator[tuple[int, str]]:
        """Processes that a command started here, with their command lines."""
        wanted = f"DANCENOW_CACHE={self.cache}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name), (folder / "cmdline").read_text("utf-8", "replace").replace("\0", " ")


@cache
def _fork_server(stand_ins: str) -> Any:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([*_PRELOADED, *filter(None, [stand_ins])])
    return server


def _become(words: list[str], environment: Mapping[str, str], log: str, is_bound: bool, stand_ins: str) -> None:
    """Be a command, in a process that has imported everything."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was found in another environment
    for path, flags, numbers in ((os.devnull, os.O_RDONLY, (0,)), (log, os.O_WRONLY | os.O_APPEND, (1, 2))):
        opened = os.open(path, flags)
        for number in numbers:
            os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    if is_bound:
        _give_up_rights()
    if stand_ins:
        import_module(stand_ins).stand_in()
    sys.argv = ["dancenow", *words]
    try:
        runpy.run_module("dancenow", run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # a forked process leaves them out
        sys.stdout.flush()


def _give_up_rights() -> None:
    """Let the rights of files and folders count for this process even if it is root's."""
    words, library = (ctypes.c_uint32 * 6)(), ctypes.CDLL(None, use_errno=True)
    version = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if library.capget(version, words) == 0:
        words[0] &= ~_RIGHTS
        words[1] &= ~_RIGHTS
        library.capset(version, words)
