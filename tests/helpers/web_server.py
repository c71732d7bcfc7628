"""`dancenow web` in a process of its own, whose jobs see drawn dancers: fast, without pretrained files.

As a program, this file is the server (`server FOLDER ARGUMENTS...`) or the process of one job (`FOLDER MAX_SECONDS JOB`).
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TESTS = Path(__file__).parent.parent


@contextmanager
def drawn_server(folder: Path, *arguments: str, passwords: str = "", host: str = "127.0.0.1") -> Iterator[int]:
    """The running server; gives its port. Arguments as `drawn_process`."""
    with drawn_process(folder, *arguments, passwords=passwords, host=host) as (_, port):
        yield port


@contextmanager
def drawn_process(
    folder: Path, *arguments: str, passwords: str = "", host: str = "127.0.0.1"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The running server's process, and its port. folder: of all it writes. passwords: the content of the password file."""
    if passwords:
        (folder / "passwords.txt").write_text(passwords)
        arguments = (*arguments, "--password-file", str(folder / "passwords.txt"))
    port = _free_port()
    words = [sys.executable, __file__, "server", str(folder), "--data", str(folder / "data"), "--port", str(port), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + 60
            while not _answers(host, port):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < end, "the server does not start"
                time.sleep(0.1)
            yield process, port
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def _serve(folder: Path, arguments: list[str]) -> None:
    import pytest

    from dancenow.cli.main import main
    from dancenow.web import server

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DANCENOW_CACHE", str(folder / "cache"))
        monkeypatch.setenv("DANCENOW_HOME", str(folder / "home"))
        monkeypatch.setattr(server, "job_command", lambda seconds: (sys.executable, __file__, str(folder), str(seconds)))
        main(["web", *arguments])


def _run_job(folder: Path, max_seconds: int, job: Path) -> int:
    import pytest
    import torch

    from dancenow.progress import CancelToken
    from dancenow.web.run_job import cancel_at_end_of, run_job
    from helpers.web_world import draw_instead_of_detecting

    torch.set_num_threads(1)
    token = CancelToken()
    cancel_at_end_of(sys.stdin.buffer, token)
    with pytest.MonkeyPatch.context() as monkeypatch:
        draw_instead_of_detecting(folder, monkeypatch)
        return run_job(job, token, max_seconds)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        _serve(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(_run_job(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
