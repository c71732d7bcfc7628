"""`dancenow evaluate`: how good a result is, beside the true video.

The work is `dancenow.evaluation.evaluate`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from rich.table import Table

    from dancenow.evaluation.evaluator import Evaluation, Score


def evaluate(
    out: tyro.conf.Positional[Path],
    reference: tyro.conf.Positional[Path],
    json: Path | None = None,
    track: Path | None = None,
    target: Path | None = None,
    source: Path | None = None,
    ideal: bool = True,
    every: int = 5,
    report: bool = True,
) -> None:
    """Compare a result with the true video of the same dance, frame by frame.

    Measures pictures (SSIM, PSNR, perceptual distance) over the whole frame, the person and the face, flicker and stalling,
    whose body and face are seen, and poses (distances, missed keypoints, sliding feet). The videos must have the same size,
    frame rate and length. LPIPS is measured too where its weights are installed.

    Args:
        out: the result, a video.
        reference: the true video: what the result should have been.
        json: also write every figure with its curve over time to this file.
        track: the reference's keypoints, an .npz file of `dancenow pose`; they are detected without it.
        target: footage of the person who should be seen, of any size and length; without it, the reference is that footage.
        source: footage of the person whose dance it is, to see how much of them is left.
        ideal: also show what the reference itself reaches when it is encoded once more.
        every: take the perceptual distance and the identity of each so-many-th frame; 1 is exact and slow.
        report: also write a page about it beside the result, OUT.evaluation.html: the videos in step, every figure over time,
            the worst frames first.
    """
    from json import dumps

    from dancenow.cli.console import console, live
    from dancenow.evaluation.evaluator import evaluate as compare
    from dancenow.pose.track_io import load_track
    from dancenow.report import write_report
    from dancenow.report.run_record import describe_comparison, evaluation_path
    from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of

    if json is not None:
        _require_figures_may_be(json, [file for file in (out, reference, track, target, source) if file is not None])
    page = evaluation_path(out)
    if report:
        require_writable(page)
    poses = None if track is None else load_track(track)
    with live() as on_progress:
        evaluation = compare(
            out, reference, track=poses, target=target, source=source, ideal=ideal, every=every, on_progress=on_progress
        )
        if report:
            settings = {"ideal": "yes" if ideal else "no", "every": str(every)}
            for label, file in (("footage of the target", target), ("poses from", track)):
                settings |= {} if file is None else {label: f"{file.name}, SHA-256 {sha256_of(file)}"}
            told = describe_comparison(out, reference, evaluation.track, evaluation.scores, source, settings)
            write_report(page, told, on_progress=on_progress)
    if json is not None:
        with complete_or_absent(json) as temporary:
            temporary.write_text(dumps(evaluation.to_json(), indent=1, allow_nan=False), encoding="utf-8")
    console.print(_table(evaluation))
    if report:
        console.print(str(page), markup=False, highlight=False, soft_wrap=True)


def _require_figures_may_be(json: Path, inputs: list[Path]) -> None:
    from dancenow.errors import OutputError
    from dancenow.storage.atomic_io import require_writable

    if json.resolve() in [file.resolve() for file in inputs]:
        raise OutputError(f"{json} is one of the files to be read; give the figures another name.")
    require_writable(json, ".json")


def _table(evaluation: "Evaluation") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    e = evaluation
    title = f"{e.out.name} against {e.reference.name}: {e.num_frames} frames, {e.width_px}x{e.height_px}, {e.fps:.4g} fps"
    table = Table(title=escape(title), title_justify="left")
    for column, is_number in (("", 0), ("of", 0), ("value", 1), ("ideal", 1), ("unit", 0), ("better", 0)):
        table.add_column(column, justify="right" if is_number else "left")
    previous = None
    for score in e.scores:
        if previous is not None and score.name != previous:
            table.add_section()
        name, previous = "" if score.name == previous else score.name, score.name
        table.add_row(name, score.region, *_cells(score), score.unit, score.better)
    return table


def _cells(score: "Score") -> tuple[str, str]:
    def text(value: float | None) -> str:
        return "" if value is None else "-" if value != value else f"{value:.4g}"

    return text(score.value), text(score.ideal)
