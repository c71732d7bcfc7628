"""The second step of a job: `pipeline.run`, or `pipeline.transfer` where the person comes from a model trained before."""

import shutil
from pathlib import Path

from dancenow import pipeline
from dancenow.execution import Execution
from dancenow.media.source import open_video
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.transfer_video import SYNTHETIC_NOTE
from dancenow.report.side_by_side import side_by_side
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.training.budget import Budget
from dancenow.web.check_pictures import write_picture
from dancenow.web.job import Job
from dancenow.web.job_progress import ProgressRecord, machine_speeds, video_plan
from dancenow.web.job_store import write_json


def result_name(scene: str) -> str:
    """The name of the result; of one with alpha, a format that browsers play."""
    return "result.webm" if scene == "transparent" else "result.mp4"


def make_video(folder: Path, job: Job, model: Path | None, speeds: Path, execution: Execution) -> None:
    """Train, if no `model` is given, and transfer; write result, comparison, report, model and `result.json` into the folder.

    Raises:
        UserError: as `pipeline.run` and `pipeline.transfer`.
    """
    settings, out = job.settings, folder / result_name(job.settings.scene)
    scene = str(folder / settings.scene) if settings.scene.startswith("scene.") else settings.scene
    source = open_video(folder / job.source)
    budget = None if model else Budget.parse(settings.budget)
    plan = video_plan(source.info.num_frames or 0, budget, settings.preset, machine_speeds(speeds))
    record = ProgressRecord(folder, plan, speeds, settings.preset)
    if model is not None:
        transferred = pipeline.transfer(
            source, model, out, scene=scene, person=settings.source_person, execution=execution, on_progress=record
        )
        notes, normalization = transferred.notes, transferred.normalization
    else:
        done = pipeline.run(
            source, folder / job.target, out, budget=settings.budget, preset=settings.preset, scene=scene,
            source_person=settings.source_person, target_person=settings.target_person,
            consent=None if job.consent is None else Consent.from_json(job.consent), execution=execution, on_progress=record,
        )  # fmt: skip
        notes, normalization = done.transfer.notes, done.transfer.normalization
        if done.report is not None:
            done.report.replace(folder / "report.html")
        with complete_or_absent(folder / "model.safetensors") as temporary:
            shutil.copyfile(done.model, temporary)
    if out.suffix == ".mp4":
        comparison, used = folder / "beside.mp4", model or folder / "model.safetensors"
        marker = ContentMarker.of([used], source, comparison)
        side_by_side([source, out], comparison, sound_from=source, metadata={"comment": SYNTHETIC_NOTE}, marker=marker,
                     on_progress=execution.reporting(record))  # fmt: skip
        result = open_video(out)
        for frame in result.frames_at([(result.info.num_frames or 1) // 2]):
            write_picture(frame.image_rgb, folder / "result.jpg")
    write_json(folder / "result.json", {"result": out.name, "notes": list(notes), "normalization": normalization})
    record.finish()
