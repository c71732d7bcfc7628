"""What `dancenow batch` shows while it runs: a bar for each step, also where two have the same name."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dancenow.batch import run_batch as run_batch_module
from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import read_jobs
from dancenow.batch.run_batch import BatchOptions, BatchState, RunningStep, run_batch
from dancenow.cli import console
from dancenow.cli.batch import _shown
from dancenow.storage import pretrained
from helpers.batch_world import InlineEngine, write_a_line
from helpers.drawn_world import dancer_track, film


def test_steps_of_one_name_have_a_bar_each(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(console, "stderr", Console(file=screen, force_terminal=True, width=120))
    running = {"1": RunningStep("model of me.mp4", "training", 0.2), "2": RunningStep("model of me.mp4", "waiting", 0.0)}
    with _shown() as show:
        show(BatchState(3, [], running))
    last = screen.getvalue().rpartition("jobs ")[2]  # the screen is drawn several times
    assert last.count("model of me.mp4") == 2
    assert "training" in last
    assert "waiting" in last


def test_models_of_one_person_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretrained, "fetch_all", lambda *_: None)
    monkeypatch.setattr(run_batch_module, "require_signer", lambda: None)
    monkeypatch.setattr(run_batch_module, "RayEngine", InlineEngine)
    film(tmp_path / "dance.mp4", dancer_track(9))
    film(tmp_path / "me.mp4", dancer_track(12))
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("source,target,out,budget\n" + "".join(f"dance.mp4,me.mp4,{n},{n}m\n" for n in (1, 2, 3)))
    out = tmp_path / "out"
    out.mkdir()
    most = 0

    def count(state: BatchState) -> None:
        nonlocal most
        most = max(most, [step.label for step in state.running.values()].count("model of me.mp4"))

    options = BatchOptions(device="cpu")
    run_batch(read_jobs(jobs, Settings(consent="self")), out, options, on_state=count, do=write_a_line)
    assert most == 2
