"""`dancenow dataset`: make, validate, describe, pack and open datasets of single dancers.

The work is in `dancenow.research.dataset`; `make` needs the `studio` extra.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dancenow.cli.options import Flag, Many, Maybe, MaybeOut, Out

if TYPE_CHECKING:
    from dancenow.research.dataset.findings import ValidationReport


def make(
    out: tyro.conf.Positional[Path],
    identities: int,
    dances: int,
    seconds: float = 10.0,
    size: int = 512,
    fps: str = "30",
    seed: int = 0,
    processes: int = 1,
    split: str = "60:20:20",
    crf: int = 18,
) -> None:
    """Render a dataset of synthetic dancers (CC0) with exact poses and masks.

    - Several bodies perform every dance.
    - Run the same command again to continue, also with a larger number of
      identities or dances.

    Args:
        out: Dataset folder to write.
        identities: Number of people.
            Body, face, hair, clothes and room are random.
        dances: Number of dances; everybody performs all of them.
        seconds: Length of each clip.
        size: Width and height in px.
        fps: Frame rate, such as 30 or 30000/1001.
        seed: Random seed; the same seed gives the same dataset.
        processes: Clips to render in parallel; the number of cores is fastest.
        split: Fractions of train, val and test.
            For people, for dances, and for the time of each clip.
        crf: x264 constant rate factor; lower is better and larger.
    """
    from dancenow.cli.console import live, report
    from dancenow.research.dataset.make import make_dataset
    from dancenow.research.dataset.plan import DatasetConfig

    config = DatasetConfig(identities, dances, seconds, size, fps, seed, _split_fractions(split), crf)
    with live() as on_progress:
        result = make_dataset(out, config, processes=processes, on_progress=on_progress)
    megabytes = sum(entry.bytes for entry in result.entries) / 1e6
    num_clips, num_people = len(result.entries), len(result.identities)
    report(out, f"{num_clips} clips of {num_people} people, {result.num_frames} frames, {megabytes:.1f} MB.")


def validate(
    dataset: tyro.conf.Positional[Path],
    detector: int = 0,
    json: Flag = False,
) -> None:
    """Check a dataset, shards, or subject folders. Exit status 1 if it fails.

    - Checks hashes, consent, splits, coverage, poses and faces.

    Args:
        dataset: Folder of `dataset make` or `dataset package`, a subject,
            or a folder of subjects.
        detector: Compare this many clips with the pose detector; slow.
        json: Print all findings as JSON and nothing else.
    """
    from json import dumps

    from dancenow.cli.console import console, live
    from dancenow.research.dataset.source import open_source
    from dancenow.research.dataset.validate import validate

    with live() as on_progress:
        found = validate(open_source(dataset), detector=detector, on_progress=on_progress)
    if json:
        console.out(dumps(found.to_json(), indent=1), highlight=False)
    else:
        _show(found)
    sys.exit(1 if found.errors else 0)


def card(
    dataset: tyro.conf.Positional[Path],
    out: MaybeOut = None,
    url: Maybe[str] = None,
) -> None:
    """Write the card of a dataset: README.md, clips.csv and croissant.json.

    Args:
        dataset: Folder of `dataset make`, a subject, or a folder of subjects.
        out: Folder to write to, not a folder of shards.
            By default the dataset itself.
        url: Where the dataset will be published.
    """
    from dancenow.cli.console import live, report
    from dancenow.errors import OptionError
    from dancenow.research.dataset.card import write_card
    from dancenow.research.dataset.source import ShardSource, open_source
    from dancenow.research.dataset.validate import validate

    source, folder = open_source(dataset), out if out is not None else dataset
    if out is None and isinstance(source, ShardSource):
        raise OptionError(f"{dataset} is packed and already has a card; choose another folder with -o.")
    with live() as on_progress:
        statistics = validate(source, on_progress=on_progress).statistics
    for path in write_card(source, folder, statistics, url=url):
        report(path)


def package(
    dataset: tyro.conf.Positional[Path],
    out: Out,
    shard_mb: float = 256.0,
) -> None:
    """Pack a valid dataset into shards: tar files, checksums, index and card.

    Args:
        dataset: Folder of `dataset make`, a subject, or a folder of subjects.
        out: New folder for the shards.
            The same dataset gives the same bytes.
        shard_mb: Approximate maximum size of a shard in MB.
    """
    from dancenow.cli.console import live, report
    from dancenow.research.dataset.package import package

    with live() as on_progress:
        packed = package(dataset, out, shard_mb=shard_mb, on_progress=on_progress)
    report(out, f"{len(packed.dataset.entries)} clips in {len(packed.shards)} shards.")


def open_dataset(
    shards: tyro.conf.Positional[Path],
    out: MaybeOut = None,
    clips: Many[str] = (),
    identity: Maybe[str] = None,
    protocol: Literal["time", "dance"] = "time",
    list: Flag = False,
) -> None:
    """Extract clips from shards, or one person as a subject to train on.

    Args:
        shards: Folder of `dataset package`.
            With --identity also one of `dataset make`.
        out: New folder; with --identity a subject folder.
        clips: Names of the clips to extract; by default all.
        identity: Make a subject of this person for `dancenow train`.
            It has exact poses.
        protocol: Which of their clips are for training.
            time: the first part of every clip.
            dance: the dances of the train split.
        list: List what the shards contain, and exit.
    """
    from dancenow.cli.console import console, live, report
    from dancenow.errors import OptionError
    from dancenow.research.dataset.package import unpack
    from dancenow.research.dataset.person import person_subject
    from dancenow.research.dataset.source import open_source
    from dancenow.research.dataset.table import table_text

    source = open_source(shards)
    if list:
        console.out(table_text(source), end="", highlight=False)
        return
    if out is None:
        raise OptionError("give the output folder with -o FOLDER, or use --list to list the clips.")
    if identity is not None and clips:
        raise OptionError("--clips and --identity cannot be combined; give one of them.")
    with live() as on_progress:
        if identity is not None:
            person_subject(source, identity, out, protocol=protocol, on_progress=on_progress)
        else:
            unpack(shards, out, clips, on_progress=on_progress)
    report(out)


def _show(found: "ValidationReport") -> None:
    """Print a table of checks, a table of people, and one sentence per finding."""
    from collections import Counter

    from rich.box import SIMPLE
    from rich.table import Table

    from dancenow.cli.console import console
    from dancenow.research.dataset.findings import CHECKS

    checks = Table("check", "findings", "requirement", box=SIMPLE)
    for name in found.checked:
        counts = Counter(finding.level for finding in found.findings if finding.check == name)
        summary = [f"{count} {level}{'s' * (count > 1)}" for level, count in sorted(counts.items())]
        checks.add_row(name, ", ".join(summary) or "none", CHECKS[name])
    people = Table(
        "person",
        "clips",
        "s",
        "poses",
        "front/side/back",
        "moves",
        "face",
        "lost",
        "jumps",
        "cut",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for p in found.statistics.people:
        facing, face = f"{100 * p.front:.0f}/{100 * p.side:.0f}/{p.back:.0%}", f"{p.face_visible:.0%} {p.face_px:.0f}px"
        people.add_row(
            p.identity, str(p.clips), f"{p.seconds:.0f}", str(p.distinct_poses), facing, f"{p.moves:.0%}", face,
            f"{p.missing:.0%}", f"{p.jumps:.0f}/min", f"{p.cut:.0%}",
        )  # fmt: skip
    console.print(checks, people)
    for finding in found.findings:
        console.print(f"{finding.level}: {finding.what}.", markup=False, highlight=False, soft_wrap=True)
    console.print("not valid" if found.errors else "valid", highlight=False)


def _split_fractions(text: str) -> tuple[float, float, float]:
    from dancenow.errors import OptionError

    try:
        train, val, test = (float(part) for part in text.split(":"))
        if not (min(train, val, test) >= 0 and 0 < train < float("inf") and val + test < float("inf")):
            raise ValueError(text)
    except ValueError as error:
        raise OptionError(f"cannot read the split {text!r}; write train:val:test, such as 60:20:20.") from error
    total = train + val + test
    return train / total, val / total, test / total


_Action = (
    Annotated[Any, tyro.conf.subcommand(name="make", constructor=make)]
    | Annotated[Any, tyro.conf.subcommand(name="validate", constructor=validate)]
    | Annotated[Any, tyro.conf.subcommand(name="card", constructor=card)]
    | Annotated[Any, tyro.conf.subcommand(name="package", constructor=package)]
    | Annotated[Any, tyro.conf.subcommand(name="open", constructor=open_dataset)]
)


def dataset(action: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[_Action]]) -> None:
    """Make, validate, describe, pack and open datasets of single dancers."""
