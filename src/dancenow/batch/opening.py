"""Open the videos of all jobs and check them, their settings and the consent of their people, before any work starts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dancenow.batch.jobs import JobRow, Settings
from dancenow.errors import ConsentError, InputError, UserError
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import family_of
from dancenow.media.source import VideoSource
from dancenow.provenance.consent import Consent, consent
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
class Job:
    """One transfer that can be done. num_frames: of the source, None where the container does not say. scene_sha256: digest of
    the scene's file, if it has one."""

    place: str
    source: Footage
    target: Footage
    out: PurePosixPath
    settings: Settings
    consent: Consent
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
            for path in (row.source, row.target):
                if path not in videos:
                    videos[path] = VideoSource.open(path)
            yield _job(row, folder, videos[row.source], videos[row.target], consents)
        except UserError as error:
            raise type(error)(f"{row.place}: {error}") from error


def _job(row: JobRow, folder: Path, source: VideoSource, target: VideoSource, consents: _Consents) -> Job:
    settings = row.settings
    Budget.parse(settings.budget)
    config, out = preset_config(settings.preset), folder / row.out
    if not out.suffix:
        raise InputError(f"the video {row.out} needs a suffix such as .mp4.")
    scene = open_scene(settings.scene, settings.camera, out, None, source.path, target.path)  # type: ignore[arg-type]
    scene.require_suits(target.info, family_of(config).generates_background)
    given = _given_consent(settings)
    if given is None and not has_video_consent(target, settings.target_person):
        raise ConsentError(
            f"the person in {target} has no consent on record; give it with --consent or in a column consent: self, rendered,"
            " or licensed with person_name and licence."
        )
    agreed = require_video_consent(target, settings.target_person, given)
    agreed_before, _ = consents.setdefault((target.sha256, settings.target_person), (agreed, target))
    if not agreed.has_terms_of(agreed_before):
        raise ConsentError(f"another line gives other terms for the person in {target}; give the same in both.")
    scene_sha256 = None
    if scene.files and settings.scene != "source":
        scene_sha256 = sha256_of(scene.files[0])
        settings = replace(settings, scene=str(scene.files[0].absolute()))
    return Job(
        row.place, Footage(source.path.absolute(), source.sha256), Footage(target.path.absolute(), target.sha256), row.out,
        settings, agreed_before, source.info.num_frames, float(source.info.fps), scene_sha256,
    )  # fmt: skip


def _given_consent(settings: Settings) -> Consent | None:
    if settings.consent is None:
        if settings.person_name is not None or settings.licence is not None:
            raise ConsentError("person_name and licence also need consent: self, rendered or licensed.")
        return None
    return consent(settings.consent, person=settings.person_name, licence=settings.licence)
