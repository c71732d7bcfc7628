"""The first step of a job: look at the videos before any training, and say what will not work and what to film.

It finds what `dancenow check` and the warnings of `dancenow run` find, and leaves poses and the prepared subject in the cache,
where the second step takes them from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dancenow.errors import InputError
from dancenow.execution import Execution
from dancenow.generators.performer import label_by_person
from dancenow.generators.registry import load_model
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoSource, open_video
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.people_tracks import detect_people
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback
from dancenow.rendering.transfer_warnings import source_warnings
from dancenow.report.coverage_plot import draw_coverage_plot
from dancenow.subject.coverage import Coverage, coverage_if_comparable, measure_coverage
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import cached_subject
from dancenow.subject.target_appearance import Target
from dancenow.types import PoseTrack
from dancenow.web.check_pictures import write_people_picture, write_pose_picture
from dancenow.web.job import Job
from dancenow.web.job_dancers import Dancer
from dancenow.web.job_progress import ProgressRecord, check_plan, machine_speeds
from dancenow.web.job_store import write_json
from dancenow.web.page_words import without_options


def check_videos(
    folder: Path, job: Job, models: Mapping[str, Path], speeds: Path, execution: Execution, max_seconds: int
) -> None:
    """Check the videos of a job; write `check.json` and pictures into its folder.

    models: the trained models of the dancers who have no video, by their stems.

    Raises:
        UserError: a video cannot be used, in one sentence.
    """
    source, people = open_video(folder / job.source), job.dancers
    videos = {each.stem: open_video(folder / each.video) for each in people if each.video}
    cast: dict[int | None, Dancer] = dict(job.cast.items()) or {job.settings.source_person: people[0]}
    plan = check_plan(source, [*videos.values()], machine_speeds(speeds), len(cast))
    record = ProgressRecord(folder, plan, speeds)
    on_progress = execution.reporting(record)
    _require_usable(source, "video of the dance", max_seconds, on_progress)
    for dancer in people:
        if dancer.video:
            role = f"video “{dancer.label}”" if job.others else "video of the person"
            _require_usable(videos[dancer.stem], role, max_seconds, on_progress)
    tracks = _follow(source, [*cast], on_progress)
    shown = next(iter(tracks))
    facts = {"source": _facts(source, "source", folder, tracks[shown], shown, on_progress)}
    footage: dict[str, _Footage] = {}
    for each in people:
        footage[each.stem] = _look_at_dancer(folder, each, videos.get(each.stem), models, on_progress)
        facts[each.stem] = footage[each.stem].facts
    parts = []
    for number, dancer in cast.items():
        plot = folder / (f"coverage{number}.png" if job.others else "coverage.png")
        covered = _compare(footage[dancer.stem], source, tracks[number], plot, on_progress)
        parts.append({"person": number, "dancer": dancer.label, "plot": plot.name if covered else "", **_coverage(covered)})
    advice = _advice(source, tracks, cast, people, footage)
    fields: dict[str, Any] = {"source": facts["source"], "target": facts["target"], "advice": advice}
    if job.others:
        fields |= {"others": {each.stem: facts[each.stem] for each in job.others}, "parts": parts}
    else:
        fields |= _coverage(covered)
    write_json(folder / "check.json", fields)
    record.finish()


def _follow(source: VideoSource, people: Sequence[int | None], on_progress: ProgressCallback) -> dict[int | None, PoseTrack]:
    """The poses of everyone who is danced."""
    if len(people) == 1:
        return {people[0]: detect_poses(source, person=people[0], on_progress=on_progress)}
    found = detect_people(source, dict.fromkeys(number for number in people if number is not None), on_progress)
    return {number: found[number] for number in people if number is not None}


@dataclass(frozen=True, eq=False)
class _Footage:
    """What is known of a dancer. facts: for the page. video, subject: None where a model gives the person."""

    facts: dict[str, Any]
    track: PoseTrack
    video: VideoSource | None = None
    subject: Subject | None = None

    @property
    def warnings(self) -> Sequence[str]:
        """About the video."""
        return self.subject.manifest.warnings if self.subject else ()

    def coverage(self, dance: PoseTrack) -> Coverage | None:
        """How near it comes to a dance; None where that cannot be told."""
        if self.subject is None:
            return measure_coverage(dance, self.track)
        return coverage_if_comparable(dance, self.subject, "auto")


def _look_at_dancer(
    folder: Path, dancer: Dancer, video: VideoSource | None, models: Mapping[str, Path], on_progress: ProgressCallback
) -> _Footage:
    if video is None:
        return _Footage({}, Target.of_checkpoint(load_model(models[dancer.stem])).track)
    subject = cached_subject(video, dancer.person, None, on_progress)
    facts = _facts(video, dancer.stem, folder, subject.track, dancer.person, on_progress)
    return _Footage(facts, subject.track, video, subject)


def _compare(
    footage: _Footage, source: VideoSource, dance: PoseTrack, plot: Path, on_progress: ProgressCallback
) -> Coverage | None:
    """How near footage comes to what a person of the dance does; draws a picture of it."""
    covered = footage.coverage(dance)
    if covered is not None:
        draw_coverage_plot(covered, source, plot, target_video=footage.video, on_progress=on_progress)
    return covered


def _advice(
    source: VideoSource,
    tracks: Mapping[int | None, PoseTrack],
    cast: Mapping[int | None, Dancer],
    people: Sequence[Dancer],
    footage: Mapping[str, _Footage],
) -> list[str]:
    """What to know about the dance, by person where there are several, and then about the video of each dancer."""
    of_dance = {n: source_warnings(source, n, track, footage[cast[n].stem].track) for n, track in tracks.items()}
    of_dancers = [
        f"“{each.label}”: {text}" if len(people) > 1 else text for each in people for text in footage[each.stem].warnings
    ]
    return [without_options(text, " below") for text in (*label_by_person(of_dance), *of_dancers)]


def _require_usable(video: VideoSource, role: str, max_seconds: int, on_progress: ProgressCallback) -> None:
    """Require a complete video that is not too long.

    Raises:
        InputError: it is longer, or damaged; the sentence names its role instead of the file.
    """
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
