"""Subjects that `run` prepares by itself, kept in the cache by their video's content; and that they may be used at all.

A video is prepared once; the consent that was given for it holds until another one is given.
"""

from pathlib import Path

from dancenow.errors import UserError
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import Consent, require_consent
from dancenow.storage.atomic_io import cache_dir, sha256_of
from dancenow.subject.prepare import SUBJECT_RECIPE, prepare
from dancenow.subject.subject import Subject, record_consent


def cached_subject_folder(video: Path, person: int | None, consent: Consent | None, on_progress: ProgressCallback) -> Path:
    """The prepared folder of a video, from the cache where it is sound; `consent` is put in if it says something new.

    Raises:
        UserError: as `prepare`.
    """
    folder = _folder(video, person)
    try:
        kept = Subject.open(folder).manifest.consent
    except UserError:
        prepare(video, folder, person=person, consent=consent, on_progress=on_progress)
    else:
        if consent is not None and (kept is None or not consent.has_terms_of(kept)):
            record_consent(folder, consent)
    return folder


def require_video_consent(video: Path, person: int | None, consent: Consent | None) -> None:
    """That there is a consent to this video that stands, given now or kept from before.

    Raises:
        UserError: there is none, or it was withdrawn.
    """
    kept = _kept(video, person)
    if consent is None or (kept is not None and consent.has_terms_of(kept)):
        consent = kept
    require_consent(consent, sha256_of(video), f"the person in {video}", "dancenow run ...")


def has_video_consent(video: Path, person: int | None) -> bool:
    """Whether a consent to this video is kept from before."""
    return _kept(video, person) is not None


def _kept(video: Path, person: int | None) -> Consent | None:
    try:
        return Subject.open(_folder(video, person)).manifest.consent
    except UserError:
        return None


def require_consented(subject: Subject) -> None:
    """That a subject may be learnt from.

    Raises:
        UserError: it has no consent, or that was withdrawn.
    """
    manifest, folder = subject.manifest, subject.folder
    require_consent(manifest.consent, manifest.source_sha256, f"the subject {folder}", f"dancenow consent {folder}")


def _folder(video: Path, person: int | None) -> Path:
    name = f"{sha256_of(video)[:40]}-{SUBJECT_RECIPE}-{'auto' if person is None else person}"
    return cache_dir("subjects") / name
