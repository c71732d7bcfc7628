"""Stand-ins for the networks of commands that `research.robustness.chaos` disturbs: drawn dancers, and a tiny model.

`PYTHONPATH=$PWD/src:$PWD/tests python -m dancenow.research.robustness.chaos --stand-ins helpers.disturbed_world ...`
"""

import os
import sys
from functools import cache, partial
from pathlib import Path

import pytest

from dancenow.batch import run_batch
from dancenow.batch.plan import Step
from dancenow.batch.work import StepReport, WorkerSettings, do_step
from dancenow.progress import ProgressCallback
from dancenow.storage import pretrained
from dancenow.web import run_job, server
from helpers.drawn_world import dancer_track, film
from helpers.tiny_model import smaller_dancer
from helpers.web_world import draw_instead_of_detecting


def write_clips(folder: Path) -> None:
    """The videos of the dance and of the person."""
    film(folder / "source.mp4", smaller_dancer(10))
    film(folder / "target.mp4", dancer_track(52))


def stand_in() -> None:
    """Let this process, the jobs of its page and the workers of its batch see drawn dancers. Its cache and home stay."""
    folder, places = Path(os.environ["TMPDIR"]), {name: os.environ[name] for name in ("DANCENOW_CACHE", "DANCENOW_HOME")}
    monkeypatch = pytest.MonkeyPatch()
    draw_instead_of_detecting(folder, monkeypatch)
    monkeypatch.setattr(server, "job_command", lambda seconds: (sys.executable, __file__, str(seconds)))
    monkeypatch.setattr(run_batch, "run_batch", partial(run_batch.run_batch, do=do_drawn_step))
    monkeypatch.setattr(pretrained, "fetch_all", lambda *_: None)
    os.environ.update(places)


def do_drawn_step(step: Step, worker_settings: WorkerSettings, on_progress: ProgressCallback) -> StepReport:
    """What a worker does with a step, where it sees drawn dancers."""
    _stand_in_once()
    return do_step(step, worker_settings, on_progress)


@cache
def _stand_in_once() -> None:
    stand_in()


if __name__ == "__main__":  # the process of a job
    stand_in()
    run_job.main()
