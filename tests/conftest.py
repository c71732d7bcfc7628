"""Every test has a cache of its own and one thread per library: runs are alike, and two cores are enough."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dancenow.subject.subject import Subject
from dancenow.types import Pose, PoseTrack
from helpers.bodies import standing_body, swaying_track
from helpers.drawn_world import make_subject


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _sigint_interrupts() -> None:
    """Shells start background programs with SIGINT ignored; tests of interrupted commands need it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Certificates and withdrawn consents of the person at the keyboard are not touched."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DANCENOW_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def drawn_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The drawn dancer as a prepared subject; do not write to it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder: Path = tmp_path_factory.mktemp("drawn")
        monkeypatch.setenv("DANCENOW_CACHE", str(folder / "cache"))
        # What stood in for the detector goes when this is made: other tests want the real one.
        return make_subject(folder, monkeypatch)


@pytest.fixture
def standing() -> Callable[[float, float, float], Pose]:
    """Makes somebody who stands: hips at x, y, and height, in px."""
    return standing_body


@pytest.fixture
def swaying() -> Callable[..., PoseTrack]:
    """Makes the track of somebody who sways."""
    return swaying_track
