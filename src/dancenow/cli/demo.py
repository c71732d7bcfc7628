"""`dancenow demo`: transfer between the two example dancers of the package."""

from pathlib import Path

from dancenow.cli.options import Out


def demo(
    out: Out = Path("demo"),
    budget: str = "4m",
) -> None:
    """Transfer the dance of one example dancer to the other, in minutes.

    Args:
        out: Folder for the result and a side-by-side video.
        budget: Training time, such as 4m.
    """
    from dancenow import pipeline
    from dancenow.assets import SOURCE, TARGET
    from dancenow.cli.console import live, report, warn
    from dancenow.media.source import VideoSource
    from dancenow.provenance.consent import consent
    from dancenow.provenance.content_marking import ContentMarker
    from dancenow.rendering.transfer_video import SYNTHETIC_NOTE
    from dancenow.report.side_by_side import side_by_side

    result, comparison = out / "result.mp4", out / "side_by_side.mp4"
    source = VideoSource.open(SOURCE)
    with live() as on_progress:
        done = pipeline.run(
            source, TARGET, result, budget=budget, consent=consent("rendered"), warn=warn, on_progress=on_progress
        )
        note = {"comment": SYNTHETIC_NOTE}
        marker = ContentMarker.of(done.models, source)
        side_by_side([source, result], comparison, sound_from=source, metadata=note, marker=marker, on_progress=on_progress)
    report(result, done.transfer.normalization, *done.transfer.notes)
    report(comparison)
    if done.report is not None:
        report(done.report)
