"""`dancenow evaluate`: measure the quality of a result against the true video.

The work is in `dancenow.evaluation.evaluate`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from dancenow.cli.options import Flag, Maybe

if TYPE_CHECKING:
    from rich.table import Table

    from dancenow.evaluation.evaluator import Evaluation, Score
    from dancenow.media.source import VideoSource


def evaluate(
    out: tyro.conf.Positional[Path],
    reference: tyro.conf.Positional[Path],
    json: Maybe[Path] = None,
    track: Maybe[Path] = None,
    target: Maybe[Path] = None,
    source: Maybe[Path] = None,
    ideal: Flag = True,
    every: int = 5,
    report: Flag = True,
) -> None:
    """Compare a result with the true video of the same dance, frame by frame.

    - Images: SSIM, PSNR and perceptual distance of frame, person and face;
      LPIPS if its weights are installed.
    - Motion: flicker, frozen frames, identity of body and face.
    - Poses: distance, missed keypoints, foot sliding.
    - The videos must have the same size, frame rate and length.

    Args:
        out: The result, a video.
        reference: The true video: what the result should be.
        json: Also write every metric and its curve over time to this file.
        track: Pose track of REFERENCE (.npz, from `dancenow pose`).
            Detected if left out.
        target: Footage of the target person, any size and length.
            REFERENCE if left out.
        source: Footage of the source person.
            Measures how much of them remains in the result.
        ideal: Do not measure the ideal values.
            They are what REFERENCE itself reaches after re-encoding.
        every: Measure perceptual distance and identity every N frames.
            1 is exact and slow.
        report: Do not write the report page OUT.evaluation.html.
            It plays the videos in sync and plots every metric.
            It shows the worst frames first.
    """
    from json import dumps

    from dancenow.cli.console import console, live
    from dancenow.evaluation.evaluator import evaluate as compare
    from dancenow.media.source import open_video
    from dancenow.pose.track_io import load_track
    from dancenow.report import write_report
    from dancenow.report.run_record import describe_evaluation, evaluation_path
    from dancenow.storage.atomic_io import complete_or_absent, require_writable

    if json is not None:
        _require_json_writable(json, [file for file in (out, reference, track, target, source) if file is not None])
    page = evaluation_path(out)
    if report:
        require_writable(page)
    poses = None if track is None else load_track(track)
    result, truth = open_video(out), open_video(reference)
    footage, source_video = (None if path is None else open_video(path) for path in (target, source))
    with live() as on_progress:
        evaluation = compare(
            result, truth, track=poses, target=footage, source=source_video, ideal=ideal, every=every, on_progress=on_progress
        )
        if report:
            settings = _settings(ideal, every, footage, track)
            description = describe_evaluation(result, truth, evaluation.track, evaluation.scores, source_video, settings)
            write_report(page, description, on_progress=on_progress)
    if json is not None:
        with complete_or_absent(json) as temporary:
            temporary.write_text(dumps(evaluation.to_json(), indent=1, allow_nan=False), encoding="utf-8")
    console.print(_table(evaluation))
    if report:
        console.print(str(page), markup=False, highlight=False, soft_wrap=True)


def _settings(ideal: bool, every: int, footage: "VideoSource | None", track: Path | None) -> dict[str, str]:
    """How was measured, for the report."""
    from dancenow.storage.atomic_io import sha256_of

    settings = {"ideal": "yes" if ideal else "no", "every": str(every)}
    if footage is not None:
        settings["footage of the target"] = f"{footage.path.name}, SHA-256 {footage.sha256}"
    if track is not None:
        settings["poses from"] = f"{track.name}, SHA-256 {sha256_of(track)}"
    return settings


def _require_json_writable(json: Path, inputs: list[Path]) -> None:
    from dancenow.errors import OutputError
    from dancenow.storage.atomic_io import require_writable

    if json.resolve() in [file.resolve() for file in inputs]:
        raise OutputError(f"{json} is an input; choose another output name.")
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
