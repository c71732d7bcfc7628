"""Open the videos of all jobs and check them, their settings and the consent of their people, before any work starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import JobRow
from dancenow.batch.row_dancers import RowDancer
from dancenow.errors import ConsentError, InputError, UserError
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import family_of
from dancenow.media.source import VideoSource
from dancenow.provenance.consent import Consent, consent, read_consent
from dancenow.rendering.scene_choice import require_suits
from dancenow.rendering.scenes import open_scene
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.subject_cache import has_video_consent, remember_consent, require_video_consent
from dancenow.training.budget import Budget

_Consents = dict[tuple[str, int | None], tuple[Consent, VideoSource]]
"""By digest of the target and number of the person: one record for all jobs."""


@dataclass(frozen=True)
class Footage:
    """A video by its content. path: where it lies on the machine that planned the batch."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class JobDancer:
    """Who dances in a job. source_person: whose part, None for the one who is followed by default. target_person: whom to
    follow in the target, None likewise.
    """

    source_person: int | None
    target: Footage
    target_person: int | None
    consent: Consent


@dataclass(frozen=True)
class Job:
    """One transfer that can be done. dancers: the first gives the place of a dance with --scene target. settings: what they
    share. num_frames: of the source, None where the container does not say. scene_sha256: digest of the scene's file, if it has
    one.
    """

    place: str
    source: Footage
    dancers: tuple[JobDancer, ...]
    out: PurePosixPath
    settings: Settings
    num_frames: int | None
    fps: float
    scene_sha256: str | None

    @property
    def divisible(self) -> bool:
        """Whether its frames can be rendered in parts: a network that generates whole frames needs the frame before."""
        return not family_of(preset_config(self.settings.preset)).generates_background


def open_jobs(rows: Sequence[JobRow], folder: Path) -> list[Job]:
    """The jobs of some rows, whose videos are written to `folder`. Every video is opened and hashed once; consents are recorded
    once all jobs are found to be possible.

    Raises:
        UserError: a job cannot be done; its line is named.
    """
    consents: _Consents = {}
    jobs = list(_opened(rows, folder, consents))
    for (_, person), (agreed, video) in consents.items():
        remember_consent(video, person, agreed)
    return jobs


def _opened(rows: Sequence[JobRow], folder: Path, consents: _Consents) -> Iterator[Job]:
    videos: dict[Path, VideoSource] = {}
    for row in rows:
        try:
            for path in (row.source, *(dancer.target for dancer in row.dancers)):
                if path not in videos:
                    videos[path] = VideoSource.open(path)
            yield _job(row, folder, videos, consents)
        except UserError as error:
            raise type(error)(f"{row.place}: {error}") from error


def _job(row: JobRow, folder: Path, videos: Mapping[Path, VideoSource], consents: _Consents) -> Job:
    settings, source = row.settings, videos[row.source]
    targets = [videos[dancer.target] for dancer in row.dancers]
    Budget.parse(settings.budget)
    config, out = preset_config(settings.preset), folder / row.out
    if not out.suffix:
        raise InputError(f"the video {row.out} needs a suffix such as .mp4.")
    files = (source.path, *(target.path for target in targets))
    scene = open_scene(settings.scene, settings.camera, out, None, *files)  # type: ignore[arg-type]
    for target in targets:
        require_suits(scene, target.info, family_of(config).generates_background, is_alone=len(targets) == 1)
    dancers = tuple(_dancer(each, target, consents) for each, target in zip(row.dancers, targets, strict=True))
    scene_sha256 = None
    if scene.files and settings.scene != "source":
        scene_sha256 = sha256_of(scene.files[0])
        settings = replace(settings, scene=str(scene.files[0].absolute()))
    return Job(
        row.place, _footage(source), dancers, row.out, settings, source.info.num_frames, float(source.info.fps), scene_sha256
    )


def _footage(video: VideoSource) -> Footage:
    return Footage(video.path.absolute(), video.sha256)


def _dancer(dancer: RowDancer, target: VideoSource, consents: _Consents) -> JobDancer:
    """A dancer who agreed: now, or before.

    Raises:
        UserError: there is no valid consent, or one job says other terms than another.
    """
    person, given = dancer.settings.target_person, _given_consent(dancer.settings)
    if given is None and not has_video_consent(target, person):
        raise ConsentError(
            f"the person in {target} has no consent on record; give it with --consent or in a column consent: self, rendered,"
            " or licensed with person_name and licence; or a signed paper with consent_file."
        )
    agreed = require_video_consent(target, person, given)
    agreed_before, _ = consents.setdefault((target.sha256, person), (agreed, target))
    if not agreed.has_terms_of(agreed_before):
        raise ConsentError(f"other terms are given elsewhere for the person in {target}; give the same everywhere.")
    return JobDancer(dancer.source_person, _footage(target), person, agreed_before)


def _given_consent(settings: Settings) -> Consent | None:
    if settings.consent_file is not None:
        return read_consent(Path(settings.consent_file))
    if settings.consent is None:
        if settings.person_name is not None or settings.licence is not None:
            raise ConsentError("person_name and licence also need consent: self, rendered or licensed.")
        return None
    return consent(settings.consent, person=settings.person_name, licence=settings.licence)
