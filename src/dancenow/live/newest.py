"""A place for the newest of something, between a fast thread and a slow one: what comes too late is dropped."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Holds one item; a newer one replaces it. dropped: how many were replaced before anybody took them."""

    def __init__(self) -> None:
        self._condition, self._item, self._is_closed = threading.Condition(), list[T](), False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Replace what is there."""
        with self._condition:
            self.dropped += len(self._item)
            self._item = [item]
            self._condition.notify()

    def close(self) -> None:
        """Nothing more will come; what is there can still be taken."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def take(self) -> T | None:
        """Wait for an item and take it; None after the end."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._item) or self._is_closed)
            return self._item.pop() if self._item else None
