"""`dancenow batch`: many transfers on many workers."""

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from dancenow.cli.options import Maybe, Out, Preset, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from dancenow.batch.run_batch import BatchState
    from dancenow.batch.summary import Summary


def batch(
    jobs: tyro.conf.Positional[Path],
    out: Out,
    workers: Maybe[int] = None,
    address: Maybe[str] = None,
    storage: Maybe[str] = None,
    retries: int = 2,
    part_s: float = 60.0,
    budget: str = "10m",
    preset: Preset = "draft",
    normalize: Literal["auto", "none", "paper", "stn", "skeletal"] = "auto",
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    camera: Literal["still", "follow"] = "still",
    scene: Scene = "target",
    keep: Literal["none", "lower", "upper"] = "none",
    consent: Maybe[Literal["self", "rendered", "licensed"]] = None,
    person_name: Maybe[str] = None,
    licence: Maybe[str] = None,
    consent_file: Maybe[Path] = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Do all transfers of JOBS, at the same time where there are workers.

    - Needs the extra `cluster`.
    - Started again, it does only what is missing.
    - Exit status 1 says that some jobs failed.

    Args:
        jobs: CSV file whose first line names its columns.
            source,target,out are needed; others are options
            of this command, source_person and target_person.
            Several dancers: dancer instead of target, in it
            1=me.mp4; 2=friend.mp4
            Or a folder with sources/ and targets/, all combined.
        out: Folder of the videos and summary.json.
        workers: Worker processes on this machine; one per core by default.
        address: Address of a Ray cluster, instead of this machine.
        storage: Folder or URL (s3://...) where results are kept.
            By default the folder .results in OUT.
        retries: How often a step is repeated whose worker was lost.
        part_s: Videos longer than two parts of this many seconds are
            rendered in parts, which join without a seam.
        budget: Training time (90s, 4m, 1.5h) or images (20000images).
        preset: Model size and training recipe, see `dancenow run --help`.
        normalize: How to fit the source body to the target body.
        face: Face network, trained in the last part of the budget.
        camera: Where the camera of a target moved, look from one place
            (still), or move as it did (follow).
            follow goes with --scene target only.
        scene: What is around the person, see `dancenow run --help`.
        keep: Half of the body that stands still, see `dancenow run --help`.
        consent: Who is in the targets. Required once per target.
            self: you.
            rendered: nobody real.
            licensed: another person, under --licence.
        person_name: Name of the person in all targets.
        licence: SPDX identifier of the license of all targets.
        consent_file: JSON or TOML file instead of the three options above.
            See `dancenow run --help`.
        seed: Random seed.
        device: Where to compute; auto uses the GPU if there is one.
    """
    from dancenow.batch.job_settings import Settings
    from dancenow.batch.jobs import read_jobs
    from dancenow.batch.run_batch import SUMMARY, BatchOptions, run_batch
    from dancenow.cli import console

    defaults = Settings(
        budget, preset, normalize, face, camera, scene, keep, seed, consent=consent, person_name=person_name, licence=licence,
        consent_file=None if consent_file is None else str(consent_file),
    )  # fmt: skip
    options = BatchOptions(workers, address, storage, retries, part_s, device)
    with _shown() as on_state, redirect_stdout(StringIO()):  # Ray reports each lost worker there
        summary = run_batch(read_jobs(jobs, defaults), out, options, on_state=on_state)
    _report(summary)
    console.report(out / SUMMARY)
    if summary.failures:
        raise SystemExit(1)


def _report(summary: "Summary") -> None:
    from dancenow.cli.console import message

    for failure in summary.failures:
        message(f"failed: {failure.job.out} ({failure.job.place}): {failure.error}")
    counts = summary.to_json()["counts"]
    message(f"{counts['done']} done, {counts['kept']} kept, {counts['failed']} failed, in {summary.seconds:.0f} s")


@contextmanager
def _shown() -> "Iterator[Callable[[BatchState], None]]":
    """A listener that draws a bar for all jobs and one for each running step; without a terminal, a line for each job."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from dancenow.cli.console import message, stderr

    printed = 0

    def print_ended(state: "BatchState") -> None:
        nonlocal printed
        for result in state.results[printed:]:
            message(f"[{len(state.results)} of {state.num_jobs}] {result.state}: {result.job.out} {result.error}".rstrip())
        printed = len(state.results)

    if not stderr.is_terminal:
        yield print_ended
        return
    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn(), TextColumn("[dim]{task.fields[note]}"))
    with Progress(*columns, console=stderr) as bars:
        total = bars.add_task("jobs", total=None, note="")
        shown: dict[str, TaskID] = {}

        def show(state: "BatchState") -> None:
            failed = sum(result.state == "failed" for result in state.results)
            note = f"{len(state.results)} of {state.num_jobs}" + (f", {failed} failed" if failed else "")
            bars.update(total, completed=len(state.results), total=state.num_jobs, note=note)
            for key in [key for key in shown if key not in state.running]:
                bars.remove_task(shown.pop(key))
            for key, step in state.running.items():
                if key not in shown:
                    shown[key] = bars.add_task(step.label, total=1.0, note=step.stage)
                bars.update(shown[key], completed=step.fraction, note=step.stage)

        yield show
