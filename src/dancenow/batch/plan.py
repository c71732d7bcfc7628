"""The plan of a batch: the steps of all jobs, each once, by the key of everything that decides its result.

    poses of a source ─────────────────────┐
    subject of a target ──► model ─────────┴──► video                                   a short job
                                           └──► transfer ──► part, part, ... ──► video  a long one

Two jobs with the same target and settings share its subject and model, because both steps have the same keys. Each dancer of
a job has a subject and a model.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dancenow.batch.opening import Job, JobDancer
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import family_of
from dancenow.storage.cache import cache_key

StepKind = Literal["poses", "subject", "model", "transfer", "part", "video"]
STORED: Final[tuple[StepKind, ...]] = ("part", "video")
"""Kinds of steps whose result lies in the storage; that of the others lies in the cache of the worker."""
_EVEN: Final = 4
"""Parts begin at multiples of it, as poses are drawn in batches of this size."""


@dataclass(frozen=True)
class Step:
    """A piece of work that is done once. job: one of those that need it. needs: keys of the steps before it. dancer: whose
    subject or model it is. frames: of a part, the first and the one after the last; parts: of a video that was divided, the
    keys of its parts.
    """

    key: str
    kind: StepKind
    job: Job
    needs: tuple[str, ...] = ()
    dancer: JobDancer | None = None
    frames: tuple[int, int] | None = None
    parts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What it does, for people."""
        job = self.job
        if self.dancer is not None:
            return f"{self.kind} of {self.dancer.target.path.name}{_numbers(self.dancer.target_person)}"
        match self.kind:
            case "poses":
                return f"poses of {job.source.path.name}{_numbers(*(each.source_person for each in job.dancers))}"
            case "part":
                start, stop = self.frames or (0, 0)
                return f"{job.out}, frames {start} to {stop}"
        return f"{job.out}" if self.kind == "video" else f"dance of {job.out}"


def _numbers(*people: int | None) -> str:
    """Who is meant in a video; nothing if it is who is followed by default."""
    numbers = sorted(each for each in people if each is not None)
    return f", person {' and '.join(map(str, numbers))}" if numbers else ""


@dataclass(frozen=True)
class Plan:
    """steps: by key, each after those that it needs. videos: of every job, the key of the step that makes it."""

    steps: Mapping[str, Step]
    videos: Sequence[tuple[Job, str]]

    def needed(self, stored: Collection[str]) -> list[Step]:
        """The steps that have to run if the results of some steps are stored already, in order."""
        wanted: set[str] = set()
        waiting = [key for _, key in self.videos]
        while waiting:
            key = waiting.pop()
            if key not in wanted and key not in stored:
                wanted.add(key)
                waiting.extend(self.steps[key].needs)
        return [step for key, step in self.steps.items() if key in wanted]


@dataclass
class _Steps:
    """Collects steps; one that is there already is not added again."""

    device: str
    part_s: float
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, kind: StepKind, job: Job, decided_by: Mapping[str, Any], **fields: Any) -> str:
        config = preset_config(job.settings.preset)
        modules = ("dancenow.planned_transfer", "dancenow.subject.prepare", *family_of(config).training_modules)
        key = cache_key(f"batch {kind}", parameters=decided_by, modules=modules)
        self.steps.setdefault(key, Step(key, kind, job, **fields))
        return key


def make_plan(jobs: Sequence[Job], *, device: str, part_s: float) -> Plan:
    """Plan some jobs. device: where networks run, which decides results, too. part_s: videos that are longer than two parts of
    this length are rendered in parts.
    """
    steps = _Steps(device, part_s)
    videos = [(job, _video(job, steps)) for job in jobs]
    return Plan(steps.steps, videos)


def _video(job: Job, steps: _Steps) -> str:
    settings = job.settings
    people = sorted((each.source_person for each in job.dancers), key=str)
    poses = steps.add("poses", job, {"video": job.source.sha256, "people": people, "masks": settings.scene == "source"})
    models = [(dancer.source_person, _model(job, dancer, steps)) for dancer in job.dancers]
    decided_by = {
        "models": models, "poses": poses, "normalize": settings.normalize, "face": settings.face, "camera": settings.camera,
        "scene": job.scene_sha256 or settings.scene, "keep": settings.keep, "device": steps.device,
        "suffix": job.out.suffix.lower(),
    }  # fmt: skip
    needs = (poses, *dict.fromkeys(model for _, model in models))
    ranges = list(part_ranges(job, steps.part_s))
    if len(ranges) < 2:
        return steps.add("video", job, decided_by, needs=needs)
    transfer = steps.add("transfer", job, decided_by, needs=needs)
    parts = [steps.add("part", job, {"of": transfer, "frames": each}, needs=(transfer,), frames=each) for each in ranges]
    return steps.add("video", job, decided_by, needs=tuple(parts), parts=tuple(parts))


def _model(job: Job, dancer: JobDancer, steps: _Steps) -> str:
    settings = job.settings
    person = {"video": dancer.target.sha256, "person": dancer.target_person, "consent": dancer.consent.sha256}
    subject = steps.add("subject", job, person, dancer=dancer)
    training = {
        "subject": subject, "config": preset_config(settings.preset).to_json(), "budget": settings.budget,
        "seed": settings.seed, "face": settings.face, "device": steps.device,
        "face source": [job.source.sha256, dancer.source_person] if settings.face == "cyclegan" else None,
    }  # fmt: skip
    return steps.add("model", job, training, needs=(subject,), dancer=dancer)


def part_ranges(job: Job, part_s: float) -> Iterator[tuple[int, int]]:
    """The parts of a job's video, as ranges of frames: of about `part_s` each, one where it is short or cannot be divided."""
    length = _EVEN * max(1, round(part_s * job.fps / _EVEN))
    count = job.num_frames or 0
    if not job.divisible or count <= 2 * length:
        yield 0, count
        return
    starts = range(0, count - length // 2, length)  # the last part is up to one and a half as long
    yield from ((start, count if start == starts[-1] else start + length) for start in starts)
