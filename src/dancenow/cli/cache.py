"""`dancenow cache`: what is cached, how large it is, and removing it."""

from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from dancenow.cli.options import Flag, Many, Maybe

if TYPE_CHECKING:
    from dancenow.storage.cache_pruning import EntryInfo


def cache(
    action: Annotated[Literal["list", "size", "prune"], tyro.conf.Positional] = "list",
    /,
    *,
    stage: Many[str] = (),
    older_than: Maybe[str] = None,
    to: Maybe[str] = None,
    all: Flag = False,
) -> None:
    """List, measure or prune the cache.

    - Its content can be computed or downloaded again.
    - Consents and certificates are elsewhere.
    - DANCENOW_CACHE_LIMIT, such as 20GB, limits its size: the least recently
      used entries are removed first.

    Args:
        action: List the stages, print the size, or prune.
        stage: Only these stages, of those that `dancenow cache` lists.
        older_than: Prune what was not used for this long: 30d, 12h.
        to: Prune the least recently used, down to this size: 5GB.
        all: Prune everything.
    """
    from dancenow.errors import OptionError
    from dancenow.storage import cache_pruning as pruning

    if action == "prune" and not (older_than or to or all or stage):
        raise OptionError("say what to prune: --older-than 30d, --to 5GB, --stage NAME or --all.")
    if action != "prune" and (older_than or to or all):
        raise OptionError(f"--older-than, --to and --all belong to `dancenow cache prune`, not to `dancenow cache {action}`.")
    if all and (older_than or to):
        raise OptionError("--all prunes everything; leave out --older-than and --to.")
    entries = pruning.list_entries(stage)
    if action == "list":
        _print_stages(entries)
    elif action == "size":
        print(pruning.format_size(sum(each.bytes for each in entries)))
    else:
        age_s = 0.0 if older_than is None else pruning.parse_age(older_than)
        old = [each for each in entries if each.age_s >= age_s]
        removed = pruning.prune(old) if to is None else pruning.prune_to(pruning.parse_size(to), old, recent_s=0.0)
        freed = pruning.format_size(sum(each.bytes for each in removed))
        print(f"{len(removed)} {'entry' if len(removed) == 1 else 'entries'} removed, {freed} freed")


def _print_stages(entries: "list[EntryInfo]") -> None:
    from rich.console import Console
    from rich.table import Table

    from dancenow.storage.atomic_io import cache_root
    from dancenow.storage.cache_pruning import STAGES, format_age, format_size, size_limit

    table = Table("stage", "entries", "size", "last used", "what", box=None, pad_edge=False)
    for stage, what in STAGES.items():
        mine = [each for each in entries if each.entry.stage.split("/")[0] == stage]
        if mine:
            size = format_size(sum(each.bytes for each in mine))
            table.add_row(stage, str(len(mine)), size, format_age(min(each.age_s for each in mine)), what)
    limit = size_limit()
    total = format_size(sum(each.bytes for each in entries))
    console = Console()
    console.print(f"{cache_root()}: {total}{'' if limit is None else f' of {format_size(limit)}'}", soft_wrap=True)
    if entries:
        console.print(table)
