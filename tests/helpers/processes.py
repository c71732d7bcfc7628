"""Programs in several processes, as `torchrun` starts them."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def start_together(count: int, module: str, *words: str, **variables: str) -> list[tuple[int, str, str]]:
    """Status, output and standard error of each of `count` processes of a module. variables: of their environment."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    common = {"PYTHONPATH": path, "WORLD_SIZE": str(count), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), **variables}
    started = [_start([sys.executable, "-m", module, *words], common | {"RANK": str(rank)}) for rank in range(count)]
    said = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, out, error) for process, (out, error) in zip(started, said, strict=True)]


def _start(command: list[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    environment = os.environ | variables
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
