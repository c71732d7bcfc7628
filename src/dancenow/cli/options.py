"""Types of command line options that several commands share.

The lines of an argument's description in a docstring are the lines of its help text, so each is one short sentence.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import tyro

if TYPE_CHECKING:
    from dancenow.pose.retargeting.registry import RetargetingKind

T = TypeVar("T")

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")]
"""`--name` if the default is False, `--no-name` if it is True; the description says what giving the flag does."""

Maybe = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]
"""An option that may be left out; its help text does not end in "(default: None)"."""

Many = Annotated[tuple[T, ...], tyro.conf.arg(help_behavior_hint="")]
"""Any number of values, by default none."""

Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]

MaybeOut = Annotated[Path | None, tyro.conf.arg(aliases=["-o"], help_behavior_hint="")]

Preset = Annotated[str, tyro.conf.arg(metavar="NAME")]
"""A name of `generators.presets.presets`; not a `Literal`, so that a new generator family changes no command."""

Scene = Annotated[str, tyro.conf.arg(metavar="target|source|transparent|COLOR|FILE")]
"""What `rendering.scenes.open_scene` takes."""

Dancers = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="dancer", metavar="NUMBER=FILE", help_behavior_hint="")
]
"""`--dancer 1=me.mp4 --dancer 2=friend.mp4`: what `parse_dancers` reads."""


def parse_dancers(texts: tuple[str, ...], one: Path | None, name: str) -> Path | dict[int, Path]:
    """Who dances: one file, given as the argument `name`, or files by number of a person in the source.

    Raises:
        UserError: a text is not NUMBER=FILE, a number is given twice, or both or neither are given.
    """
    from dancenow.errors import OptionError

    if not texts:
        if one is None:
            raise OptionError(f"nobody dances yet: give {name}, or --dancer NUMBER=FILE for each person of SOURCE.")
        return one
    if one is not None:
        raise OptionError(f"{one} and --dancer cannot be combined; give everyone who dances with --dancer NUMBER=FILE.")
    dancers: dict[int, Path] = {}
    for text in texts:
        number, equals, file = text.partition("=")
        if not (equals and file and number.isascii() and number.isdecimal() and int(number) > 0):
            raise OptionError(
                f"cannot read --dancer {text}; write it as 1=me.mp4: the number of a person in SOURCE and a file."
            )
        if int(number) in dancers:
            raise OptionError(f"--dancer gives person {int(number)} twice; give everyone one dancer.")
        dancers[int(number)] = Path(file)
    return dancers


def normalization(name: str) -> "RetargetingKind":
    """The value of --normalize under its current name; says so where an old one was given."""
    from dancenow.cli.console import message
    from dancenow.pose.retargeting.registry import OLD_KINDS, current_kind

    if name in OLD_KINDS:
        message(f"--normalize {name} is now called --normalize {OLD_KINDS[name]}; the old name goes in the next version.")
        name = OLD_KINDS[name]
    return current_kind(name)
