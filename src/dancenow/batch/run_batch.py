"""A batch on one page: open the jobs, plan them, run what is missing, deliver the videos, write the summary."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dancenow.batch.jobs import JobRow
from dancenow.batch.opening import Footage, Job, open_jobs
from dancenow.batch.plan import Plan, Step, make_plan
from dancenow.batch.ray_engine import DoStep, RayEngine
from dancenow.batch.scheduler import Engine, StepOutcome, run_steps
from dancenow.batch.storage import ResultStorage
from dancenow.batch.summary import JobResult, Summary, stage_costs
from dancenow.batch.work import WorkerSettings, do_step, facts_name, input_name, part_name, video_name
from dancenow.errors import InputError, OptionError, UserError
from dancenow.execution import Device, Execution
from dancenow.progress import ignore_progress
from dancenow.provenance.content_credentials import require_signer
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of
from dancenow.storage.cache import only_writer

SUMMARY: Final = "summary.json"
STORAGE: Final = ".results"
"""The default storage, in the folder of the batch."""
Activity = Mapping[str, tuple[str, float]]


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    workers: processes on this machine, None for one per core. address: of a Ray cluster, instead. storage_url: where results
    are kept, None for a folder in that of the batch. retries: attempts after a worker was lost. part_s: length of the parts
    of a long video.
    """

    workers: int | None = None
    address: str | None = None
    storage_url: str | None = None
    retries: int = 2
    part_s: float = 60.0
    device: Device = "auto"

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise OptionError(f"the number of retries must be 0 or more, got {self.retries}.")
        if not self.part_s > 0:
            raise OptionError(f"the length of a part must be more than 0 seconds, got {self.part_s:g}.")
        if self.address is not None and self.workers is not None:
            raise OptionError("a cluster has workers of its own: leave out either --workers or --address.")
        if self.address is not None and self.storage_url is None:
            raise OptionError("a cluster needs --storage URL, a place that all its machines reach.")


@dataclass(frozen=True)
class RunningStep:
    """What a step does now, and the fraction of that which is done. label: see `Step.label`; two steps may have the same."""

    label: str
    stage: str
    fraction: float


@dataclass(frozen=True)
class BatchState:
    """A batch that is running. results: of the jobs that have ended. running: by the keys of the steps."""

    num_jobs: int
    results: Sequence[JobResult]
    running: Mapping[str, RunningStep]


def run_batch(
    rows: Sequence[JobRow],
    folder: Path,
    options: BatchOptions = BatchOptions(),
    *,
    on_state: Callable[[BatchState], None] = lambda _: None,
    do: DoStep = do_step,
) -> Summary:
    """Do the jobs of some rows, and write their videos and `summary.json` to `folder`. What an earlier start did is kept.

    do: what a worker does with a step.

    Raises:
        UserError: a job makes no sense, before any work; or folder, storage or cluster cannot be used.
    """
    start_s = time.monotonic()
    require_writable(folder, folder=True)
    jobs = open_jobs(rows, folder)
    # Machines of a cluster find their own devices.
    device = options.device if options.address else Execution.auto(options.device).device
    require_signer()
    storage = ResultStorage(_url(options.storage_url, folder))
    worker_settings = WorkerSettings(storage.url, options.address is not None, device)
    plan = make_plan(jobs, device=device, part_s=options.part_s)
    with only_writer(folder), ExitStack() as stack:
        delivery = _Delivery(plan, storage, folder)
        steps = plan.needed(delivery.stored(plan))
        delivery.deliver({})
        workers, outcomes = 0, dict[str, StepOutcome]()
        try:
            if steps:
                pretrained.fetch_all(ignore_progress)
                engine: Engine = stack.enter_context(
                    RayEngine(do, worker_settings, workers=options.workers, address=options.address)
                )
                workers = engine.slots
                if worker_settings.shares_cache:
                    upload_inputs(steps, storage)

                def listen(now: Mapping[str, StepOutcome], activity: Activity) -> None:
                    outcomes.update(now)
                    delivery.deliver(now)
                    running = {key: RunningStep(now[key].step.label, *what) for key, what in activity.items()}
                    on_state(BatchState(len(jobs), delivery.results, running))

                run_steps(steps, engine, retries=options.retries, listen=listen)
        finally:
            summary = delivery.summary(outcomes, workers, time.monotonic() - start_s)
            with complete_or_absent(folder / SUMMARY) as temporary:
                temporary.write_text(json.dumps(summary.to_json(), indent=1) + "\n", "utf-8")
    return summary


def _url(given: str | None, folder: Path) -> str:
    """The storage of a batch; a folder by its full name, as workers may run in another one."""
    if given is None:
        return str(folder.absolute() / STORAGE)
    return given if "://" in given or "::" in given else str(Path(given).absolute())


def upload_inputs(steps: Sequence[Step], storage: ResultStorage) -> None:
    """Give the workers of a cluster the videos, and the files of scenes, that they read."""
    inputs: dict[str, Footage] = {}
    for job in (step.job for step in steps):
        scene = () if job.scene_sha256 is None else (Footage(Path(job.settings.scene), job.scene_sha256),)
        targets = (dancer.target for dancer in job.dancers)
        inputs |= {input_name(each): each for each in (job.source, *targets, *scene)}
    known = storage.names("inputs")
    for name, footage in inputs.items():
        if name.removeprefix("inputs/") not in known:
            storage.put(footage.path, name)


class _Delivery:
    """Brings finished videos from the storage to the folder of the batch, and collects what became of the jobs."""

    def __init__(self, plan: Plan, storage: ResultStorage, folder: Path) -> None:
        self._plan, self._storage, self._folder = plan, storage, folder
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._open: list[tuple[Job, str]] = list(plan.videos)
        self.results: list[JobResult] = []

    def stored(self, plan: Plan) -> frozenset[str]:
        """Keys of the steps whose results are in the storage already."""
        videos, parts = self._storage.names("videos"), self._storage.names("parts")
        found = {key for key, step in plan.steps.items() if step.kind == "part" and part_name(key).split("/")[1] in parts}
        for key in {key for _, key in plan.videos}:
            if facts_name(key).split("/")[1] in videos and video_name(plan.steps[key]).split("/")[1] in videos:
                facts = self._storage.read_json(facts_name(key))
                if facts and self._storage.size(video_name(plan.steps[key])) == facts.get("bytes"):
                    self._facts[key] = facts
        return frozenset(found | set(self._facts))

    def deliver(self, outcomes: Mapping[str, StepOutcome]) -> None:
        """Deliver every video that is in the storage, and note every job that failed."""
        still_open = []
        for job, key in self._open:
            outcome = outcomes.get(key)
            if key in self._facts or (outcome is not None and outcome.state == "done"):
                self.results.append(self._delivered(job, key, was_stored=outcome is None))
            elif outcome is not None and outcome.state == "failed":
                end = outcomes[outcome.cause].end
                self.results.append(JobResult(job, "failed", "" if end is None else end.error))
            else:
                still_open.append((job, key))
        self._open = still_open

    def _delivered(self, job: Job, key: str, *, was_stored: bool) -> JobResult:
        step, out = self._plan.steps[key], self._folder / job.out
        try:
            facts = self._facts.get(key) or self._storage.read_json(facts_name(key))
            if facts is None:
                raise InputError(f"the storage {self._storage.url} lost {facts_name(key)}; start the batch again.")
            self._facts[key] = facts
            if not (out.is_file() and sha256_of(out) == facts["sha256"]):
                with complete_or_absent(out) as temporary:
                    self._storage.fetch(video_name(step), temporary)
                    if sha256_of(temporary) != facts["sha256"]:
                        self._storage.remove(facts_name(key))
                        raise InputError(f"{video_name(step)} in the storage was damaged; start the batch again.")
        except UserError as error:
            return JobResult(job, "failed", str(error))
        return JobResult(job, "kept" if was_stored else "done", facts=facts)

    def summary(self, outcomes: Mapping[str, StepOutcome], workers: int, seconds: float) -> Summary:
        """What became of all jobs, in their order."""
        known = {id(result.job): result for result in self.results}
        jobs = tuple(known.get(id(job), JobResult(job, "open")) for job, _ in self._plan.videos)
        ends = [outcome.end for outcome in outcomes.values() if outcome.end is not None and outcome.end.bug]
        return Summary(jobs, stage_costs(outcomes), workers, seconds, {end.error: end.bug for end in ends})
