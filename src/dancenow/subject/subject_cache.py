"""Subjects that `run` prepares by itself, kept in the cache by their video's content; and that they may be used at all.

A video is prepared once; the consent that was given for it holds until another one is given.
"""

from pathlib import Path

from dancenow.errors import UserError
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import Consent, require_consent
from dancenow.storage.atomic_io import cache_dir
from dancenow.subject.prepare import SUBJECT_RECIPE, prepare
from dancenow.subject.subject import Subject, record_consent


def cached_subject(video: VideoInput, person: int | None, consent: Consent | None, on_progress: ProgressCallback) -> Subject:
    """The prepared subject of a video, from the cache where it is intact; `consent` is recorded if it says something new.

    Raises:
        UserError: as `prepare`.
    """
    source = open_video(video)
    folder = _folder(source, person)
    try:
        subject = Subject.open(folder)
    except UserError:
        return prepare(source, folder, person=person, consent=consent, on_progress=on_progress)
    kept = subject.manifest.consent
    if consent is not None and (kept is None or not consent.has_terms_of(kept)):
        return record_consent(folder, consent)
    return subject


def require_video_consent(video: VideoInput, person: int | None, consent: Consent | None) -> None:
    """That there is a consent to this video that stands, given now or kept from before.

    Raises:
        UserError: there is none, or it was withdrawn.
    """
    source = open_video(video)
    kept = _kept(source, person)
    if consent is None or (kept is not None and consent.has_terms_of(kept)):
        consent = kept
    require_consent(consent, source.sha256, f"the person in {source}", "dancenow run ...")


def has_video_consent(video: VideoInput, person: int | None) -> bool:
    """Whether a consent to this video is kept from before."""
    return _kept(open_video(video), person) is not None


def _kept(source: VideoSource, person: int | None) -> Consent | None:
    try:
        return Subject.open(_folder(source, person)).manifest.consent
    except UserError:
        return None


def require_consented(subject: Subject) -> None:
    """That a subject may be learnt from.

    Raises:
        UserError: it has no consent, or that was withdrawn.
    """
    manifest, folder = subject.manifest, subject.folder
    require_consent(manifest.consent, manifest.source_sha256, f"the subject {folder}", f"dancenow consent {folder}")


def _folder(source: VideoSource, person: int | None) -> Path:
    name = f"{source.sha256[:40]}-{SUBJECT_RECIPE}-{'auto' if person is None else person}"
    return cache_dir("subjects") / name
