"""The server is told to stop: it ends in order, and says one sentence."""

import signal
import sys
from pathlib import Path

import pytest

from helpers.web_server import drawn_process

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are closed without a signal")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_server_that_is_told_to_stop_ends_with_one_sentence(name: str, tmp_path: Path) -> None:
    if signal.getsignal(signal.Signals[name]) is signal.SIG_IGN:
        pytest.skip(f"whoever started the tests ignores {name}, as nohup does")
    with drawn_process(tmp_path) as (process, _):
        process.send_signal(signal.Signals[name])
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 130
        assert "Traceback" not in said
        assert "interrupted" in said
