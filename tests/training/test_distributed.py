"""Training on two processes: equal weights, one file, resuming on another number, and errors that end both."""

import json
from pathlib import Path
from typing import Any

import pytest

from dancenow.storage.checkpoint import read_info
from dancenow.subject.subject import Subject
from dancenow.training import distributed
from dancenow.training.loop import state_path
from helpers.processes import start_together

pytestmark = pytest.mark.slow  # processes that load torch


def start(count: int, subject: Subject, folder: Path, runs: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Status and standard error of each process."""
    ends = start_together(count, "helpers.training_process", str(subject.folder), str(folder), json.dumps(runs))
    return [(status, error) for status, _, error in ends]


def test_two_processes_train_one_model_that_one_process_resumes(drawn_subject: Subject, tmp_path: Path) -> None:
    runs = [
        {"family": "crop", "model": "a.safetensors", "images": 8},
        {"family": "crop", "model": "b.safetensors", "images": 4},
        {"family": "crop", "model": "b.safetensors", "images": 8, "resume": True},
        {"family": "edn", "model": "c.safetensors", "images": 4},
    ]
    assert start(2, drawn_subject, tmp_path, runs) == [(0, ""), (0, "")]
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert one == other
    assert one[0] != one[1]
    for name, images in (("a", 8), ("b", 8), ("c", 4)):
        info = read_info(tmp_path / f"{name}.safetensors")
        assert (info.images_seen, info.trained_fraction) == (images, 1.0)
    assert not list(tmp_path.glob(".dancenow-*"))
    alone = {"family": "crop", "model": "a.safetensors", "images": 12, "resume": True}
    assert start(1, drawn_subject, tmp_path, [alone]) == [(0, "")]
    assert read_info(tmp_path / "a.safetensors").images_seen == 12


def test_an_error_of_one_process_ends_both_with_one_sentence(drawn_subject: Subject, tmp_path: Path) -> None:
    runs = [{"family": "crop", "model": "a.safetensors", "images": 40, "fails": 1}]
    ends = start(2, drawn_subject, tmp_path, runs)
    assert all(status for status, _ in ends)
    assert [error for _, error in ends] == ["", "dancenow: the footage is gone.\n"]
    assert not state_path(tmp_path / "a.safetensors").exists()


def test_alone_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.joined_processes():
        assert (distributed.world_size(), distributed.rank(), distributed.share(3), distributed.whole(3)) == (1, 0, 3, 3)
        assert distributed.agree(2.5, stop=True) == (2.5, True)
