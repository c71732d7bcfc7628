"""The first step of a job: look at both videos before any training, and say what will not work and what to film.

It finds what `dancenow check` and the warnings of `dancenow run` find, and leaves poses and the prepared subject in the cache,
where the second step takes them from.
"""

from pathlib import Path
from typing import Any

from dancenow.errors import InputError
from dancenow.execution import Execution
from dancenow.generators.registry import load_model
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoSource, open_video
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback
from dancenow.rendering.transfer_warnings import source_warnings
from dancenow.report.coverage_plot import draw_coverage_plot
from dancenow.subject.coverage import Coverage, coverage_if_comparable, measure_coverage
from dancenow.subject.subject_cache import cached_subject
from dancenow.subject.target_appearance import Target
from dancenow.types import PoseTrack
from dancenow.web.check_pictures import write_people_picture, write_pose_picture
from dancenow.web.job import Job
from dancenow.web.job_progress import ProgressRecord, check_plan, machine_speeds
from dancenow.web.job_store import write_json


def check_videos(folder: Path, job: Job, model: Path | None, speeds: Path, execution: Execution, max_seconds: int) -> None:
    """Check the videos of a job; write `check.json` and pictures into its folder.

    model: the trained model that gives the person, where the job has no target video.

    Raises:
        UserError: a video cannot be used, in one sentence.
    """
    source = open_video(folder / job.source)
    target = open_video(folder / job.target) if job.target else None
    record = ProgressRecord(folder, check_plan(source, target, machine_speeds(speeds)), speeds)
    on_progress, settings = execution.reporting(record), job.settings
    for video, role in ((source, "video of the dance"), (target, "video of the person")):
        _require_usable(video, role, max_seconds, on_progress)
    track, source_facts = _look_at(source, "source", folder, settings.source_person, on_progress)
    facts: dict[str, Any] = {}
    advice: list[str] = []
    covered: Coverage | None
    if target is None:
        assert model is not None
        person = Target.of_checkpoint(load_model(model))
        covered, person_track = measure_coverage(track, person.track), person.track
    else:
        subject = cached_subject(target, settings.target_person, None, on_progress)
        facts = _facts(target, "target", folder, subject.track, settings.target_person, on_progress)
        covered, person_track = coverage_if_comparable(track, subject, "auto"), subject.track
        advice = list(subject.manifest.warnings)
    if covered is not None:
        draw_coverage_plot(covered, source, folder / "coverage.png", target_video=target, on_progress=on_progress)
    advice = [*source_warnings(source, settings.source_person, track, person_track), *advice]
    write_json(folder / "check.json", {"source": source_facts, "target": facts, "advice": advice, **_coverage(covered)})
    record.finish()


def _require_usable(video: VideoSource | None, role: str, max_seconds: int, on_progress: ProgressCallback) -> None:
    """Require a complete video that is not too long.

    Raises:
        InputError: it is longer, or damaged; the sentence names its role instead of the file.
    """
    if video is None:
        return
    info = video.info
    seconds = info.duration_s or (info.num_frames or 0) / info.fps
    if seconds > max_seconds:
        raise InputError(
            f"the {role} is {seconds / 60:.1f} minutes long; this page takes up to {max_seconds / 60:g}. Cut it, or start the"
            " page with a larger --max-minutes."
        )
    try:
        require_complete(video, on_progress)
    except InputError as error:
        raise InputError(str(error).replace(str(video), f"the {role}")) from error


def _look_at(
    video: VideoSource, role: str, folder: Path, person: int | None, on_progress: ProgressCallback
) -> tuple[PoseTrack, dict[str, Any]]:
    track = detect_poses(video, person=person, on_progress=on_progress)
    return track, _facts(video, role, folder, track, person, on_progress)


def _facts(
    video: VideoSource, role: str, folder: Path, track: PoseTrack, person: int | None, on_progress: ProgressCallback
) -> dict[str, Any]:
    """What the page shows of one video; draws its pictures."""
    write_pose_picture(video, track, folder / f"{role}_pose.jpg")
    people = 1
    if max(PosePipeline.create().people_counts(video, person), default=1) > 1:
        survey = PeopleSurvey(create_detector(), video, on_progress=on_progress)
        people = write_people_picture(video, survey.detections, folder / f"{role}_people.jpg")
    info = video.info
    return {
        "seconds": round(float(track.time_s[-1]) + 1 / track.fps, 2), "frames": len(track), "width_px": info.width_px,
        "height_px": info.height_px, "people": people,
    }  # fmt: skip


def _coverage(covered: Coverage | None) -> dict[str, Any]:
    if covered is None:
        return {"summary": "", "gaps": []}
    return {"summary": covered.summary, "gaps": [vars(each) for each in covered.ranges]}
