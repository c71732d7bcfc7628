"""What the terminal shows: one progress line per long step, and nothing but text when it is not a terminal.

Results go to standard output; progress, notes and errors go to standard error, so that output can be piped.
"""

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
def live() -> Iterator[ProgressCallback]:
    """Give a listener that draws a bar with the time left per stage; without a terminal it says nothing."""
    if not stderr.is_terminal:
        yield progress.ignore_progress
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

        def on_progress(event: progress.Progress) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total, note="")
            if event.preview is not None and event.preview not in shown:
                shown.add(event.preview)
                bars.console.print(f"preview, refreshed as it goes: {event.preview}", markup=False, soft_wrap=True)
            bars.update(tasks[event.stage], completed=event.done, total=event.total, note=event.note)

        yield on_progress


def warn(sentence: str) -> None:
    """Say at once what should be known before time is spent; above the bars, if there are any."""
    stderr.print(f"warning: {sentence}", markup=False, highlight=False, soft_wrap=True)


def report(made: Path, *sentences: str) -> None:
    """Say what was written, and what the user should know, one sentence per line."""
    for sentence in sentences:
        stderr.print(f"- {sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(str(made), markup=False, highlight=False, soft_wrap=True)
