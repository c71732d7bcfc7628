"""Base weights on two processes: equal weights, files of the first one alone, resuming on another number, one sentence."""

from pathlib import Path

import pytest

from dancenow.storage.checkpoint import read_info
from helpers.base_process import write_people
from helpers.processes import start_together

pytestmark = pytest.mark.slow  # processes that load torch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_people(tmp_path)
    return tmp_path


def train(count: int, folder: Path, recipe: str, images: int, *, stops: bool = False) -> list[tuple[int, str, str]]:
    """Train a recipe on some processes; their ends. The model is `out.safetensors`."""
    out = folder / "out.safetensors"
    words = {
        "base": ["-o", str(out), "--packs", str(folder / "packs"), "--held-out", "1", "--record", str(folder / "record")],
        "reference_base": [str(folder / "people"), str(out), "--people", "3", "--held-out", "1"],
        "face_base": ["-o", str(out)],
    }
    stopping = "stops" if stops else "ends"
    return start_together(
        count, "helpers.base_process", str(folder), recipe, stopping, *words[recipe], "--images", str(images),
        DANCENOW_CACHE=str(folder / "cache"),
    )  # fmt: skip


def files(folder: Path) -> set[str]:
    """The files that a training wrote beside its people."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if name.split("/")[0] not in ("packs", "people", "cache")} - {"rank0.txt", "rank1.txt"}


@pytest.mark.parametrize(
    ("recipe", "written"),
    [
        ("base", {"record/base.json", "record/base.safetensors", "record/preview.png"}),
        ("reference_base", {"out.preview.png", "out.resume.safetensors"}),
        ("face_base", set()),
    ],
)
def test_two_processes_train_one_base_that_one_process_resumes(recipe: str, written: set[str], folder: Path) -> None:
    ends = train(2, folder, recipe, 4, stops=True)
    assert [(status, error) for status, _, error in ends] == [(0, ""), (0, "")]
    assert ends[1][1] == "", "the first process alone prints"
    digests = [(folder / f"rank{number}.txt").read_text() for number in range(2)]
    assert digests[0] == digests[1]
    assert (folder / "out.resume.safetensors").exists()
    ((status, said, error),) = train(1, folder, recipe, 8)
    assert (status, error) == (0, "")
    assert "out.safetensors" in said
    assert (folder / "rank0.txt").read_text() != digests[0]
    assert files(folder) == written | {"out.safetensors"}
    assert (read_info(folder / "out.safetensors").images_seen, read_info(folder / "out.safetensors").trained_fraction) == (8, 1)


def test_bad_input_is_one_sentence_of_one_process(folder: Path) -> None:
    for path in (folder / "packs").iterdir():
        path.unlink()
    ends = train(2, folder, "base", 4)
    assert sorted(status for status, _, _ in ends) == [2, 2]
    said = "".join(error for _, _, error in ends)
    assert said.count("\n") == 1, said
    assert said.startswith("base: ")
    assert files(folder) == set()
