"""Subjects that `run` prepares by itself, cached by the content of their video; and the consent to use them.

A video is prepared once. The consent that was given for it is recorded outside the cache, and is valid until another is given.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dancenow.errors import UserError
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.pose.detectors.registry import create_detector
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import Consent, require_consent, withdrawn_on
from dancenow.storage.atomic_io import complete_or_absent, data_dir
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject, record_consent


def cached_subject(video: VideoInput, person: int | None, consent: Consent | None, on_progress: ProgressCallback) -> Subject:
    """The prepared subject of a video, from the cache where it is intact; `consent` is recorded if it has other terms.

    Raises:
        UserError: as `prepare`.
    """
    source = open_video(video)
    recorded = _recorded_consent(source, person)
    if consent is None or (recorded is not None and consent.has_terms_of(recorded)):
        consent = recorded
    entry = subject_entry(source, person)
    subject = cached_result(
        entry,
        lambda: _open_if_sound(entry.path(), source),
        lambda: prepare(source, entry.path(), person=person, consent=consent, on_progress=on_progress),
        on_progress=on_progress,
    )
    present = subject.manifest.consent
    if consent is not None and (present is None or not consent.has_terms_of(present)):
        with entry.in_use(), entry.alone(on_progress):
            subject = record_consent(subject.folder, consent)
    if consent is not None and consent != recorded:
        remember_consent(source, person, consent)
    return subject


def remember_consent(video: VideoInput, person: int | None, consent: Consent) -> None:
    """Record the consent of a video beside the cache, so that it need not be given again.

    Raises:
        OutputError: the folder of the user's data cannot be written.
    """
    with complete_or_absent(_consent_file(open_video(video), person)) as temporary:
        temporary.write_text(json.dumps(asdict(consent), indent=2), "utf-8")


def _open_if_sound(folder: Path, source: VideoSource) -> Subject | None:
    """The subject in a folder of the cache; None if it is missing or any file of it is damaged, its video too."""
    try:
        subject = Subject.open(folder)
    except UserError:
        return None
    return subject if subject.source.sha256 == source.sha256 else None


def require_video_consent(video: VideoInput, person: int | None, consent: Consent | None) -> Consent:
    """The valid consent for this video, given now or recorded before.

    Raises:
        UserError: there is none, or it was withdrawn.
    """
    source = open_video(video)
    recorded = _recorded_consent(source, person)
    if consent is None or (recorded is not None and consent.has_terms_of(recorded)):
        consent = recorded
    return require_consent(consent, source.sha256, f"the person in {source}", "dancenow run ...")


def has_video_consent(video: VideoInput, person: int | None) -> bool:
    """Whether a consent for this video was recorded before."""
    return _recorded_consent(open_video(video), person) is not None


def require_consented(subject: Subject) -> None:
    """Require that a subject may be used for training.

    Raises:
        UserError: it has no consent, or that was withdrawn.
    """
    manifest, folder = subject.manifest, subject.folder
    require_consent(manifest.consent, manifest.source_sha256, f"the subject {folder}", f"dancenow consent {folder}")


def subject_key(inputs: Sequence[str], **parameters: Any) -> str:
    """The cache key of a subject folder made by `prepare` from files with these digests."""
    modules = ["dancenow.subject.prepare", type(create_detector()).__module__]
    return cache_key("subjects", inputs=inputs, parameters=parameters, modules=modules)


def subject_entry(source: VideoSource, person: int | None) -> CacheEntry:
    """Where the cache keeps the subject of a video."""
    return cache_entry("subjects", subject_key([source.sha256], person=person))


def _recorded_consent(source: VideoSource, person: int | None) -> Consent | None:
    """Read the consent of the cached subject or, if that was pruned, of the record next to it, unless it was withdrawn."""
    try:
        return Subject.open(subject_entry(source, person).path()).manifest.consent
    except UserError:
        pass
    try:
        recorded = Consent.from_json(json.loads(_consent_file(source, person).read_text("utf-8")))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return recorded if withdrawn_on(recorded.sha256, source.sha256) is None else None


def _consent_file(source: VideoSource, person: int | None) -> Path:
    name = f"{source.sha256[:40]}-{'auto' if person is None else person}.json"
    return data_dir("consents") / name
