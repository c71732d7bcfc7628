"""The event that every long operation reports, the callback that takes it, and the token that cancels the operation.

The terminal, the web page and the tests all consume the same `Progress`; nothing below the command line prints.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dancenow.errors import Cancelled

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """The state of a stage: `done` of `total` units (total None: unknown), with a short note and a preview image."""

    stage: str
    done: float
    total: float | None = None
    note: str = ""
    preview: Path | None = None


ProgressCallback = Callable[[Progress], None]


def ignore_progress(event: Progress) -> None:
    """Drop every event: the default of the Python functions."""


class CancelToken:
    """Stops a long call from another thread: the call raises `Cancelled` within one frame or training step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask every call that has this token to stop."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if `cancel` was called."""
        if self.is_cancelled:
            raise Cancelled("the call was cancelled; finished steps are kept.")


def with_cancel(on_progress: ProgressCallback, token: CancelToken) -> ProgressCallback:
    """`on_progress`, which raises `Cancelled` before and after an event if the token is cancelled."""

    def report(event: Progress) -> None:
        token.check()
        on_progress(event)
        token.check()

    return report


def track(items: Iterable[T], stage: str, total: float | None, on_progress: ProgressCallback) -> Iterator[T]:
    """Yield `items` unchanged; report progress after each."""
    for done, item in enumerate(items, start=1):
        yield item
        on_progress(Progress(stage, done, total))


def warn_each(warnings: Iterable[str], warn: Callable[[str], None]) -> list[str]:
    """Call `warn` with every warning, and return them as a list."""
    collected = list(warnings)
    for warning in collected:
        warn(warning)
    return collected


def ignore_warning(warning: str) -> None:
    """Warnings are in the result, too."""
