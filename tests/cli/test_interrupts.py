"""A command that is told to stop stops soon and leaves nothing, whatever it is busy with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from dancenow.cli import interrupts
from dancenow.storage.atomic_io import complete_or_absent
try:
    with interrupts.handled(grace_s=0.5), complete_or_absent(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        {busy}
except KeyboardInterrupt:
    sys.exit(130)
"""
_POLITE = "time.sleep(60)"
_DEAF = "\n".join(["while True:", "            try: time.sleep(60)", "            except KeyboardInterrupt: pass"])


@pytest.mark.parametrize("busy", [_POLITE, _DEAF], ids=["polite", "deaf"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_command_and_removes_its_files(name: str, busy: str, tmp_path: Path) -> None:
    if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        pytest.skip(f"whoever started the tests ignores {name}, as nohup does")
    command = [sys.executable, "-c", _PROGRAM.format(busy=busy), str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        start_s = time.monotonic()
        process.send_signal(getattr(signal, name))
        process.send_signal(getattr(signal, name))
        assert process.wait(10) == 130
    assert time.monotonic() - start_s < 5
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path: Path) -> None:
    busy = "os.kill(os.getpid(), signal.SIGHUP); time.sleep(0.7); temporary.write_text('whole')"
    program = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + _PROGRAM.format(busy=busy)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out.mp4")], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").read_text() == "whole"


def test_a_pipe_is_no_video_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dance.mp4")
    command = [sys.executable, "-m", "dancenow", "pose", str(tmp_path / "dance.mp4"), "-o", str(tmp_path / "out.npz")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "is a pipe or a device" in done.stderr
    assert done.stderr.count("\n") == 1
