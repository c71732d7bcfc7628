"""`dancenow check`: find the moves of a dance that the target footage does not cover, and advise what to film.

The work is in `dancenow.subject.coverage.measure_coverage`; the plot is in `dancenow.report.coverage_plot.draw_coverage_plot`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from dancenow.cli.options import Flag, Maybe, MaybeOut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from dancenow.media.source import VideoSource
    from dancenow.subject.coverage import Coverage
    from dancenow.subject.target_appearance import Target


def check(
    source: tyro.conf.Positional[Path],
    subject: tyro.conf.Positional[Path],
    out: MaybeOut = None,
    json: Maybe[Path] = None,
    source_person: Maybe[int] = None,
    accept_damaged: Flag = False,
) -> None:
    """Find the moves in SOURCE that SUBJECT's footage does not cover.

    - Takes no training.
    - Measures how far each frame is from the nearest pose in the footage,
      at any position and size, and predicts the quality.
    - Lists each gap: when, what, and what to film.

    Args:
        source: Video of the dance.
        subject: Folder made by `dancenow prepare`, or a trained model.
        out: Also plot the coverage over time to this .png file.
            With frames of both videos.
        json: Also write the values of every frame to this file.
        source_person: Person to follow in SOURCE, counted from 1.
            See `dancenow pose --help`.
        accept_damaged: Use what can be read of a damaged video.
            By default it is an error.
    """
    from json import dumps

    from dancenow.cli.console import console, live
    from dancenow.media.source import open_video
    from dancenow.pose.pipeline import detect_poses
    from dancenow.rendering.transfer_warnings import cut_warnings
    from dancenow.report.coverage_plot import draw_coverage_plot
    from dancenow.storage.atomic_io import complete_or_absent
    from dancenow.subject.coverage import measure_coverage

    _require_outputs(out, json, source, subject)
    target, footage, training_frames = _footage(subject)
    video = open_video(source)
    with live() as on_progress:
        source_track = detect_poses(video, person=source_person, accept_damaged=accept_damaged, on_progress=on_progress)
        found = measure_coverage(source_track, target.track, training_frames=training_frames)
        if out is not None:
            title = f"Coverage of {source.name} by the footage of {target.name}"
            draw_coverage_plot(found, video, out, target_video=footage, title=title, on_progress=on_progress)
    if json is not None:
        with complete_or_absent(json) as temporary:
            temporary.write_text(dumps(found.to_json(), indent=1, allow_nan=False), encoding="utf-8")
    for sentence in (found.summary, *cut_warnings(video, source_track)):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(_parts(found))
    if found.ranges:
        console.print(_ranges(found))
    if out is not None:
        console.print(str(out), markup=False, highlight=False, soft_wrap=True)


def _require_outputs(out: Path | None, json: Path | None, source: Path, subject: Path) -> None:
    """Raises OutputError for names that are inputs, are the same or cannot be written."""
    from dancenow.errors import OutputError
    from dancenow.storage.atomic_io import require_writable

    for path, suffix in ((out, ".png"), (json, "")):
        if path is not None:
            if subject.resolve() in (path.resolve(), *path.resolve().parents) or path.resolve() == source.resolve():
                raise OutputError(f"{path} is or belongs to an input; choose another output name.")
            require_writable(path, suffix)
    if out is not None and json is not None and out.resolve() == json.resolve():
        raise OutputError(f"--out and --json are both {out}; give two names.")


def _footage(path: Path) -> "tuple[Target, VideoSource | None, NDArray[np.bool_] | None]":
    """Load the target of a subject folder or a model, its video (folders only) and the mask of its training frames."""
    from dancenow.generators.registry import load_model
    from dancenow.subject.subject import Subject
    from dancenow.subject.target_appearance import Target

    if path.is_file():
        return Target.of_checkpoint(load_model(path)), None, None
    opened = Subject.open(path)
    return Target.of_subject(opened), opened.source, opened.manifest.in_split("train", opened.track.time_s)


def _parts(found: "Coverage") -> "Table":
    import numpy as np
    from rich.table import Table

    from dancenow.subject.coverage import UNCOVERED_DISTANCE

    table = Table(title="distance from the footage, in body heights")
    for column in ("", "typical", "worst tenth", "covered"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in {"whole body": found.distance, **found.parts}.items():
        known = values[np.isfinite(values)]
        figures = f"{np.median(known):.3f}", f"{np.percentile(known, 90):.3f}", f"{(known <= UNCOVERED_DISTANCE).mean():.0%}"
        table.add_row(name, *figures)
    return table


def _ranges(found: "Coverage") -> "Table":
    from rich.table import Table

    from dancenow.report.coverage_plot import format_time

    table = Table(title="not covered")
    for column in ("from", "to", "what", "advice"):
        table.add_column(column, no_wrap=column in ("from", "to"))
    for each in found.ranges:
        table.add_row(format_time(each.start_s), format_time(each.stop_s), each.what, each.advice)
    return table
