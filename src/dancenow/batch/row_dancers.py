"""Who dances in a row of a CSV file: the person of one target, or several dancers by the numbers of people in the source.

A column that can differ between dancers holds one value, or a value for each, as in `1=me.mp4; 2=friend.mp4`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dancenow.batch.job_settings import OF_CONSENT, Settings
from dancenow.errors import ConsentError, InputError, OptionError

WHO: Final = ("target", "dancer")
"""Columns that say who dances; a row fills one of them."""
PERSONAL: Final = ("target_person", *OF_CONSENT)
"""Columns that can differ between the dancers of a row."""


@dataclass(frozen=True)
class RowDancer:
    """Who dances in a job. source_person: whose part, None for the one who is followed by default. settings: those of the job,
    with what the row says of this dancer alone.
    """

    source_person: int | None
    target: Path
    settings: Settings


def read_dancers(cells: Mapping[str, str], folder: Path, defaults: Settings) -> tuple[RowDancer, ...]:
    """The dancers of a row, of which `cells` are the settings and the columns in `WHO`. Files are relative to `folder`.

    Raises:
        UserError: nobody dances, or a cell makes no sense.
    """
    target, cast = cells.get("target"), cells.get("dancer")
    settings = {name: text for name, text in cells.items() if name not in WHO}
    if cast is None:
        if target is None:
            raise InputError("the target is empty; give a target, or dancers as 1=me.mp4; 2=friend.mp4.")
        own = defaults.changed(_in_folder(settings, folder))
        return (RowDancer(own.source_person, folder / target, own),)
    if target is not None:
        raise OptionError("target and dancer cannot be combined; give everyone who dances in the column dancer.")
    if "source_person" in settings:
        raise OptionError("several dancers have their own numbers; leave source_person empty.")
    files = _by_number("dancer", cast)
    personal = {name: _each(name, settings.pop(name), files) for name in PERSONAL if name in settings}
    dancers = []
    for number, file in files.items():
        own_cells = settings | {name: texts[number] for name, texts in personal.items() if number in texts}
        dancers.append(RowDancer(number, folder / file, defaults.changed(_in_folder(own_cells, folder))))
    return tuple(dancers)


def _each(name: str, text: str, files: Mapping[int, str]) -> dict[int, str]:
    """The value of each dancer in a cell, which holds one for all or some by number."""
    if not re.match(r"\d+\s*=", text):
        if name in OF_CONSENT and len(set(files.values())) > 1:
            raise ConsentError(f"{name} {text!r} is of one person; write whose it is, as in {min(files)}={text}.")
        return dict.fromkeys(files, text)
    values = _by_number(name, text)
    stranger = next((number for number in values if number not in files), None)
    if stranger is not None:
        raise OptionError(f"{name} names person {stranger}, whose part nobody dances; there are {', '.join(map(str, files))}.")
    return values


def _by_number(name: str, text: str) -> dict[int, str]:
    """`1=A; 2=B` as a mapping, in this order."""
    values: dict[int, str] = {}
    for entry in text.rstrip("; ").split(";"):
        number, _, value = (part.strip() for part in entry.partition("="))
        if not (value and number.isascii() and number.isdecimal() and int(number) > 0):
            example = "1=me.mp4; 2=friend.mp4" if name == "dancer" else "1=...; 2=..."
            raise OptionError(
                f"cannot read {entry.strip()!r} in the column {name}; write it as {example}, with the numbers of people in the"
                " source."
            )
        if int(number) in values:
            raise OptionError(f"{name} gives person {int(number)} twice; give everyone one.")
        values[int(number)] = value
    return values


def _in_folder(cells: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Cells with the consent file as a path from the present folder."""
    return {name: str(folder / text) if name == "consent_file" else text for name, text in cells.items()}
