"""The queue: one job at a time, the others in turn; jobs are stopped and go on, and survive the end of the server."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dancenow.errors import ConsentError, InputError, OutputError
from dancenow.provenance.consent import consent
from dancenow.web.job import Job, Settings
from dancenow.web.job_queue import JobQueue
from dancenow.web.job_store import JobStore

PROGRAM = """
import json, os, pathlib, select, sys, time
folder = pathlib.Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
with open(folder.parent.parent / "order.txt", "a") as order:
    order.write(job["source_label"] + " ")
end = time.monotonic() + (20 if "slow" in job["source_label"] and not (folder / "begun").exists() else 0.0)
(folder / "begun").touch()
while time.monotonic() < end:
    if select.select([0], [], [], 0.02)[0] and not os.read(0, 10):
        sys.exit(3)
if "crash" in job["source_label"]:
    os.abort()
outcome = {"state": "waiting" if job["step"] == "check" else "done"}
if "full" in job["source_label"]:
    sys.exit(2)
if "bad" in job["source_label"]:
    outcome = {"state": "failed", "error": "nobody was found."}
(folder / "check.json").write_text('{"advice": []}')
(folder / "outcome.json").write_text(json.dumps(outcome))
"""
"""Works as the process of a job does, at once; a slow one the first time until its input closes."""


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "data")


@pytest.fixture
def start(store: JobStore, tmp_path: Path) -> Iterator[Callable[[], JobQueue]]:
    program, queues = tmp_path / "program.py", list[JobQueue]()
    program.write_text(PROGRAM)

    def started() -> JobQueue:
        queues.append(JobQueue(store, (sys.executable, "-S", str(program))))
        return queues[-1]

    yield started
    for queue in queues:
        queue.close()


def add(store: JobStore, label: str, owner: str = "") -> Job:
    path = store.data.parent / "upload.mp4"
    path.write_bytes(b"x")
    return store.add(owner, path, None, (label, "me"))


def wait_for(store: JobStore, job: Job, *states: str) -> Job:
    end = time.monotonic() + 20
    while (found := store.get(job.number)).state not in states:
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def order(store: JobStore) -> list[str]:
    return (store.data / "order.txt").read_text().split()


def test_a_job_is_checked_waits_for_consent_and_becomes_a_video(store: JobStore, start: Callable[[], JobQueue]) -> None:
    queue, job = start(), add(store, "dance")
    wait_for(store, job, "waiting")
    with pytest.raises(ConsentError, match="who is in the video"):
        queue.start_video(job.number, "", Settings(), None)
    queue.start_video(job.number, "", Settings(budget="2m"), consent("rendered"))
    done = wait_for(store, job, "done")
    assert done.settings.budget == "2m"
    assert done.consent is not None
    assert done.consent["kind"] == "rendered"


def test_jobs_run_in_turn_and_checks_come_first(store: JobStore, start: Callable[[], JobQueue]) -> None:
    queue, first = start(), add(store, "slow")
    wait_for(store, first, "running")
    video = store.update(add(store, "video"), step="video")
    check = add(store, "check")
    assert [each.source_label for each in queue.waiting()] == ["check", "video"]
    assert [each.source_label for each in queue.ahead_of(video)] == ["slow", "check"]
    with pytest.raises(InputError, match="already active"):
        queue.resume(check.number, "")
    queue.stop(first.number, "", "cancelled")
    wait_for(store, video, "done")
    assert order(store) == ["slow", "check", "video"]


def test_a_paused_job_goes_on(store: JobStore, start: Callable[[], JobQueue]) -> None:
    queue, job = start(), add(store, "slow")
    wait_for(store, job, "running")
    queue.stop(job.number, "", "paused")
    assert wait_for(store, job, "paused").can_resume
    queue.resume(job.number, "")
    wait_for(store, job, "waiting")
    assert order(store) == ["slow", "slow"]


def test_a_job_survives_the_end_of_the_server(store: JobStore, start: Callable[[], JobQueue]) -> None:
    first, job = start(), add(store, "slow")
    wait_for(store, job, "running")
    first.close()
    assert store.get(job.number).state == "running"
    start()
    wait_for(store, job, "waiting")


def test_failures_are_told_and_do_not_stop_the_queue(store: JobStore, start: Callable[[], JobQueue]) -> None:
    bad, crash, good = add(store, "bad"), add(store, "crash"), add(store, "good")
    queue = start()
    wait_for(store, good, "waiting")
    assert store.get(bad.number).error == "nobody was found."
    assert "ended unexpectedly" in store.get(crash.number).error
    assert {queue.resume(each.number, "").state for each in (bad, crash)} == {"queued"}


def test_a_full_disk_fails_a_job_and_does_not_end_the_queue(
    store: JobStore, start: Callable[[], JobQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dancenow.web.job_queue._RETRY_S", 0.05)
    blocked, save = threading.Event(), JobStore.save

    def save_or_fail(store: JobStore, job: Job) -> Job:
        if job.state in ("failed", "waiting") and not blocked.is_set():
            blocked.set()
            raise OutputError("the disk is full.")
        return save(store, job)

    monkeypatch.setattr(JobStore, "save", save_or_fail)
    full, good = add(store, "full"), add(store, "good")
    queue = start()
    assert "its disk is full" in wait_for(store, full, "failed").error
    assert blocked.is_set()
    wait_for(store, good, "waiting")
    assert queue.resume(full.number, "").state == "queued"


def test_a_queued_job_is_cancelled_at_once_and_only_by_its_owner(store: JobStore, start: Callable[[], JobQueue]) -> None:
    queue, running = start(), add(store, "slow", "ann")
    job = add(store, "dance", "ann")
    wait_for(store, running, "running")
    attempts: tuple[Callable[[], Job], ...] = (
        lambda: queue.stop(running.number, "bob", "cancelled"),
        lambda: queue.resume(running.number, "bob"),
        lambda: queue.check_again(job.number, "bob", Settings()),
        lambda: queue.start_video(job.number, "bob", Settings(), consent("rendered")),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match="there is no such job"):
            attempt()
    assert queue.stop(job.number, "ann", "cancelled").state == "cancelled"


def test_a_video_needs_a_check_first(store: JobStore, start: Callable[[], JobQueue]) -> None:
    queue, job = start(), add(store, "bad")
    wait_for(store, job, "failed")
    (store.folder(job.number) / "check.json").unlink()
    with pytest.raises(InputError, match="not checked"):
        queue.start_video(job.number, "", Settings(), consent("self"))
