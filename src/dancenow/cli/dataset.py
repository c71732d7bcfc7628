"""`dancenow dataset`: makes, checks, describes, packs and opens datasets of single dancers.

The work is in `dancenow.research.dataset`; making one needs the `studio` extra.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from dancenow.research.dataset.findings import Report


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
    """Render a dataset of dancers whom nobody filmed: exact poses, masks and faces, the same dance on several bodies, CC0.

    The same command goes on where an interrupted one stopped; with more identities or dances it goes on from a smaller dataset.

    Args:
        out: the folder to make.
        identities: how many people; each has a build, face, hair, clothes and room of their own, drawn at random.
        dances: how many dances; everybody dances every one of them.
        seconds: length of each clip.
        size: width and height of the picture in px.
        fps: frame rate, such as 30 or 30000/1001.
        seed: of everything; the same seed gives the same dataset.
        processes: how many clips to render at once; as many as there are cores is fastest.
        split: shares of train, val and test, of people, of dances and of the time of each clip.
        crf: of the videos' compression, x264's; lower is better and larger.
    """
    from dancenow.cli.console import live, report
    from dancenow.research.dataset.make import make_dataset
    from dancenow.research.dataset.plan import DatasetConfig

    config = DatasetConfig(identities, dances, seconds, size, fps, seed, _shares(split), crf)
    with live() as on_progress:
        made = make_dataset(out, config, processes=processes, on_progress=on_progress)
    megabytes = sum(entry.bytes for entry in made.entries) / 1e6
    report(out, f"{len(made.entries)} clips of {len(made.identities)} people, {made.num_frames} frames, {megabytes:.1f} MB.")


def validate(
    dataset: tyro.conf.Positional[Path],
    detector: int = 0,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Check a dataset, shards, or a folder of subjects: hashes, consent, splits, coverage, poses, faces. Status 1 if it fails.

    Args:
        dataset: folder that `dataset make` or `dataset package` made, a subject, or a folder of subjects.
        detector: compare so many clips with the pose detector; takes a while.
        json: write everything that was found as JSON, and nothing else.
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
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    url: str | None = None,
) -> None:
    """Describe a dataset: a datasheet (README.md), a table of clips (clips.csv) and Croissant metadata (croissant.json).

    Args:
        dataset: folder that `dataset make` made, a subject, or a folder of subjects.
        out: the folder to write into, which must not be one of shards; by default the dataset's own.
        url: where the dataset will be found.
    """
    from dancenow.cli.console import live, report
    from dancenow.errors import OptionError
    from dancenow.research.dataset.card import write_card
    from dancenow.research.dataset.source import ShardSource, open_source
    from dancenow.research.dataset.validate import validate

    source, folder = open_source(dataset), out if out is not None else dataset
    if out is None and isinstance(source, ShardSource):
        raise OptionError(f"{dataset} is packed and has its card already; give another folder with -o to write one.")
    with live() as on_progress:
        facts = validate(source, on_progress=on_progress).facts
    for path in write_card(source, folder, facts, url=url):
        report(path)


def package(
    dataset: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    shard_mb: float = 256.0,
) -> None:
    """Pack a valid dataset into shards (tar files in the WebDataset layout) with checksums, index and card.

    Args:
        dataset: folder that `dataset make` made, a subject, or a folder of subjects.
        out: the new folder for the shards; the same dataset gives the same bytes.
        shard_mb: about how large a shard may become.
    """
    from dancenow.cli.console import live, report
    from dancenow.research.dataset.package import package

    with live() as on_progress:
        packed = package(dataset, out, shard_mb=shard_mb, on_progress=on_progress)
    report(out, f"{len(packed.dataset.entries)} clips in {len(packed.shards)} shards.")


def open_dataset(
    shards: tyro.conf.Positional[Path],
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    clips: tuple[str, ...] = (),
    identity: str | None = None,
    protocol: Literal["time", "dance"] = "time",
    list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Take clips out of shards, or one person as a subject to train on.

    Args:
        shards: folder that `dataset package` made; with --identity also one that `dataset make` made.
        out: the new folder; a subject folder with --identity.
        clips: names of the clips to take out; by default all.
        identity: make a subject of this person, with exact poses, to be given to `dancenow train`.
        protocol: what of their clips is for training: time (the first part of each) or dance (those of the dances of train).
        list: show what is in the shards, and stop.
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
        raise OptionError("say where the clips go with -o FOLDER, or use --list to see what there is.")
    if identity is not None and clips:
        raise OptionError("give --clips or --identity, not both.")
    with live() as on_progress:
        if identity is not None:
            person_subject(source, identity, out, protocol=protocol, on_progress=on_progress)
        else:
            unpack(shards, out, clips, on_progress=on_progress)
    report(out)


def _show(found: "Report") -> None:
    """The table of checks, that of people, and every finding in a sentence."""
    from collections import Counter

    from rich.box import SIMPLE
    from rich.table import Table

    from dancenow.cli.console import console
    from dancenow.research.dataset.findings import CHECKS

    checks = Table("check", "found", "what holds if nothing is found", box=SIMPLE)
    for name in found.checked:
        found_here = Counter(finding.level for finding in found.findings if finding.check == name)
        said = [f"{count} {level}{'s' * (count > 1)}" for level, count in sorted(found_here.items())]
        checks.add_row(name, ", ".join(said) or "nothing", CHECKS[name])
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
    for p in found.facts.people:
        facing, face = f"{100 * p.front:.0f}/{100 * p.side:.0f}/{p.back:.0%}", f"{p.face_visible:.0%} {p.face_px:.0f}px"
        people.add_row(
            p.identity, str(p.clips), f"{p.seconds:.0f}", str(p.distinct_poses), facing, f"{p.moves:.0%}", face,
            f"{p.missing:.0%}", f"{p.jumps:.0f}/min", f"{p.cut:.0%}",
        )  # fmt: skip
    console.print(checks, people)
    for finding in found.findings:
        console.print(f"{finding.level}: {finding.what}.", markup=False, highlight=False, soft_wrap=True)
    console.print("not valid" if found.errors else "valid", highlight=False)


def _shares(text: str) -> tuple[float, float, float]:
    from dancenow.errors import OptionError

    try:
        train, val, test = (float(part) for part in text.split(":"))
        if not (min(train, val, test) >= 0 and 0 < train < float("inf") and val + test < float("inf")):
            raise ValueError(text)
    except ValueError as error:
        raise OptionError(f"cannot read the split {text!r}; write train:val:test, such as 60:20:20.") from error
    whole = train + val + test
    return train / whole, val / whole, test / whole


_Action = (
    Annotated[Any, tyro.conf.subcommand(name="make", constructor=make)]
    | Annotated[Any, tyro.conf.subcommand(name="validate", constructor=validate)]
    | Annotated[Any, tyro.conf.subcommand(name="card", constructor=card)]
    | Annotated[Any, tyro.conf.subcommand(name="package", constructor=package)]
    | Annotated[Any, tyro.conf.subcommand(name="open", constructor=open_dataset)]
)


def dataset(action: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[_Action]]) -> None:
    """Make, check, describe, pack and open datasets of single dancers."""
