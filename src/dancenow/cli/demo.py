"""`dancenow demo`: the main job on the two dancers that come with the package."""

from pathlib import Path
from typing import Annotated

import tyro


def demo(
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("demo"),
    budget: str = "4m",
) -> None:
    """Make one shipped dancer dance what the other dances: minutes on a laptop.

    Args:
        out: folder for the result and for a video that shows it beside its source.
        budget: how long to train.
    """
    from dancenow import pipeline
    from dancenow.assets import SOURCE, TARGET
    from dancenow.cli.console import live, report, warn
    from dancenow.provenance.consent import consent
    from dancenow.provenance.content_marking import ContentMarker
    from dancenow.rendering.transfer_video import SYNTHETIC_NOTE
    from dancenow.report.side_by_side import side_by_side

    result, comparison = out / "result.mp4", out / "side_by_side.mp4"
    with live() as on_progress:
        done = pipeline.run(
            SOURCE, TARGET, result, budget=budget, consent=consent("rendered"), warn=warn, on_progress=on_progress
        )
        note = {"comment": SYNTHETIC_NOTE}
        marker = ContentMarker.of(done.model, SOURCE)
        side_by_side([SOURCE, result], comparison, sound_from=SOURCE, metadata=note, marker=marker, on_progress=on_progress)
    report(result, done.transfer.normalization, *done.transfer.notes)
    report(comparison)
    if done.report is not None:
        report(done.report)
