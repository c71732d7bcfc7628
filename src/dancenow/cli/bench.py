"""`dancenow bench`: run the benchmarks and write the benchmark page.

The work is in `dancenow.research.bench`. It needs the `studio` extra, because the ground truth is rendered.
"""

from pathlib import Path
from typing import Literal

import tyro

from dancenow.cli.options import Many, Out


def bench(
    names: tyro.conf.Positional[Many[str]] = (),
    size: Literal["smoke", "laptop", "gpu"] = "smoke",
    out: Out = Path("benchmarks"),
    only: Many[str] = (),
) -> None:
    """Run the benchmarks, each with a peer measured for comparison.

    - They cover quality, speed, normalization, memory and the metrics.
    - real measures the clips in the folder DANCENOW_DATA names and writes
      contact sheets next to the result, in a folder that git ignores.
    - Run the same command again to continue an interrupted benchmark.
    - Set DANCENOW_BENCH_CONDITIONS to a phrase about other load on the
      machine; the result records it.

    Args:
        names: Benchmarks to run, by default all:
            ablation, budget, face, drift, speed, engines, normalize,
            blend, memory, growth, monotonicity, camera, and real if the
            environment variable DANCENOW_DATA names a folder of clips.
            `page` measures nothing and writes docs/benchmarks.md
            next to the results folder.
        size: smoke takes minutes, laptop an hour on two cores, gpu a GPU.
        out: Folder for the results, one JSON file each.
        only: Measure only these parts, such as `--only dov 4m ours`:
            subjects, clips, methods, budgets, seeds, networks or data.
            For ablation, budget, face, drift, speed, engines, normalize,
            camera, real.
            The result keeps the parts measured before.
    """
    from dancenow.cli.console import live, report
    from dancenow.errors import OptionError
    from dancenow.research.bench.registry import run_benches

    if "page" in names:
        from dancenow.research.bench.page import write_page

        if len(names) > 1:
            raise OptionError("`page` cannot be combined with other benchmarks; measure first, then run `dancenow bench page`.")
        report(write_page(out))
        return
    with live() as on_progress:
        written = list(run_benches(names, size, out, on_progress, only))
    for path in written:
        report(path)
