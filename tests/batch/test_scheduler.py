"""The order of steps, lost workers and failures, without processes."""

from collections import Counter

import pytest

from dancenow.batch.plan import Step, make_plan
from dancenow.batch.scheduler import run_steps
from dancenow.batch.work import StepReport, WorkerSettings
from dancenow.errors import InputError
from dancenow.progress import ProgressCallback
from helpers.batch_world import InlineEngine, a_job

JOBS = [a_job(source, target) for source in ("bad", "waltz") for target in ("ann", "bob")]
PLAN = make_plan(JOBS, device="cpu", part_s=60)
HERE = WorkerSettings("memory://", False, "cpu")


def test_a_failure_ends_the_jobs_that_need_the_step_and_no_others() -> None:
    def do(step: Step, _worker_settings: WorkerSettings, _progress: ProgressCallback) -> StepReport:
        if step.label == "poses of bad":
            raise InputError("nobody is in it.")
        return StepReport(1.0, 0, 0)

    engine = InlineEngine(do, HERE)
    outcomes = run_steps(PLAN.steps.values(), engine, retries=2, listen=lambda *_: None)
    failed = [outcome.step.label for outcome in outcomes.values() if outcome.state == "failed"]
    assert sorted(failed) == ["ann-bad.mp4", "bob-bad.mp4", "poses of bad"]
    assert {outcome.state for outcome in outcomes.values()} == {"done", "failed"}
    assert max(Counter(step.key for step in engine.started).values()) == 1


@pytest.mark.parametrize(("retries", "state"), [(0, "failed"), (1, "failed"), (2, "done")])
def test_a_step_is_repeated_only_when_its_worker_was_lost(retries: int, state: str) -> None:
    attempts = Counter[str]()

    def do(step: Step, _worker_settings: WorkerSettings, _progress: ProgressCallback) -> StepReport:
        attempts[step.label] += 1
        if step.label == "model of ann" and attempts[step.label] <= 2:
            raise ConnectionError
        return StepReport(1.0, 0, 0)

    outcomes = run_steps(PLAN.steps.values(), InlineEngine(do, HERE), retries=retries, listen=lambda *_: None)
    model = next(outcome for outcome in outcomes.values() if outcome.step.label == "model of ann")
    assert (model.state, model.attempts) == (state, min(retries, 2) + 1)
    assert all(count == 1 for label, count in attempts.items() if label != "model of ann")


def test_steps_run_after_those_that_they_need() -> None:
    done: list[str] = []

    def do(step: Step, _worker_settings: WorkerSettings, _progress: ProgressCallback) -> StepReport:
        assert set(step.needs) <= set(done)
        done.append(step.key)
        return StepReport(1.0, 0, 0)

    run_steps(PLAN.steps.values(), InlineEngine(do, HERE), retries=0, listen=lambda *_: None)
    assert len(done) == len(PLAN.steps)
