"""Compute items before they are needed: an iterator that runs in its own thread, a few items ahead of its consumer.

Decoding, networks and encoding all release Python's lock while they work, so stages joined by it keep several cores busy. The
queue between two stages is bounded, so memory does not grow with the length of a video.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")
_POLL_S = 0.1
"""How long a thread waits before it checks that the other side is still there."""


@dataclass(frozen=True)
class _End:
    """The last element of a queue. error: the exception that ended the iterator, None at its normal end."""

    error: BaseException | None


@contextmanager
def prefetch(items: Iterable[T], room: int = 4) -> Iterator[Iterator[T]]:
    """Inside the `with`, an iterator over `items`, which are computed in their own thread.

    At most `room` items wait in the queue. An exception of `items` is raised where the consumer asks for the item. On leaving
    the `with`, also by an error or Ctrl-C, the thread ends after its current item, and `items` is closed.
    """
    items_queue: queue.Queue[T | _End] = queue.Queue(room)
    is_wanted = threading.Event()
    is_wanted.set()
    thread = threading.Thread(target=_produce, args=(items, items_queue, is_wanted), daemon=True)
    thread.start()
    try:
        yield _consume(items_queue, thread)
    finally:
        is_wanted.clear()
        thread.join()


def map_in_order(change: Callable[[T], S], items: Iterable[T], at_once: int) -> Iterator[S]:
    """Change items in `at_once` threads; results come in the order of the items, of which few are held."""
    waiting: deque[Future[S]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        for item in items:
            waiting.append(pool.submit(change, item))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _produce(items: Iterable[T], items_queue: "queue.Queue[T | _End]", is_wanted: threading.Event) -> None:
    iterator: Iterator[T] | None = None
    end = _End(None)
    try:
        iterator = iter(items)
        for item in iterator:
            if not _put(item, items_queue, is_wanted):
                return
    except BaseException as error:  # of any kind: it belongs to the consumer
        end = _End(error)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        _put(end, items_queue, is_wanted)


def _put(item: "T | _End", items_queue: "queue.Queue[T | _End]", is_wanted: threading.Event) -> bool:
    while is_wanted.is_set():
        try:
            items_queue.put(item, timeout=_POLL_S)
            return True
        except queue.Full:
            continue
    return False


def _consume(items_queue: "queue.Queue[T | _End]", thread: threading.Thread) -> Iterator[T]:
    while True:
        try:
            item = items_queue.get(timeout=_POLL_S)  # without a timeout, Windows would not notice Ctrl-C here
        except queue.Empty:
            if not thread.is_alive() and items_queue.empty():  # it may have put its last item and ended since
                raise RuntimeError("the prefetch thread ended without a last item") from None
            continue
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item
