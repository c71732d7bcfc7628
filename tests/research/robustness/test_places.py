"""Commands that are disturbed: they start in their place, are told signals, and are watched to their end."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dancenow.research.robustness import chaos
from dancenow.research.robustness.chaos import Undisturbed, again, kill
from dancenow.research.robustness.places import Place, Running
from dancenow.research.robustness.world import Command
from dancenow.storage.unfinished import PREFIX


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "try").mkdir()
    return Place(tmp_path / "try", tmp_path / "shared")


def start(program: str, place: Place, **options: object) -> Running:
    """A program in a place, in the shape of a command."""
    log = place.folder.parent / "log.txt"
    environment = os.environ | {"DANCENOW_CACHE": str(place.cache)}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-S", "-c", program], stdout=output, stderr=output, env=environment)
    return Running(process.pid, process.poll, log, options.get("is_done", lambda: False))  # type: ignore[arg-type]


def test_a_command_runs_in_its_place(place: Place) -> None:
    status, output = place.start(["cache"], fresh=True).finish(30)
    assert status == 0, output
    assert str(place.cache) in output or "empty" in output or output == ""
    assert place.files() == ["cache", "out"]


def test_a_server_is_told_to_end_when_its_work_is_done(place: Place) -> None:
    server = start("import time; time.sleep(60)", place, is_done=lambda: True)
    assert server.finish(20)[0] == 0
    with pytest.raises(TimeoutError):
        (slow := start("import time; time.sleep(1)", place)).finish(0.05)
    assert (slow.process_id, True) in [(number, "sleep(1)" in words) for number, words in place.helpers()]
    assert slow.finish(20)[0] == 0


class Drawn(Command):
    """Writes a picture slowly. Killed, it leaves an unfinished folder, and removes it when it starts again, unless bad."""

    def start(self, place: Place, **_: object) -> Running:
        folder = place.out / f"{PREFIX}x"
        clean = "" if self.name == "bad" else f"shutil.rmtree({str(folder)!r}, ignore_errors=True); "
        program = (
            f"import os, shutil, time; {clean}os.makedirs({str(folder)!r}, exist_ok=True); time.sleep(0.5)\n"
            f"open({str(place.out / self.result)!r}, 'w').write('whole')\nshutil.rmtree({str(folder)!r}, ignore_errors=True)"
        )
        if self.name == "bad":
            program = program.rpartition("\n")[0]
        return start(program, place)


@pytest.mark.parametrize(("name", "faults"), [("good", []), ("bad", ["unfinished at the end"])])
def test_what_a_command_leaves_is_found(name: str, faults: list[str], place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "fingerprint", lambda path: path.read_text())
    monkeypatch.setattr(chaos, "_SIGNALS", (signal.SIGKILL,))
    command = Drawn(name, "picture.txt")
    start_s = time.monotonic()
    assert command_files(command, place) == ["out", "out/picture.txt"]
    normal = Undisturbed(command, time.monotonic() - start_s, 0.1, "whole", ["out", "out/picture.txt"])
    (place.out / "picture.txt").unlink()
    row = kill(normal, place, random.Random(1), fresh=False)
    assert [fault.partition(":")[0] for fault in row["faults"]][: len(faults)] == faults
    assert bool(row["faults"]) is bool(faults)
    (place.out / "stray.txt").touch()
    assert any("'out/stray.txt'" in fault for fault in again(normal, place))


def command_files(command: Command, place: Place) -> list[str]:
    """Files after an undisturbed run, the unfinished ones left out."""
    place.out.mkdir()
    assert command.start(place).finish(20)[0] == 0
    return [name for name in place.files() if PREFIX not in name]
