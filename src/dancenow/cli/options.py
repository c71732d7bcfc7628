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


def normalization(name: str) -> "RetargetingKind":
    """The value of --normalize under its current name; says so where an old one was given."""
    from dancenow.cli.console import message
    from dancenow.pose.retargeting.registry import OLD_KINDS, current_kind

    if name in OLD_KINDS:
        message(f"--normalize {name} is now called --normalize {OLD_KINDS[name]}; the old name goes in the next version.")
        name = OLD_KINDS[name]
    return current_kind(name)
