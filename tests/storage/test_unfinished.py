"""What a killed process leaves is removed at the next start, at once; what a living one writes is not touched."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache_pruning import remove_leftovers
from dancenow.storage.unfinished import remove_abandoned, remove_own, unfinished_folder

_WRITE = """
import signal, sys, time
from pathlib import Path
from dancenow.storage import atomic_io
place = Path(sys.argv[1])
{patch}
with atomic_io.complete_or_absent(place) as temporary:
    temporary.mkdir() if place.suffix == "" else None
    (temporary / "text" if place.suffix == "" else temporary).write_text("new")
    {halfway}
"""


def write_in_another_process(place: Path, *, patch: str = "", halfway: str = "") -> subprocess.Popen[str]:
    program = _WRITE.format(patch=patch, halfway=halfway)
    return subprocess.Popen([sys.executable, "-c", program, str(place)], stdout=subprocess.PIPE, text=True)


def test_a_living_process_keeps_its_files_and_a_killed_one_leaves_none(tmp_path: Path) -> None:
    writer = write_in_another_process(tmp_path / "a.txt", halfway="print('half', flush=True); time.sleep(60)")
    assert writer.stdout is not None
    assert writer.stdout.readline() == "half\n"
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1, "a living process writes there"
    writer.kill()
    writer.communicate()
    with complete_or_absent(tmp_path / "b.txt") as temporary:
        temporary.write_text("other")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_folder_whose_writer_was_killed_between_two_renames_is_whole(tmp_path: Path) -> None:
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "text").write_text("old")
    patch = "\n".join([
        "import os, signal, pathlib",
        "rename = pathlib.Path.replace",
        "def killed(self, to):",
        "    os.kill(os.getpid(), signal.SIGKILL) if pathlib.Path(to) == place else None",
        "    return rename(self, to)",
        "pathlib.Path.replace = killed",
    ])  # fmt: skip
    writer = write_in_another_process(tmp_path / "me", patch=patch)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert not (tmp_path / "me").exists()
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["me"]
    assert (tmp_path / "me" / "text").read_text() == "new"


def test_a_process_that_ends_at_once_removes_its_own_files(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path) as folder:
        (folder / "half.mp4").write_text("half")
        remove_own()
        assert list(tmp_path.iterdir()) == []


def test_what_belongs_to_others_or_is_a_link_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign, elsewhere = tmp_path / ".dancenow-foreign", tmp_path / "elsewhere"
    for folder in (foreign, elsewhere):
        folder.mkdir()
        (folder / "lock").touch()
    (tmp_path / ".dancenow-link").symlink_to(elsewhere)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    remove_abandoned(tmp_path)
    assert foreign.is_dir()
    monkeypatch.undo()
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dancenow-link", "elsewhere"]
    assert (elsewhere / "lock").exists()
    shutil.rmtree(elsewhere)


def test_an_interruption_while_a_folder_is_removed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = Path.unlink

    def interrupted(self: Path, missing_ok: bool = False) -> None:
        if self.name == "text":
            monkeypatch.setattr(Path, "unlink", unlink)
            raise KeyboardInterrupt
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt), unfinished_folder(tmp_path) as folder:
        (folder / "text").touch()
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "text"]
    remove_own()
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_in_the_cache_goes_with_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path))
    for stage in ("cameras", "bench/cells"):
        place = tmp_path / stage / "entry.txt"
        write_in_another_process(place, halfway="import os; os.kill(os.getpid(), 9)").communicate()
        assert list(place.parent.iterdir())
    remove_leftovers()
    assert [path for stage in ("cameras", "bench/cells") for path in (tmp_path / stage).iterdir()] == []
