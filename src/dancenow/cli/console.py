"""Terminal output: a progress bar per stage, or one plain line per stage when standard error is not a terminal.

Results go to standard output; progress, notes and errors go to standard error, so that output can be piped.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dancenow import progress
from dancenow.progress import ProgressCallback

console = Console()
stderr = Console(stderr=True)


@contextmanager
def live(*, quiet: bool = False) -> Iterator[ProgressCallback]:
    """Give a progress callback that draws a bar per stage with the time left, or prints a line per stage without a terminal.

    quiet: show nothing.
    """
    if quiet:
        yield progress.ignore_progress
        return
    if not stderr.is_terminal:
        yield _stage_lines()
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=stderr) as bars:
        tasks: dict[str, TaskID] = {}
        shown: set[Path] = set()

        def show(event: progress.Progress) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total, note="")
            if event.preview is not None and event.preview not in shown:
                shown.add(event.preview)
                bars.console.print(f"preview, refreshed as it goes: {event.preview}", markup=False, soft_wrap=True)
            bars.update(tasks[event.stage], completed=event.done, total=event.total, note=event.note)

        yield show


def _stage_lines() -> ProgressCallback:
    """A progress callback for logs and pipes: one line when a stage begins, with the seconds since the command began."""
    start_s = time.monotonic()
    begun: set[str] = set()

    def show(event: progress.Progress) -> None:
        if event.stage not in begun:
            begun.add(event.stage)
            message(f"[{time.monotonic() - start_s:4.0f} s] {event.stage} ...")

    return show


def message(sentence: str) -> None:
    """Print one line to standard error, as plain text."""
    stderr.print(sentence, markup=False, highlight=False, soft_wrap=True)


def warn(sentence: str) -> None:
    """Print a warning before time is spent; above the progress bars, if there are any."""
    message(f"warning: {sentence}")


def report(path: Path, *sentences: str) -> None:
    """Print the path of a result, and one line per sentence that the user should know about it."""
    for sentence in sentences:
        message(f"- {sentence}")
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)
