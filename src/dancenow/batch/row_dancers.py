"""Who dances in a row of a CSV file: the person of one target, or several dancers by the numbers of people in the source.

A column that can differ between dancers holds one value, or a value for each, as in `1=me.mp4; 2=friend.mp4`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dancenow.batch.job_settings import OF_CONSENT, Settings, number_in
from dancenow.errors import ConsentError, InputError, OptionError

WHO: Final = ("target", "dancer")
"""Columns that say who dances; a row fills one of them."""
PERSONAL: Final = ("target_person", *OF_CONSENT)
"""Columns that can differ between the dancers of a row."""

_NUMBERED: Final = re.compile(r"\d+\s*=")
_Person = tuple[str, int | None]
"""Who is in the footage of a dancer: the file, and the number of the person in it."""


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
        _require_no_numbers(settings)
        own = defaults.changed(_in_folder(settings, folder))
        return (RowDancer(own.source_person, folder / target, own),)
    if target is not None:
        raise OptionError("target and dancer cannot be combined; give everyone who dances in the column dancer.")
    if "source_person" in settings:
        raise OptionError("several dancers have their own numbers; leave source_person empty.")
    files = _by_number("dancer", cast)
    people = _people(files, settings.get("target_person"), folder, defaults)
    personal: dict[str, dict[int, str]] = {
        name: _each(name, settings.pop(name), people) for name in PERSONAL if name in settings
    }
    _require_own_consents(people, personal, defaults)
    dancers = []
    for number, file in files.items():
        own_cells = settings | {name: texts[number] for name, texts in personal.items() if number in texts}
        dancers.append(RowDancer(number, folder / file, defaults.changed(_in_folder(own_cells, folder))))
    return tuple(dancers)


def _require_no_numbers(cells: Mapping[str, str]) -> None:
    for name in PERSONAL:
        if _NUMBERED.match(cells.get(name, "")):
            raise OptionError(
                f"{name} {cells[name]!r} has a number, and numbers go with the column dancer; give one value for the target, or"
                " dancers as 1=me.mp4; 2=friend.mp4."
            )


def _people(files: Mapping[int, str], cell: str | None, folder: Path, defaults: Settings) -> dict[int, _Person]:
    """The person in the footage of each dancer. cell: that of the column target_person."""
    texts = {} if cell is None else _each("target_person", cell, dict.fromkeys(files, ("", None)))
    numbers = {number: number_in("target_person", text) for number, text in texts.items()}
    return {number: (_resolved(folder / file), numbers.get(number, defaults.target_person)) for number, file in files.items()}


def _resolved(file: Path) -> str:
    """The same for all names of a file."""
    try:
        return os.path.realpath(file)
    except ValueError:  # no file has such a name; whoever opens it says so
        return str(file)


def _each(name: str, text: str, people: Mapping[int, _Person]) -> dict[int, str]:
    """The value of each dancer in a cell, which holds one for all or some by number. A consent for all is of one person."""
    if not _NUMBERED.match(text):
        if name in OF_CONSENT and len(set(people.values())) > 1:
            raise ConsentError(f"{name} {text!r} is of one person; write whose it is, as in {min(people)}={text}.")
        return dict.fromkeys(people, text)
    values = _by_number(name, text)
    stranger = next((number for number in values if number not in people), None)
    if stranger is not None:
        raise OptionError(f"{name} names person {stranger}, whose part nobody dances; there are {', '.join(map(str, people))}.")
    return values


def _require_own_consents(people: Mapping[int, _Person], personal: Mapping[str, Mapping[int, str]], defaults: Settings) -> None:
    """Refuse a consent in the options that would count for several people. A license there may be that of several, whose
    names the row gives.
    """
    if len(set(people.values())) < 2 or (defaults.consent is None and defaults.consent_file is None):
        return
    own = ("consent", "consent_file", *(("person_name",) if defaults.consent == "licensed" else ()))
    silent = next((number for number in people if not any(number in personal.get(name, ()) for name in own)), None)
    if silent is not None:
        raise ConsentError(
            "the consent in the options is of one person, and several dance here; give each their own in a column consent or"
            f" consent_file, as in {silent}=self."
        )


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
