"""Making things ahead of their use: an iterator that runs in a thread of its own, a few items before whoever takes them.

Decoding, networks and encoding all leave Python's lock while they work, so stages joined by it keep several cores busy; what
waits between two stages is bounded, so that memory does not grow with the length of a video.
"""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_PATIENCE_S = 0.1
"""How long a thread waits before it looks whether the other side is still there."""


@dataclass(frozen=True)
class _End:
    """The last thing in a queue. error: what ended the iterator, if it was not its end."""

    error: BaseException | None


@contextmanager
def prefetch(items: Iterable[T], room: int = 4) -> Iterator[Iterator[T]]:
    """Inside the `with`, an iterator over `items`, which are made in a thread of their own.

    At most `room` of them wait. What `items` raises is raised where the item would have been taken. On leaving the `with`,
    by an error or Ctrl-C too, the thread ends after the item it is at, and `items` is closed.
    """
    made: queue.Queue[T | _End] = queue.Queue(room)
    is_wanted = threading.Event()
    is_wanted.set()
    thread = threading.Thread(target=_make, args=(items, made, is_wanted), daemon=True)
    thread.start()
    try:
        yield _taken(made, thread)
    finally:
        is_wanted.clear()
        thread.join()


def _make(items: Iterable[T], made: "queue.Queue[T | _End]", is_wanted: threading.Event) -> None:
    iterator: Iterator[T] | None = None
    end = _End(None)
    try:
        iterator = iter(items)
        for item in iterator:
            if not _put(item, made, is_wanted):
                return
    except BaseException as error:  # whatever it is, it belongs to whoever takes the items
        end = _End(error)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        _put(end, made, is_wanted)


def _put(item: "T | _End", made: "queue.Queue[T | _End]", is_wanted: threading.Event) -> bool:
    while is_wanted.is_set():
        try:
            made.put(item, timeout=_PATIENCE_S)
            return True
        except queue.Full:
            continue
    return False


def _taken(made: "queue.Queue[T | _End]", thread: threading.Thread) -> Iterator[T]:
    while True:
        try:
            item = made.get(timeout=_PATIENCE_S)  # without a limit, Windows would not hear Ctrl-C here
        except queue.Empty:
            if not thread.is_alive() and made.empty():  # it may have put its last item and ended since
                raise RuntimeError("the thread that makes the items ended without a last one") from None
            continue
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item
