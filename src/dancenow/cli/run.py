"""`dancenow run`: two videos in, one video out."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def run(
    source: tyro.conf.Positional[Path],
    target: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    budget: str = "10m",
    preset: Literal["draft", "standard", "paper", "heatmaps"] = "draft",
    normalize: Literal["none", "paper"] = "paper",
    source_person: int | None = None,
    target_person: int | None = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    report: bool = True,
) -> None:
    """Make the person in TARGET dance what the dancer in SOURCE dances.

    Args:
        source: video of the dance.
        target: video of the person who is to dance it: 20 s or more, whole body, still camera.
        out: the .mp4 to write.
        budget: how long to train: 90s, 4m, 1.5h, or 20000images.
        preset: draft (256 px, a laptop) or standard (512 px, a GPU); for comparison, paper (Everybody Dance Now as published,
            a GPU) or heatmaps (the same networks on Gaussian heatmaps).
        normalize: how the dancer's body is fitted to the target's: paper (place and size) or none.
        source_person: whom to follow in SOURCE, counted from 1 by size and place (see `dancenow pose --help`).
        target_person: whom to follow in TARGET.
        seed: of everything random.
        device: where to compute; auto takes the GPU if there is one.
        report: also write a page about the result beside it, OUT.report.html: source, pose and result in step, the moves that
            the footage does not cover, and how it was made.
    """
    from dancenow import pipeline
    from dancenow.cli import console

    with console.live() as listen:
        result = pipeline.run(
            source,
            target,
            out,
            budget=budget,
            preset=preset,
            normalize=normalize,
            source_person=source_person,
            target_person=target_person,
            seed=seed,
            device=device,
            report=report,
            warn=console.warn,
            listen=listen,
        )
    console.report(result.transfer.video, result.transfer.normalization, *result.transfer.notes, *result.warnings)
    if result.report is not None:
        console.report(result.report)
