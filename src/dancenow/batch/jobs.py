"""The jobs of a batch as people write them: a CSV file with a row per job, or a folder with sources and targets.

Everything that can be wrong with a job is found here, before any work starts, and named with its line.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Final

from dancenow.batch.job_settings import Settings
from dancenow.batch.row_dancers import PERSONAL, WHO, RowDancer, read_dancers
from dancenow.errors import InputError, UserError

COLUMNS: Final = ("source", *WHO, "out")
"""What a row says besides settings."""


@dataclass(frozen=True)
class JobRow:
    """One job. place: how errors name it, such as "jobs.csv, line 3". out: the video, relative to the folder of the batch.
    settings: what all dancers share.
    """

    place: str
    source: Path
    dancers: tuple[RowDancer, ...]
    out: PurePosixPath
    settings: Settings


def read_jobs(path: Path, defaults: Settings) -> list[JobRow]:
    """Read the jobs of a CSV file or a folder. defaults: settings that a row does not give.

    Paths in a file are relative to its folder. A folder holds the folders `sources` and `targets`; every target dances every
    source.

    Raises:
        UserError: there are no jobs, or one of them makes no sense; the line is named.
    """
    rows = list(_of_folder(path, defaults) if path.is_dir() else _of_csv(path, defaults))
    if not rows:
        raise InputError(f"{path} holds no jobs.")
    taken: dict[str, str] = {}
    for row in rows:
        other = taken.setdefault(str(row.out).casefold(), row.place)
        if other != row.place:
            raise InputError(f"{row.place}: {row.out} is also the video of {other}; give each job a video of its own.")
    return rows


def _of_csv(path: Path, defaults: Settings) -> Iterator[JobRow]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _require_columns(path, header)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _row(path, reader.line_num, header, [cell.strip() for cell in cells], defaults)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a CSV file in UTF-8.") from error
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: the line is no valid CSV ({error}).") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a CSV file or a folder of jobs.") from error


def _require_columns(path: Path, header: list[str]) -> None:
    known = (*COLUMNS, *(each.name for each in fields(Settings)))
    unknown = [name for name in header if name not in known]
    needed = ("source", "out") if "dancer" in header else ("source", "target", "out")
    missing = next((name for name in needed if name not in header), None)
    if missing is not None:
        raise InputError(f"{path}, line 1: the column {missing!r} is missing; the first line names the columns.")
    if unknown or len(set(header)) < len(header):
        name = unknown[0] if unknown else next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path}, line 1: the column {name!r} is unknown or given twice; there are {', '.join(known)}.")


def _row(path: Path, line: int, header: list[str], cells: list[str], defaults: Settings) -> JobRow:
    place = f"{path}, line {line}"
    if len(cells) != len(header):
        raise InputError(f"{place}: there are {len(cells)} values for {len(header)} columns.")
    values = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    empty = next((name for name in ("source", "out") if name not in values), None)
    if empty is not None:
        raise InputError(f"{place}: the {empty} is empty.")
    source, out = path.parent / values.pop("source"), _out_name(place, values.pop("out"))
    if "scene" in values and (path.parent / values["scene"]).is_file():
        values["scene"] = str(path.parent / values["scene"])
    try:
        dancers = read_dancers(values, path.parent, defaults)
        shared = defaults.changed({name: text for name, text in values.items() if name not in (*WHO, *PERSONAL)})
    except UserError as error:
        raise type(error)(f"{place}: {error}") from error
    return JobRow(place, source, dancers, out, shared)


def _out_name(place: str, text: str) -> PurePosixPath:
    name = PurePosixPath(text.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or not name.name or name.parts[0].startswith(".") or ":" in text:
        raise InputError(f"{place}: the video {text!r} must be a name inside the folder of the batch.")
    return name if name.suffix else name.with_name(f"{name.name}.mp4")


def _of_folder(path: Path, defaults: Settings) -> Iterator[JobRow]:
    files = {name: sorted(_visible_files(path / name)) for name in ("sources", "targets")}
    for name, found in files.items():
        if not found:
            raise InputError(
                f"the folder {path} holds no videos in {name}/; put the dances in sources/ and people in targets/."
            )
    for target in files["targets"]:
        for source in files["sources"]:
            out = PurePosixPath(f"{target.stem}-dances-{source.stem}.mp4")
            dancer = RowDancer(defaults.source_person, target, defaults)
            yield JobRow(f"{target} and {source}", source, (dancer,), out, defaults)


def _visible_files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
