"""Run the steps of a plan on an engine: each when those before it are done, again when its worker is lost.

The engine decides where a step runs; this decides which, and what follows from its end. It knows nothing of Ray.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from dancenow.batch.plan import Step
from dancenow.batch.work import StepReport

_AHEAD: Final = 2
"""Steps that wait at the engine beyond those that it runs, so that no worker waits for the next one."""

NOTHING: Final = StepReport(0.0, 0, 0)


@dataclass(frozen=True)
class StepEnd:
    """How one attempt at a step ended. error: one sentence, empty where it is done. is_lost: its worker died, which says
    nothing about the step. bug: the traceback of an error that nobody expected.
    """

    key: str
    report: StepReport = NOTHING
    error: str = ""
    is_lost: bool = False
    bug: str = ""


class Engine(Protocol):
    """Where steps run."""

    @property
    def slots(self) -> int:
        """Steps that run at the same time, at most."""

    def start(self, step: Step) -> None:
        """Run a step as soon as a slot is free."""

    def wait(self, timeout_s: float) -> list[StepEnd]:
        """The attempts that have ended since, after at most `timeout_s`."""

    def activity(self) -> Mapping[str, tuple[str, float]]:
        """The running steps by key: what each does, and the fraction of that which is done."""


State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class StepOutcome:
    """What became of a step. attempts: how often it was started. cause: key of the step whose error this is."""

    step: Step
    state: State
    attempts: int = 0
    end: StepEnd | None = None
    cause: str = ""


@dataclass
class _Run:
    """The state of all steps."""

    engine: Engine
    retries: int
    outcomes: dict[str, StepOutcome]
    order: dict[str, int]
    followers: dict[str, list[str]] = field(default_factory=dict)
    ready: list[tuple[int, str]] = field(default_factory=list)
    running: set[str] = field(default_factory=set)

    def start_ready(self) -> None:
        while self.ready and len(self.running) < self.engine.slots + _AHEAD:
            key = heapq.heappop(self.ready)[1]
            outcome = self.outcomes[key]
            self.outcomes[key] = replace(outcome, state="running", attempts=outcome.attempts + 1)
            self.running.add(key)
            self.engine.start(outcome.step)

    def make_ready(self, keys: Iterable[str]) -> None:
        for key in keys:
            needs = self.outcomes[key].step.needs
            if self.outcomes[key].state == "waiting" and all(self._is_done(need) for need in needs):
                heapq.heappush(self.ready, (self.order[key], key))

    def take(self, end: StepEnd) -> None:
        outcome = self.outcomes[end.key]
        self.running.remove(end.key)
        if end.is_lost and outcome.attempts <= self.retries:
            self.outcomes[end.key] = replace(outcome, state="waiting")
            self.make_ready((end.key,))
        elif end.error:
            self._fail(end)
        else:
            self.outcomes[end.key] = replace(outcome, state="done", end=end)
            self.make_ready(self.followers.get(end.key, ()))

    def _is_done(self, key: str) -> bool:
        return key not in self.outcomes or self.outcomes[key].state == "done"

    def _fail(self, end: StepEnd) -> None:
        """The step failed, and with it all that need it."""
        waiting = [end.key]
        while waiting:
            key = waiting.pop()
            if self.outcomes[key].state != "failed":
                own = end if key == end.key else None
                self.outcomes[key] = replace(self.outcomes[key], state="failed", end=own, cause=end.key)
                waiting.extend(self.followers.get(key, ()))


Listener = Callable[[Mapping[str, StepOutcome], Mapping[str, tuple[str, float]]], None]
"""Called with what became of every step so far, and with what is running; also when nothing has changed."""


def run_steps(
    steps: Iterable[Step], engine: Engine, *, retries: int, listen: Listener, pause_s: float = 0.5
) -> dict[str, StepOutcome]:
    """Run steps until each is done or failed. steps: those that are missing, each after those that it needs.

    retries: how often a step is started again because its worker was lost. An error of a step is final: it would come again.
    """
    outcomes = {step.key: StepOutcome(step, "waiting") for step in steps}
    run = _Run(engine, retries, outcomes, {key: index for index, key in enumerate(outcomes)})
    for key, outcome in outcomes.items():
        for need in outcome.step.needs:
            run.followers.setdefault(need, []).append(key)
    run.make_ready(list(outcomes))
    while run.ready or run.running:
        run.start_ready()
        for end in engine.wait(pause_s):
            run.take(end)
        listen(outcomes, engine.activity())
    return outcomes
