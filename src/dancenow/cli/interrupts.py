"""What happens to a command that is told to stop: by Ctrl-C, a polite kill, or a terminal that closes.

    signal ──► KeyboardInterrupt in the main thread ──► finished steps are saved, unfinished files are removed, status 130
           └─► a thread that sees the signal at once ──► after `GRACE_S` removes unfinished files and ends the process

Python runs its handlers between two steps of the main thread only; one that waits in a library, for a disk or a long
computation, would ignore a kill until then.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from dancenow.storage.unfinished import remove_own

GRACE_S: Final = 8.0
"""Seconds to save what is finished; containers are killed after ten."""
STATUS: Final = 130
_STOPPING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def handled(grace_s: float = GRACE_S) -> Iterator[None]:
    """Inside it, signals that stop a command raise KeyboardInterrupt in the main thread; for another thread nothing changes.

    A signal that the caller ignores, as `nohup` does, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupt = _Interrupt()
    before = {number: signal.getsignal(number) for number in _STOPPING}
    numbers = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    ours, system = socket.socketpair()
    system.setblocking(False)
    woken_before = signal.set_wakeup_fd(system.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(ours, numbers, grace_s), daemon=True).start()
    try:
        for number in numbers:
            signal.signal(number, interrupt)
        yield
    except KeyboardInterrupt:
        remove_own()  # it may have come while a folder was being removed
        raise
    finally:
        signal.set_wakeup_fd(woken_before)
        system.close()  # ends the thread
        for number in numbers:
            signal.signal(number, before[number])


class _Interrupt:
    """A handler that raises KeyboardInterrupt once: a closing terminal sends its signal twice, and cleaning up goes on."""

    def __init__(self) -> None:
        self._is_told = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_told:
            self._is_told = True
            raise KeyboardInterrupt


def _watch(signals: socket.socket, numbers: list[signal.Signals], grace_s: float) -> None:
    """End the process `grace_s` after one of the signals, unless the other end of the socket is closed before."""
    with signals, suppress(OSError):
        while received := signals.recv(64):
            if set(received) & set(numbers):
                break
        else:
            return
        signals.settimeout(grace_s)
        with suppress(TimeoutError):
            while signals.recv(64):
                pass
            return
        remove_own()
        os._exit(STATUS)
