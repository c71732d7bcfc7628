"""The queue of the web page: one job runs in a process of its own, the others wait for their turn.

A process works until it is finished or its standard input closes, which happens when the job is paused or cancelled, and
also when the server ends in any way. It then saves its training and leaves; whoever queues the job again goes on from there.
Jobs that ran when the server ended are queued first when it starts again.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dancenow.errors import ConsentError, InputError, UserError
from dancenow.provenance.consent import Consent
from dancenow.web.job import Job, Settings, State
from dancenow.web.job_dancers import Dancer
from dancenow.web.job_store import JobStore

MAX_SECONDS: Final = 600
"""Videos may be this long unless the server says otherwise."""
_POLL_S: Final = 0.1
_PATIENCE_S: Final = 60.0
"""A process that was told to stop may take this long to save its training."""
_RETRY_S: Final = 1.0
FAILED: Final = 2
"""Exit status of a job that failed; without an outcome, it could not even write that."""
_OUTCOMES: Final = ("waiting", "done", "failed")


class JobQueue:
    """Runs the queued jobs of a store in a thread, one after the other. Call `close` at the end.

    command: the program that runs a job, see `job_command`; it gets the job's folder as its last argument.
    """

    def __init__(self, store: JobStore, command: Sequence[str]) -> None:
        self.store, self._command = store, tuple(command)
        self._lock, self._closing = threading.RLock(), threading.Event()
        self._wanted: dict[str, State] = {}
        self._ended: tuple[Job, int] | None = None
        for job in store.all():
            if job.state == "running":
                store.update(job, state="queued")
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the running job, which is resumed by the next server, and wait for that."""
        self._closing.set()
        self._thread.join()

    def start_video(
        self, number: str, owner: str, settings: Settings, consent: Consent | None, others: Sequence[Dancer] = ()
    ) -> Job:
        """Queue the training and the transfer of a checked job. others: with their people and consents.

        Raises:
            ConsentError: the footage shows a person who dances, and nobody's consent is given.
            InputError: there is no such job, it is active, or a video is not checked.
        """
        with self._lock:
            job = self._resting(number, owner)
            check, checked = self.store.read(number, "check.json"), replace(job, others=_same_dancers(job, others))
            if not check or not {each.stem for each in others} <= set(check.get("others", {})):
                raise InputError("the videos of this job are not checked yet; check them first.")
            checked = replace(checked, settings=settings, consent=None if consent is None else vars(consent))
            dancing = checked.cast.values() or checked.dancers
            if any(dancer.consent is None and not dancer.model for dancer in dancing):
                raise ConsentError("say who is in the video and that they agree; without consent nothing is trained.")
            return self._queue(checked, step="video")

    def check_again(self, number: str, owner: str, settings: Settings, others: Sequence[Dancer] = ()) -> Job:
        """Queue the check of a job again, for another person in a video.

        Raises:
            InputError: there is no such job, or it is active.
        """
        with self._lock:
            job = self._resting(number, owner)
            return self._check(replace(job, others=_same_dancers(job, others), settings=settings))

    def add_dancer(self, number: str, owner: str, upload: Path | None, label: str, model: str = "") -> Job:
        """Add one more dancer to a checked job, whose video is moved into it or who has a model, and queue its check.

        Raises:
            InputError: there is no such job, it is active, or nobody is left for another dancer.
        """
        with self._lock:
            job = self._resting(number, owner)
            people = int((self.store.read(number, "check.json").get("source") or {}).get("people", 1))
            job.with_dancer(label, people, model=model)  # refused before the upload is moved
            video = "" if upload is None else self.store.keep_video(job, upload)
            digest = self.store.model_sha256(model) if model else ""
            return self._check(job.with_dancer(label, people, video=video, model=model, model_sha256=digest))

    def remove_dancer(self, number: str, owner: str, dancer: int) -> Job:
        """Remove one of the other dancers, counted from 2, with all of their files, and queue the check of those who stay.

        Raises:
            InputError: there is no such job or dancer, or it is active.
        """
        with self._lock:
            job = self._resting(number, owner)
            changed = job.without_dancer(dancer)
            self.store.forget_dancer(job, job.dancers[dancer - 1])
            return self._check(changed)

    def resume(self, number: str, owner: str) -> Job:
        """Queue a stopped job again; it goes on where it was.

        Raises:
            InputError: there is no such job, or it is active.
        """
        with self._lock:
            return self._queue(self._resting(number, owner))

    def stop(self, number: str, owner: str, state: State) -> Job:
        """Pause or cancel a job; one that runs is stopped within seconds.

        Raises:
            InputError: there is no such job.
        """
        with self._lock:
            job = self.store.get(number, owner)
            if job.state == "queued":
                return self.store.update(job, state=state)
            if job.state == "running":
                self._wanted[number] = state
            return job

    def is_stopping(self, number: str) -> bool:
        """Whether the running job was told to stop."""
        return number in self._wanted

    def waiting(self) -> list[Job]:
        """The queued jobs in the order of their turns: checks, which are short, come first."""
        queued = [job for job in self.store.all() if job.state == "queued"]
        return sorted(queued, key=lambda job: (job.step != "check", job.queued_s))

    def ahead_of(self, job: Job) -> list[Job]:
        """The jobs that come before a queued one: the running one, then those whose turn is earlier."""
        numbers = [each.number for each in self.waiting()]
        before = self.waiting()[: numbers.index(job.number)] if job.number in numbers else []
        return [each for each in self.store.all() if each.state == "running"] + before

    def _resting(self, number: str, owner: str) -> Job:
        job = self.store.get(number, owner)
        if job.is_active:
            raise InputError("this job is already active.")
        return job

    def _check(self, job: Job) -> Job:
        return self._queue(job.without_consent(), step="check")

    def _queue(self, job: Job, **changes: Any) -> Job:
        for name in ("progress.json", "outcome.json"):
            (self.store.folder(job.number) / name).unlink(missing_ok=True)
        return self.store.update(job, state="queued", queued_s=time.time(), error="", **changes)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._do_next()
            except (UserError, OSError):  # a record cannot be written, because the disk is full; there may be room later
                self._closing.wait(_RETRY_S)

    def _do_next(self) -> None:
        """Run the next job, or wait for one. What became of a job is kept until it can be recorded."""
        if self._ended is None:
            with self._lock:
                waiting = self.waiting()
                job = self.store.update(waiting[0], state="running") if waiting else None
            if job is None:
                self._closing.wait(_POLL_S)
                return
            self._ended = job, FAILED  # should it not even start
            self._ended = job, self._run(self.store.folder(job.number))
        with self._lock:
            self._finish(*self._ended)
        self._ended = None

    def _run(self, folder: Path) -> int:
        """Run the process of a job to its end; its exit status."""
        with (
            (folder / "log.txt").open("ab") as log,
            subprocess.Popen([*self._command, str(folder)], stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
        ):
            while process.poll() is None:
                if self._closing.is_set() or folder.name in self._wanted:
                    _stop(process)
                    break
                time.sleep(_POLL_S)
            return process.wait()

    def _finish(self, job: Job, status: int) -> None:
        """Record what became of a job whose process has ended."""
        wanted, outcome = self._wanted.pop(job.number, None), self.store.read(job.number, "outcome.json")
        if outcome.get("state") in _OUTCOMES:
            self.store.update(job, state=outcome["state"], error=str(outcome.get("error", "")))
        elif wanted is not None:
            self.store.update(job, state=wanted)
        elif not self._closing.is_set():
            reason = f"the work ended unexpectedly (status {status}); memory may have run out."
            if status == FAILED:
                reason = "the folder of the page cannot be written to, or its disk is full; make room."
            error = f"{reason} What was trained is kept: try again."
            self.store.update(job, state="failed", error=error)


def _same_dancers(job: Job, others: Sequence[Dancer]) -> tuple[Dancer, ...]:
    """The other dancers as they were chosen.

    Raises:
        InputError: they are not those of the job, because somebody else changed it.
    """
    if [(each.stem, each.video, each.model) for each in others] != [(each.stem, each.video, each.model) for each in job.others]:
        raise InputError("the dancers of this job have changed; look at it again.")
    return tuple(others)


def job_command(max_seconds: int = MAX_SECONDS) -> tuple[str, ...]:
    """The command of a job's process, which refuses longer videos."""
    return sys.executable, "-m", "dancenow.web.run_job", str(max_seconds)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Close the input of a process, which saves its work and ends; end it if that takes too long."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
