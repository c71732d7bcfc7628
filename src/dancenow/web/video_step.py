"""The second step of a job: `pipeline.run`, or `pipeline.transfer` where the person comes from a model trained before."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dancenow import pipeline
from dancenow.execution import Execution
from dancenow.generators.model_cache import ModelSettings, cached_model_path, is_trained
from dancenow.generators.presets import preset_config
from dancenow.media.source import open_video
from dancenow.progress import ignore_progress
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.transfer_video import SYNTHETIC_NOTE
from dancenow.report.side_by_side import side_by_side
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.subject_cache import cached_subject
from dancenow.training.budget import Budget
from dancenow.types import RunResult, TransferResult
from dancenow.web.check_pictures import write_picture
from dancenow.web.job import Job, Settings
from dancenow.web.job_dancers import Dancer
from dancenow.web.job_progress import ProgressRecord, machine_speeds, video_plan
from dancenow.web.job_store import write_json


def result_name(scene: str) -> str:
    """The name of the result; of one with alpha, a format that browsers play."""
    return "result.webm" if scene == "transparent" else "result.mp4"


def make_video(folder: Path, job: Job, models: Mapping[str, Path], speeds: Path, execution: Execution) -> None:
    """Train whoever has no model, and transfer; write result, comparison, report, models and `result.json` into the folder.

    models: the trained models of the dancers who have no video, by their stems.

    Raises:
        UserError: as `pipeline.run` and `pipeline.transfer`.
    """
    settings, out = job.settings, folder / result_name(job.settings.scene)
    source = open_video(folder / job.source)
    learned, parts = _to_be_learned(folder, job, execution), max(1, len(job.cast))
    plan = video_plan(
        source.info.num_frames or 0, Budget.parse(settings.budget), settings.preset, machine_speeds(speeds),
        trainings=len(learned), parts=parts,
    )  # fmt: skip
    record = ProgressRecord(folder, plan, speeds, settings.preset, learned if job.others else (), parts)
    danced, transferred = _train_and_transfer(folder, job, models, out, execution, record)
    if out.suffix == ".mp4":
        comparison = folder / "beside.mp4"
        marker = ContentMarker.of(danced, source, comparison)
        side_by_side([source, out], comparison, sound_from=source, metadata={"comment": SYNTHETIC_NOTE}, marker=marker,
                     on_progress=execution.reporting(record))  # fmt: skip
        result = open_video(out)
        for frame in result.frames_at([(result.info.num_frames or 1) // 2]):
            write_picture(frame.image_rgb, folder / "result.jpg")
    fields = {"result": out.name, "notes": list(transferred.notes), "normalization": transferred.normalization}
    write_json(folder / "result.json", fields)
    record.finish()


def _train_and_transfer(
    folder: Path, job: Job, models: Mapping[str, Path], out: Path, execution: Execution, record: ProgressRecord
) -> tuple[Sequence[Path], TransferResult]:
    """The models that danced, and the result; report and trained models lie in the folder."""
    settings, source = job.settings, open_video(folder / job.source)
    scene = str(folder / settings.scene) if settings.scene.startswith("scene.") else settings.scene
    model = models.get(job.dancers[0].stem)
    if not job.cast and model is not None:
        transferred = pipeline.transfer(
            source, model, out, scene=scene, person=settings.source_person, execution=execution, on_progress=record
        )
        return (model,), transferred
    if job.cast:
        done = pipeline.run(
            source, {n: _person_of(folder, each, models) for n, each in job.cast.items()}, out, budget=settings.budget,
            preset=settings.preset, scene=scene, target_person={n: each.person for n, each in job.cast.items()},
            consent={n: Consent.from_json(each.consent) for n, each in job.cast.items() if each.consent is not None},
            execution=execution, on_progress=record,
        )  # fmt: skip
    else:
        done = pipeline.run(
            source, folder / job.target, out, budget=settings.budget, preset=settings.preset, scene=scene,
            source_person=settings.source_person, target_person=settings.target_person,
            consent=None if job.consent is None else Consent.from_json(job.consent), execution=execution, on_progress=record,
        )  # fmt: skip
    _keep(folder, done, [*job.cast.values()] or [job.dancers[0]])
    return done.models, done.transfer


def _keep(folder: Path, done: RunResult, dancers: Sequence[Dancer]) -> None:
    """Keep the report and the model of each of the dancers."""
    if done.report is not None:
        done.report.replace(folder / "report.html")
    for dancer, trained in zip(dancers, done.models, strict=True):
        if dancer.video:
            with complete_or_absent(folder / dancer.model_name) as temporary:
                shutil.copyfile(trained, temporary)


def _person_of(folder: Path, dancer: Dancer, models: Mapping[str, Path]) -> Path:
    """The video of a dancer, or the model of one who has none."""
    return folder / dancer.video if dancer.video else models[dancer.stem]


def _to_be_learned(folder: Path, job: Job, execution: Execution) -> list[str]:
    """Labels of the dancers whose trainings are to come, in their order: not of those who were learned before a pause."""
    dancing = {each.stem: each for each in job.cast.values() or job.dancers if each.video}
    return [each.label for each in dancing.values() if not _is_learned(folder, each, job.settings, execution)]


def _is_learned(folder: Path, dancer: Dancer, settings: Settings, execution: Execution) -> bool:
    """Whether the model that `pipeline.run` would train is there already."""
    budget = Budget.parse(settings.budget)
    wanted = ModelSettings(settings.preset, preset_config(settings.preset), budget, 0, "auto")
    subject = cached_subject(open_video(folder / dancer.video), dancer.person, None, execution.reporting(ignore_progress))
    return is_trained(cached_model_path(subject, wanted, execution.precision), budget, subject)
