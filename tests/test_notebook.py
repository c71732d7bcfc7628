"""The cells of the example notebook, run in order on drawn videos; no notebook program is needed for that."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from dancenow.media.source import probe
from test_pipeline import drawn_world, videos

__all__ = ["drawn_world", "videos"]  # fixtures

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[1] / "examples" / "05_notebook.ipynb"


class Shown:
    """What `display` gives: a place on the page, and everything that was in it."""

    places: list["Shown"] = []  # noqa: RUF012  # of all displays

    def __init__(self, content: Any) -> None:
        self.contents = [content]
        self.places.append(self)

    def update(self, content: Any) -> None:
        self.contents.append(content)


class Content:
    """An HTML text, an image or a video to show."""

    def __init__(self, data: Any = None, filename: str = "", embed: bool = False) -> None:
        self.data, self.filename, self.embed = data, filename, embed


@pytest.fixture
def cells(videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The program of every cell; the settings are those of the test."""
    page = types.ModuleType("IPython.display")
    kinds = {name: type(name, (Content,), {}) for name in ("HTML", "Image", "Video")}
    vars(page).update(display=lambda content, display_id=False: Shown(content), **kinds)  # noqa: ARG005
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", page)
    monkeypatch.setattr(Shown, "places", [])
    found = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in found)
    programs = ["".join(cell["source"]) for cell in found]
    programs[0] += (
        f"\nsource, target, out = Path({str(videos[0])!r}), Path({str(videos[1])!r}), Path({str(tmp_path)!r}) / 'out.mp4'"
    )
    return [programs[0] + "\nbudget = '4images'", *programs[1:]]


def run_cell(program: str, names: dict[str, Any]) -> None:
    exec(compile(program, str(NOTEBOOK), "exec"), names)


def test_the_notebook_shows_progress_a_preview_and_the_video(cells: list[str], tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for program in cells:
        run_cell(program, names)
    status, picture, *_, video = Shown.places
    assert "starting" in status.contents[0].data
    assert type(video.contents[0]).__name__ == "Video"
    assert probe(Path(video.contents[0].filename)).num_frames == 36
    assert picture.contents[-1].data.startswith(b"\x89PNG")
    assert (tmp_path / "out.mp4").is_file()


def test_a_cancelled_notebook_goes_on(cells: list[str]) -> None:
    names: dict[str, Any] = {}
    for program in cells[:2]:
        run_cell(program, names)
    names["work"].token.cancel()
    first = names["work"]
    for program in cells[2:]:
        run_cell(program, names)
    assert "cancelled" in Shown.places[0].contents[-1].data
    assert first.result is None
    assert names["work"].result.transfer.num_frames == 36
