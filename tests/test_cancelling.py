"""Cancelling prepare, train, transfer and run from another thread, and the files that remain."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow import pipeline
from dancenow.errors import Cancelled
from dancenow.execution import Execution
from dancenow.media.source import read_frames
from dancenow.progress import Progress
from dancenow.provenance.consent import consent
from dancenow.rendering.transfer_warnings import model_warnings
from dancenow.storage.checkpoint import read_info
from dancenow.subject.prepare import prepare
from dancenow.training.loop import state_path
from helpers.drawn_world import dancer_track, film
from helpers.tiny_model import smaller_dancer
from test_pipeline import drawn_world, videos

__all__ = ["drawn_world", "videos"]  # fixtures

pytestmark = pytest.mark.slow  # end-to-end runs of a few seconds each

RENDERED = consent("rendered")


class Canceller:
    """A progress callback that cancels from another thread once a stage has reached `done`."""

    def __init__(self, stage: str, done: float) -> None:
        self.execution = Execution.auto("cpu")
        self.after = 0
        """Events after cancelling."""
        self._stage, self._done = stage, done

    def __call__(self, event: Progress) -> None:
        if self.execution.cancel.is_cancelled:
            self.after += 1
        elif event.stage == self._stage and event.done >= self._done:
            thread = threading.Thread(target=self.execution.cancel.cancel)
            thread.start()
            thread.join()


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_cancelled_prepare_leaves_no_files(videos: tuple[Path, Path], tmp_path: Path) -> None:
    before, listen = files_in(tmp_path), Canceller("background", 2)
    with pytest.raises(Cancelled):
        prepare(videos[1], tmp_path / "subject", execution=listen.execution, on_progress=listen)
    assert listen.after == 0
    assert [name for name in files_in(tmp_path) if not name.startswith("cache")] == before
    assert prepare(videos[1], tmp_path / "subject").manifest.num_frames == 60


def test_a_cancelled_training_is_resumed_to_the_same_model(videos: tuple[Path, Path], tmp_path: Path) -> None:
    subject = prepare(videos[1], tmp_path / "subject", consent=RENDERED).folder
    listen, model = Canceller("training", 0.5), tmp_path / "model.safetensors"
    with pytest.raises(Cancelled):
        pipeline.train(subject, model, budget="20images", face="none", execution=listen.execution, on_progress=listen)
    assert listen.after == 0
    assert read_info(state_path(model)).images_seen == 10
    assert ["50% of its budget" in told for told in model_warnings(model, read_info(model))] == [True]
    pipeline.train(subject, model, budget="20images", face="none", resume=True, device="cpu")
    unbroken = pipeline.train(subject, tmp_path / "unbroken.safetensors", budget="20images", face="none", device="cpu")
    first, second = (load_tensors(path) for path in (model, unbroken))
    assert all(torch.equal(first[name], second[name]) for name in second)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_a_cancelled_transfer_leaves_no_files(videos: tuple[Path, Path], tmp_path: Path) -> None:
    model = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images", report=False).model
    before, listen = files_in(tmp_path), Canceller("generating", 5)
    with pytest.raises(Cancelled):
        pipeline.transfer(videos[0], model, tmp_path / "again.mp4", execution=listen.execution, on_progress=listen)
    assert listen.after == 0
    assert files_in(tmp_path) == before
    pipeline.transfer(videos[0], model, tmp_path / "again.mp4")
    for one, two in zip(read_frames(tmp_path / "out.mp4"), read_frames(tmp_path / "again.mp4"), strict=True):
        assert np.array_equal(one.image_rgb, two.image_rgb)


def test_a_cancelled_run_resumes_where_it_stopped(videos: tuple[Path, Path], tmp_path: Path) -> None:
    listen, shares = Canceller("training", 0.5), list[float]()
    with pytest.raises(Cancelled):
        pipeline.run(
            *videos, tmp_path / "out.mp4", consent=RENDERED, budget="40images", execution=listen.execution, on_progress=listen
        )
    assert not (tmp_path / "out.mp4").exists()

    def watch(event: Progress) -> None:
        if event.stage == "training":
            shares.append(event.done)

    pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="40images", on_progress=watch)
    assert shares[0] > 0.5


def process_state() -> dict[str, object]:
    """The process state that a call must not change."""
    return {
        "threads": torch.get_num_threads(),
        "stderr": sys.stderr,
        "stderr file": os.fstat(2),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
    }


@pytest.mark.parametrize("step", ["train", "transfer"])
def test_the_process_is_not_changed(step: str, tmp_path: Path) -> None:
    subject = prepare(film(tmp_path / "target.mp4", dancer_track(60)), tmp_path / "subject", consent=RENDERED).folder
    source, model = film(tmp_path / "source.mp4", smaller_dancer(24)), tmp_path / "model.safetensors"
    states: list[dict[str, object]] = []
    before = process_state()

    def look(_event: Progress) -> None:
        states.append(in_another_thread(process_state))
        states.append(process_state())

    train = pipeline.train(
        subject, model, budget="6images", face="none", on_progress=look if step == "train" else lambda _: None
    )
    if step == "transfer":
        pipeline.transfer(source, train, tmp_path / "out.mp4", on_progress=look)
    assert len(states) >= 4
    for state in (*states, process_state(), in_another_thread(process_state)):
        assert state == before


def in_another_thread(function: Callable[[], dict[str, object]]) -> dict[str, object]:
    found: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
