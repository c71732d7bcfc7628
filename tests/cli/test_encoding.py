"""File names in any bytes, on consoles of any encoding: the result is there, and its name is printed so that it can be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys
from pathlib import Path
from dancenow.cli import main as cli, pose
from dancenow.cli.console import report
def stands_in(video: Path, out: Path) -> None:
    "Write a file."
    out.write_text("result")
    report(out, f"a note on {video}")
pose.pose = stands_in
cli.main(["pose", "--video", sys.argv[1], "--out", sys.argv[2]])
"""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "cp1252"])
def test_a_name_that_the_console_cannot_write_loses_no_result(encoding: str, tmp_path: Path) -> None:
    out = os.fsencode(tmp_path) + b"/\xff \xe6\x97\xa5.npz"  # a byte that is no text, and one Japanese character
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "DANCENOW_CACHE": str(tmp_path / "cache")}
    command = [os.fsencode(sys.executable), b"-c", _PROGRAM.encode(), b"d\xc3\xa9j\xc3\xa0.mp4", out]
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr.decode("ascii", "replace")
    printed = done.stdout.rstrip(b"\r\n")
    assert printed == (out if encoding == "utf-8" else out.replace(b"\xe6\x97\xa5", rb"\u65e5"))
    assert b"a note on d" in done.stderr
    assert Path(os.fsdecode(out)).read_text() == "result"


def test_what_the_system_refuses_is_one_sentence(tmp_path: Path) -> None:
    program = "\n".join([
        "import errno, os, sys",
        "from dancenow.cli import main as cli, weights",
        "def refused() -> None:",
        "    'Read a file.'",
        "    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), b'/secret/\\xff')",
        "weights.weights = refused",
        "cli.main(['weights'])",
    ])  # fmt: skip
    environment = {**os.environ, "DANCENOW_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=environment)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert b"/secret/\xff: Permission denied; check its permissions" in done.stderr
