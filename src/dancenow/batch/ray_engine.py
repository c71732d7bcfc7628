"""Run steps on Ray: on the cores of this machine, or on a cluster.

Ray starts the worker processes and notices when one dies. The progress that steps report while they run goes to a small actor,
which the engine reads now and then.
"""

import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from dancenow.batch.plan import Step
from dancenow.batch.scheduler import StepEnd
from dancenow.batch.work import StepReport, WorkerSettings
from dancenow.errors import Cancelled, DependencyError, OptionError, UserError
from dancenow.progress import Progress, ProgressCallback

DoStep = Callable[[Step, WorkerSettings, ProgressCallback], StepReport]
_REPORT_EVERY_S: Final = 0.5
_STOPPING_S: Final = 3.0
"""Time for running steps to save their training and remove unfinished files; then they are killed."""
_ON_GPU: Final = frozenset({"model", "part", "video"})
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a step without a GPU of its own leaves the GPU visible
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_LONGEST_TEMPORARY: Final = 40
"""Ray's sockets lie some 65 characters below the folder for temporary files, and the system allows them 107."""
LOST: Final = "its worker was lost"


class RayEngine:
    """See `scheduler.Engine`. Use it in a `with`, which starts and stops Ray's own processes.

    Raises:
        UserError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, do_step: DoStep, worker_settings: WorkerSettings, *, workers: int | None, address: str | None) -> None:
        """workers: processes on this machine; None is one for each core. address: of a cluster, instead."""
        if workers is not None and workers < 1:
            raise OptionError(f"the number of workers must be 1 or more, got {workers}.")
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise DependencyError(
                "batch needs Ray, which is in the extra `cluster`: pip install 'dancenow[cluster]'."
            ) from error
        self._ray: Any = ray
        self._do_step, self._worker_settings, self._workers, self._address = do_step, worker_settings, workers, address
        self._running: dict[Any, str] = {}

    def __enter__(self) -> Self:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        local = {} if self._address else {"num_cpus": self._workers or cores, "include_dashboard": False}
        if os.name == "posix" and len(tempfile.gettempdir()) > _LONGEST_TEMPORARY:
            os.environ.setdefault("RAY_TMPDIR", "/tmp")
        try:
            with _own_answer_to_a_kill():
                self._ray.init(self._address, logging_level="ERROR", log_to_driver=False, **local)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise OptionError(f"the cluster {self._address or 'of this machine'} cannot be used: {reason}.") from error
        resources = self._ray.cluster_resources()
        self._slots = max(1, int(resources.get("CPU", 1)))
        self._has_gpu = resources.get("GPU", 0) >= 1 and self._worker_settings.device != "cpu"
        self._shared_progress = self._ray.remote(num_cpus=0, max_restarts=-1)(_SharedProgress).remote()
        self._remote = self._ray.remote(max_retries=0, retry_exceptions=False)(_attempt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:  # Ray's own cancelling now and then ends this process with a failed check
            if self._running:
                with suppress(self._ray.exceptions.RayError):
                    self._ray.get(self._shared_progress.stop.remote(), timeout=_STOPPING_S)
                self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_STOPPING_S)
        finally:
            self._ray.shutdown()

    @property
    def slots(self) -> int:
        """See `Engine.slots`."""
        return self._slots

    def start(self, step: Step) -> None:
        """See `Engine.start`."""
        gpus = 1 if self._has_gpu and step.kind in _ON_GPU else 0
        remote = self._remote.options(num_gpus=gpus, name=step.kind)
        self._running[remote.remote(self._do_step, step, self._worker_settings, self._shared_progress)] = step.key

    def wait(self, timeout_s: float) -> list[StepEnd]:
        """See `Engine.wait`."""
        if not self._running:
            return []
        ended, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        if ended:  # and all others that have ended meanwhile
            ended, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [self._end_of(attempt) for attempt in ended]

    def _end_of(self, attempt: Any) -> StepEnd:
        key = self._running.pop(attempt)
        try:
            end: StepEnd = self._ray.get(attempt)
        except self._ray.exceptions.RayError as error:  # the worker died, its machine did, or its memory was needed
            return StepEnd(key, error=f"{LOST} ({type(error).__name__})", is_lost=True)
        return end

    def activity(self) -> Mapping[str, tuple[str, float]]:
        """See `Engine.activity`."""
        running = frozenset(self._running.values())
        try:
            shown: dict[str, tuple[str, float]] = self._ray.get(
                self._shared_progress.shown.remote(running), timeout=_REPORT_EVERY_S
            )
        except self._ray.exceptions.RayError:  # progress is not worth an error
            return {}
        return shown


@contextmanager
def _own_answer_to_a_kill() -> Iterator[None]:
    """Keep this program's handler of SIGTERM, in whose place Ray puts one that exits at once, with a status of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stop:  # the answer of Ray's handler
        raise KeyboardInterrupt from stop
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


class _SharedProgress:
    """What every running step does, and whether all are told to stop."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, float]] = {}
        self._is_stopping = False

    def report(self, key: str, stage: str, fraction: float) -> bool:
        """Whether the step has to stop."""
        self._shown[key] = stage, fraction
        return self._is_stopping

    def stop(self) -> None:
        self._is_stopping = True

    def shown(self, running: frozenset[str]) -> dict[str, tuple[str, float]]:
        self._shown = {key: what for key, what in self._shown.items() if key in running}
        return self._shown


def _attempt(do_step: DoStep, step: Step, worker_settings: WorkerSettings, shared_progress: Any) -> StepEnd:
    """Do a step in a worker process; whatever happens is described, as errors of other processes are hard to read."""
    import ray

    last_s, answer = 0.0, None

    def report(event: Progress) -> None:
        nonlocal last_s, answer
        now_s = time.monotonic()
        if now_s - last_s >= _REPORT_EVERY_S:
            with suppress(ray.exceptions.RayError):  # what a lost actor would have said is not worth an error
                if answer is not None and ray.wait([answer], timeout=0)[0] and ray.get(answer):
                    raise Cancelled
            last_s = now_s
            fraction = event.done / event.total if event.total else 0.0
            answer = shared_progress.report.remote(step.key, event.stage, fraction)

    try:
        return StepEnd(step.key, do_step(step, worker_settings, report))
    except (UserError, Cancelled) as error:
        return StepEnd(step.key, error=str(error))
    except OSError as error:
        where = "" if error.filename is None else f" with {os.fsdecode(error.filename)}"
        return StepEnd(step.key, error=f"the system reports a problem{where}: {error.strerror or error}.")
    except Exception as error:  # of any kind: one broken job must not end the others
        sentence = f"an unexpected {type(error).__name__} ended this job; please report it with the traceback in the summary."
        return StepEnd(step.key, error=sentence, bug=traceback.format_exc())
