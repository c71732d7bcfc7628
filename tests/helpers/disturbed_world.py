"""Stand-ins for the networks of commands that `research.robustness.chaos` disturbs: drawn dancers, and a tiny model.

`PYTHONPATH=src:tests python -m dancenow.research.robustness.chaos --stand-ins helpers.disturbed_world ...`
"""

import os
import sys
from pathlib import Path

import pytest

from dancenow.web import server
from helpers import web_server
from helpers.drawn_world import dancer_track, film
from helpers.tiny_model import smaller_dancer
from helpers.web_world import draw_instead_of_detecting


def write_clips(folder: Path) -> None:
    """The videos of the dance and of the person."""
    film(folder / "source.mp4", smaller_dancer(10))
    film(folder / "target.mp4", dancer_track(52))


def stand_in() -> None:
    """Let this process see drawn dancers, and the jobs of its page, too. Its cache and home stay."""
    folder, places = Path(os.environ["TMPDIR"]), {name: os.environ[name] for name in ("DANCENOW_CACHE", "DANCENOW_HOME")}
    command, monkeypatch = [sys.executable, web_server.__file__, str(folder)], pytest.MonkeyPatch()
    draw_instead_of_detecting(folder, monkeypatch)
    monkeypatch.setattr(server, "job_command", lambda seconds: (*command, str(seconds)))
    os.environ.update(places)
