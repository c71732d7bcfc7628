"""What a worker does: one step of a plan, from the files of the job to its result in the cache or the storage.

A step needs nothing from those before it that it could not make again: they only spare it the work, as everything that two
steps share is found in the cache by its content. So a step can be repeated at any time, on any machine.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from dancenow.batch.opening import Footage, Job, JobDancer
from dancenow.batch.plan import Step, StepKind
from dancenow.batch.shared_cache import download_entries, upload_entries
from dancenow.batch.storage import ResultStorage
from dancenow.errors import InputError
from dancenow.execution import Execution
from dancenow.generators.model_cache import ModelSettings, cached_model
from dancenow.generators.presets import preset_config
from dancenow.media.integrity import require_complete
from dancenow.media.lossless import LosslessWriter, read_lossless
from dancenow.media.source import VideoSource
from dancenow.pipeline import follow
from dancenow.planned_transfer import PlannedTransfer, TransferOptions, open_transfer
from dancenow.progress import Progress, ProgressCallback, ignore_warning
from dancenow.rendering.scenes import open_scene
from dancenow.storage.atomic_io import cache_dir, sha256_of
from dancenow.storage.cache import entries_used
from dancenow.storage.unfinished import scratch_folder
from dancenow.subject.subject_cache import cached_subject
from dancenow.training.budget import Budget
from dancenow.types import ImageRGB

_NOT_SHARED: Final = frozenset({"weights", "outputs"})


@dataclass(frozen=True)
class WorkerSettings:
    """Where steps are done. storage_url: see `ResultStorage`. shares_cache: whether workers have caches of their own, which are
    shared through the storage. device: where networks run.
    """

    storage_url: str
    shares_cache: bool
    device: str


@dataclass(frozen=True)
class StepReport:
    """What a step cost: seconds, and traffic with the storage."""

    seconds: float
    bytes_read: int
    bytes_written: int


def video_name(step: Step) -> str:
    """The name of a step's video in the storage."""
    return f"videos/{step.key}{step.job.out.suffix.lower()}"


def facts_name(key: str) -> str:
    """The name of what is known about a video in the storage; it is written last."""
    return f"videos/{key}.json"


def part_name(key: str) -> str:
    """The name of a part in the storage."""
    return f"parts/{key}.mkv"


def archive_name(key: str) -> str:
    """The name of a step's cache entries in the storage."""
    return f"cache/{key}.tar"


def do_step(step: Step, worker_settings: WorkerSettings, on_progress: ProgressCallback) -> StepReport:
    """Do one step of a plan.

    Raises:
        UserError: as `pipeline.run`, or the storage cannot be used.
    """
    start_s, storage = time.perf_counter(), ResultStorage(worker_settings.storage_url)
    with scratch_folder() as scratch:
        work = _Work(step, worker_settings, storage, scratch, on_progress)
        work.do()
    return StepReport(time.perf_counter() - start_s, storage.bytes_read, storage.bytes_written)


class _Work:
    """One step and what it needs."""

    def __init__(
        self, step: Step, worker_settings: WorkerSettings, storage: ResultStorage, scratch: Path, on_progress: ProgressCallback
    ) -> None:
        self._step, self._worker_settings, self._storage, self._scratch = step, worker_settings, storage, scratch
        self._execution, self._on_progress = Execution.auto(worker_settings.device), on_progress
        self._job: Job = step.job

    def do(self) -> None:
        action = _ACTIONS[self._step.kind]
        if not self._worker_settings.shares_cache:
            action(self)
            return
        for key in self._step.needs:
            if self._storage.size(archive_name(key)) is not None:
                download_entries(self._storage, archive_name(key), self._scratch)
        with entries_used() as used:
            action(self)
        if self._step.kind not in ("part", "video"):
            shared = sorted((each for each in used if each.stage not in _NOT_SHARED), key=lambda each: (each.stage, each.name))
            upload_entries(shared, self._storage, archive_name(self._step.key), self._scratch)

    def detect(self) -> None:
        source, settings = self._open(self._job.source), self._job.settings
        require_complete(source, self._on_progress)
        scene = open_scene(settings.scene, settings.camera, self._out, None, source.path)  # type: ignore[arg-type]
        follow(source, {dancer.source_person: None for dancer in self._job.dancers}, scene, self._on_progress)

    def prepare(self) -> None:
        dancer = self._dancer
        target = self._open(dancer.target)
        require_complete(target, self._on_progress)
        cached_subject(target, dancer.target_person, dancer.consent, self._on_progress)

    def train(self) -> None:
        self._model(self._dancer)

    def plan(self) -> None:
        self._planned()

    def render_part(self) -> None:
        name = part_name(self._step.key)
        if self._storage.size(name) is not None:
            return
        assert self._step.frames is not None
        start, stop = self._step.frames
        planned, path = self._planned(), self._scratch / "part.mkv"
        stop = min(stop, planned.num_frames)  # the container's count may be too high
        with planned.images(start, stop) as images, LosslessWriter(path) as writer:
            for index, image in enumerate(images, start=1):
                writer.write(image)
                self._on_progress(Progress("generating", index, stop - start))
        self._storage.put(path, name)

    def write_video(self) -> None:
        planned, parts = self._planned(), self._step.parts
        count = planned.num_frames
        if parts:
            paths = [self._scratch / f"{index}.mkv" for index in range(len(parts))]
            done = planned.write(self._joined(paths), 0, count, self._on_progress)
        else:
            with planned.images(0, count) as images:
                done = planned.write(images, 0, count, self._on_progress)
        self._storage.put(done.video, video_name(self._step))
        facts = {
            "sha256": sha256_of(done.video), "bytes": done.video.stat().st_size, "frames": done.num_frames,
            "normalization": done.normalization, "notes": list(done.notes),
        }  # fmt: skip
        self._storage.put_json(facts, facts_name(self._step.key), self._scratch)
        for key in parts:
            self._storage.remove(part_name(key))

    def _joined(self, paths: list[Path]) -> Iterator[ImageRGB]:
        """The frames of all parts; one part lies on this machine at a time."""

        def frames(key: str, path: Path) -> Iterator[ImageRGB]:
            self._storage.fetch(part_name(key), path)
            yield from read_lossless(path)
            path.unlink()

        return chain.from_iterable(map(frames, self._step.parts, paths))

    def _planned(self) -> PlannedTransfer:
        source, settings = self._open(self._job.source), self._job.settings
        cast = {dancer.source_person: self._model(dancer) for dancer in self._job.dancers}
        options = TransferOptions(
            settings.normalize, settings.face, settings.camera, self._scene(), keep=settings.keep  # type: ignore[arg-type]
        )  # fmt: skip
        opened = open_transfer(source, cast, self._out, options, (0, None), self._execution, ignore_warning, self._on_progress)
        tracks, others = follow(source, cast, opened.scene, self._on_progress)
        return opened.plan(tracks, self._on_progress, others)

    @property
    def _dancer(self) -> JobDancer:
        assert self._step.dancer is not None  # steps of subjects and models have one
        return self._step.dancer

    def _model(self, dancer: JobDancer) -> Path:
        settings = self._job.settings
        subject = cached_subject(self._open(dancer.target), dancer.target_person, dancer.consent, self._on_progress)
        learned_from = self._open(self._job.source) if settings.face == "cyclegan" else None
        wanted = ModelSettings(
            settings.preset, preset_config(settings.preset), Budget.parse(settings.budget), settings.seed,
            settings.face, learned_from, dancer.source_person  # type: ignore[arg-type]
        )  # fmt: skip
        model, _ = cached_model(subject, wanted, execution=self._execution, warn=ignore_warning, on_progress=self._on_progress)
        return model

    @property
    def _out(self) -> Path:
        return self._scratch / self._job.out.name

    def _scene(self) -> str:
        """The scene as this machine knows it: its file may have come through the storage."""
        settings, sha256 = self._job.settings, self._job.scene_sha256
        return settings.scene if sha256 is None else str(self._file(Footage(Path(settings.scene), sha256)))

    def _open(self, footage: Footage) -> VideoSource:
        return VideoSource.open(self._file(footage))

    def _file(self, footage: Footage) -> Path:
        """The file of some footage on this machine."""
        if not self._worker_settings.shares_cache:
            return footage.path
        path = cache_dir("inputs") / f"{footage.sha256}{footage.path.suffix.lower()}"
        if not path.is_file():
            self._storage.fetch(input_name(footage), path)
            if sha256_of(path) != footage.sha256:
                path.unlink()
                raise InputError(f"{footage.path.name} in the storage {self._storage.url} is damaged; start the batch again.")
        return path


def input_name(footage: Footage) -> str:
    """The name of a video that workers read, in the storage."""
    return f"inputs/{footage.sha256}{footage.path.suffix.lower()}"


_ACTIONS: Final[Mapping[StepKind, Callable[[_Work], Any]]] = {
    "poses": _Work.detect,
    "subject": _Work.prepare,
    "model": _Work.train,
    "transfer": _Work.plan,
    "part": _Work.render_part,
    "video": _Work.write_video,
}
