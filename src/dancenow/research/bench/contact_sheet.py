"""Contact sheets: a few frames of a result beside the truth, as one image to look at.

They show the clips that were measured, so they are kept in the cache and copied beside a result into a folder that git ignores.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.types import ImageRGB, Plate

SHEET_KEY: Final = "sheet"
"""Key of a record with the file name of its contact sheet."""
_STAGE: Final = "bench/sheets"
_CELL_HEIGHT_PX: Final = 360
_LABEL_HEIGHT_PX: Final = 22
_DIFFERENCE_GAIN: Final = 2
_UNKNOWN_RGB: Final = (255, 0, 255)


@dataclass(frozen=True, eq=False)
class SheetRow:
    """Images of any size side by side, each with a label."""

    labels: tuple[str, ...]
    images_rgb: tuple[ImageRGB, ...]


def contact_sheet(rows: Sequence[SheetRow]) -> ImageRGB:
    """The rows below each other, every image at the same height."""
    lines = [
        np.concatenate([_cell(image, label) for label, image in zip(row.labels, row.images_rgb, strict=True)], axis=1)
        for row in rows
    ]
    width = max(line.shape[1] for line in lines)
    return np.concatenate([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])


def difference_image(image_rgb: ImageRGB, truth_rgb: ImageRGB) -> ImageRGB:
    """The absolute difference, twice as bright."""
    return np.asarray(cv2.convertScaleAbs(cv2.absdiff(image_rgb, truth_rgb), alpha=_DIFFERENCE_GAIN), np.uint8)


def mark_unknown(plate: Plate) -> ImageRGB:
    """The background plate with a magenta outline around what was never seen."""
    contours, _ = cv2.findContours((~plate.known).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    thickness = max(1, round(max(plate.known.shape) / 400))
    return np.asarray(cv2.drawContours(plate.image_rgb.copy(), contours, -1, _UNKNOWN_RGB, thickness), np.uint8)


def save_sheet(name: str, sheet_rgb: ImageRGB) -> str:
    """Keep a sheet in the cache, the newest of each name; return its file name, for the record."""
    file = f"{name}.png"
    with complete_or_absent(cache_dir(_STAGE) / file) as temporary:
        temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet_rgb, cv2.COLOR_RGB2BGR))[1].tobytes())
    return file


def copy_sheets(records: Sequence[Mapping[str, Any]], result: Path) -> None:
    """Copy the sheets of the records beside their result, into a folder that git ignores; there may be none."""
    files = [cache_dir(_STAGE) / str(record[SHEET_KEY]) for record in records if SHEET_KEY in record]
    present = [file for file in files if file.is_file()]  # a record of another machine has none here
    if not present:
        return
    folder = result.with_name(f"{result.stem}-sheets")
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n", "utf-8")
    for file in present:
        shutil.copyfile(file, folder / file.name)


def _cell(image_rgb: ImageRGB, label: str) -> ImageRGB:
    height, width = image_rgb.shape[:2]
    size = max(1, round(width * _CELL_HEIGHT_PX / height)), _CELL_HEIGHT_PX
    cell = np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    cell = np.pad(cell, ((_LABEL_HEIGHT_PX, 2), (0, 4), (0, 0)))
    return np.asarray(
        cv2.putText(cell, label, (3, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA), np.uint8
    )
