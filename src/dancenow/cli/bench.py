"""`dancenow bench`: measures what is claimed, and writes the page that shows it.

The work is in `dancenow.research.bench`; needs the `studio` extra, because truth is rendered.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def bench(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    size: Literal["smoke", "laptop", "gpu"] = "smoke",
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("benchmarks"),
    only: tuple[str, ...] = (),
) -> None:
    """Measure quality, speed, normalization, memory and the metrics themselves, each beside a peer.

    An interrupted bench goes on where it stopped when the same command is given again. What else the machine does meanwhile
    can be told in a phrase by the variable DANCENOW_BENCH_CONDITIONS; the result holds it.

    Args:
        names: of ablation, budget, face, drift, speed, engines, normalize, blend, memory, growth, monotonicity; all if none is
            named. `page` alone measures nothing: it writes docs/benchmarks.md beside the folder of results, from what is in it.
        size: smoke (minutes), laptop (an hour on two cores) or gpu.
        out: the folder for the results, one JSON file each.
        only: of ablation, budget, face, drift, speed, engines and normalize: measure only the parts with these subjects,
            methods, budgets, seeds, networks or data, such as `--only dov 4m ours`; the result also holds what was measured
            before.
    """
    from dancenow.cli.console import live, report
    from dancenow.errors import OptionError
    from dancenow.research.bench.registry import run_benches

    if "page" in names:
        from dancenow.research.bench.page import write_page

        if len(names) > 1:
            raise OptionError("`page` goes alone: measure first, then `dancenow bench page`.")
        report(write_page(out))
        return
    with live() as on_progress:
        written = list(run_benches(names, size, out, on_progress, only))
    for path in written:
        report(path)
