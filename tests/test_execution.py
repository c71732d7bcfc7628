"""`Execution`: devices, precision and threads, without side effects on the rest of the process."""

import threading
from collections.abc import Callable

import pytest
import torch

from dancenow.errors import Cancelled, DeviceError, OptionError
from dancenow.execution import Execution, limited_threads, spare_threads
from dancenow.progress import CancelToken, Progress, ignore_progress, with_cancel


def in_thread(function: Callable[[], int]) -> int:
    """Call a function in a new thread and return its result."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_auto_chooses_a_device_that_torch_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Execution.auto() == Execution("cpu")
    assert Execution.auto("cpu").torch_device == torch.device("cpu")
    with pytest.raises(DeviceError, match="no CUDA device"):
        Execution.auto("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Execution.auto().torch_device == torch.device("cuda")
    assert Execution.auto("cuda:1").torch_device == torch.device("cuda", 1)


def test_unknown_devices_and_numbers_of_threads_are_refused() -> None:
    with pytest.raises(OptionError, match="no device 'abacus'"):
        Execution.auto("abacus")
    with pytest.raises(OptionError, match="1 or more"):
        Execution.auto("cpu", threads=0)


def test_float32_never_computes_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.execution.cpu_has_bfloat16", lambda: True)
    assert Execution("cpu").has_bfloat16
    assert not Execution("cpu", precision="float32").has_bfloat16


def test_a_limit_on_threads_holds_in_its_own_thread_only() -> None:
    before = torch.get_num_threads()

    def limited() -> int:
        with limited_threads(3):
            inside = torch.get_num_threads()
            assert in_thread(torch.get_num_threads) == before
        assert torch.get_num_threads() == before
        return inside

    assert in_thread(limited) == 3
    assert limited() == 3
    assert torch.get_num_threads() == before


def test_a_new_thread_computes_within_the_limit() -> None:
    """Torch sets the number of a new thread's threads at its first use, which must not undo the limit."""

    def limited() -> int:
        with Execution(threads=2).limited_threads():
            torch.ones(1 << 16).add(1)
            return torch.get_num_threads()

    assert in_thread(limited) == 2
    assert spare_threads() >= 1


def test_a_cancelled_call_stops_at_the_next_event() -> None:
    token, events = CancelToken(), list[float]()
    report = with_cancel(lambda event: events.append(event.done), token)
    report(Progress("step", 1))
    assert not token.is_cancelled
    thread = threading.Thread(target=token.cancel)
    thread.start()
    thread.join()
    with pytest.raises(Cancelled):
        report(Progress("step", 2))
    assert events == [1]
    assert token.is_cancelled


def test_a_callback_that_cancels_stops_its_own_event() -> None:
    execution = Execution()
    with pytest.raises(Cancelled):
        execution.reporting(lambda _event: execution.cancel.cancel())(Progress("step", 1))
    Execution().reporting(ignore_progress)(Progress("step", 1))  # every execution has a token of its own
