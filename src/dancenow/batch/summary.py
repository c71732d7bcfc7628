"""What became of a batch, for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dancenow
from dancenow.batch.opening import Job
from dancenow.batch.plan import StepKind
from dancenow.batch.scheduler import StepOutcome


@dataclass(frozen=True)
class JobResult:
    """What became of one job. state: "done" now, "kept" from an earlier start, "failed", or "open" where the batch was stopped
    before. error: one sentence, empty unless it failed. facts: of the video, see `work`; None without one.
    """

    job: Job
    state: Literal["done", "kept", "failed", "open"]
    error: str = ""
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class StageCost:
    """What all steps of a kind took. runs: steps that were done now; retried: attempts that were lost."""

    runs: int
    retried: int
    seconds: float
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Summary:
    """The result of a batch. seconds: on the clock of the wall. bugs: tracebacks by the sentence that stands for them."""

    jobs: tuple[JobResult, ...]
    stages: Mapping[str, StageCost]
    workers: int
    seconds: float
    bugs: Mapping[str, str]

    @property
    def failures(self) -> tuple[JobResult, ...]:
        """The jobs that failed."""
        return tuple(result for result in self.jobs if result.state == "failed")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "version": dancenow.__version__,
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
            "counts": {state: sum(each.state == state for each in self.jobs) for state in ("done", "kept", "failed", "open")},
            "failures": [{"place": each.job.place, "out": str(each.job.out), "error": each.error} for each in self.failures],
            "jobs": [_job_json(each) for each in self.jobs],
            "stages": {kind: asdict(cost) for kind, cost in self.stages.items()},
            "bugs": dict(self.bugs),
        }


def _job_json(result: JobResult) -> dict[str, Any]:
    job = result.job
    targets = {str(each.source_person): str(each.target.path) for each in job.dancers}
    who = {"target": str(job.dancers[0].target.path)} if len(job.dancers) == 1 else {"dancers": targets}
    return {
        "place": job.place, "source": str(job.source.path), **who, "out": str(job.out),
        "state": result.state, "error": result.error, **(result.facts or {}),
    }  # fmt: skip


def stage_costs(outcomes: Mapping[str, StepOutcome]) -> dict[str, StageCost]:
    """What the steps of each kind took."""
    kinds: list[StepKind] = list(dict.fromkeys(outcome.step.kind for outcome in outcomes.values()))
    return {kind: _cost([each for each in outcomes.values() if each.step.kind == kind]) for kind in kinds}


def _cost(outcomes: Sequence[StepOutcome]) -> StageCost:
    done = [each for each in outcomes if each.state == "done" and each.end is not None]
    reports = [each.end.report for each in done if each.end is not None]
    return StageCost(
        len(done),
        sum(max(0, each.attempts - 1) for each in outcomes),
        round(sum(each.seconds for each in reports), 3),
        sum(each.bytes_read for each in reports),
        sum(each.bytes_written for each in reports),
    )
