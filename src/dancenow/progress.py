"""The one event that every long step emits, and the type of whoever listens.

The terminal, the web page and the tests all consume the same `Progress`; nothing below the command line prints.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """A step's state: `done` of `total` units of `stage` (total None: unknown), with a short note and a preview picture."""

    stage: str
    done: float
    total: float | None = None
    note: str = ""
    preview: Path | None = None


ProgressCallback = Callable[[Progress], None]


def ignore_progress(event: Progress) -> None:
    """The listener that drops every event: the default of the Python functions."""


def track(items: Iterable[T], stage: str, total: float | None, on_progress: ProgressCallback) -> Iterator[T]:
    """Yield `items` unchanged and report after each that one more is done."""
    for done, item in enumerate(items, start=1):
        yield item
        on_progress(Progress(stage, done, total))


def ignore_warning(warning: str) -> None:
    """Warnings are in the result, too."""
