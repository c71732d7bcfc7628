"""`dancenow consent`: record, show, export or withdraw the consent of the person in a subject.

The work is in `dancenow.subject.subject.record_consent`, `withdraw_consent` and `dancenow.provenance.consent_statement`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from dancenow.cli.options import Flag, Maybe

if TYPE_CHECKING:
    from dancenow.provenance.consent import Consent


def consent(
    subject: tyro.conf.Positional[Path],
    consent: Maybe[Literal["self", "rendered", "licensed"]] = None,
    person_name: Maybe[str] = None,
    licence: Maybe[str] = None,
    consent_file: Maybe[Path] = None,
    revoke: Flag = False,
    export: Maybe[Path] = None,
    verify: Flag = False,
) -> None:
    """Show, record, export or withdraw the consent of the person in SUBJECT.

    Args:
        subject: Folder made by `dancenow prepare`.
            With --revoke also a video that was used with `dancenow run`.
            With --verify a statement made with --export.
        consent: Who is in the video.
            self: you.
            rendered: nobody real.
            licensed: another person, under --licence.
        person_name: Name of the person in the video.
        licence: SPDX identifier of the license, such as CC-BY-4.0.
        consent_file: JSON or TOML file instead of the three options above.
            Fields: kind, person, scope, date, licence, document.
        revoke: Withdraw the consent.
            This computer then refuses the subject and every model of it.
        export: Also write the consent to this .json file, as a statement
            signed like videos. It holds the name of the person.
        verify: Check the signature of a statement and show it.
    """
    from dancenow.cli.consent_options import terms
    from dancenow.cli.console import console
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import withdraw
    from dancenow.storage.atomic_io import require_writable, sha256_of
    from dancenow.subject.subject import Subject, record_consent, withdraw_consent

    record = terms(consent, person_name, licence, consent_file)
    if verify or export is not None:
        _require_alone(verify, export, revoke, record is not None or licence is not None)
    if verify:
        from dancenow.provenance.consent_statement import read_statement

        console.print(f"{subject}: {read_statement(subject).sentence()}", markup=False, highlight=False, soft_wrap=True)
        return
    if export is not None:
        require_writable(export, ".json")
    if revoke:
        if record is not None or licence is not None:
            raise ConsentError("--revoke cannot be combined with new terms; withdraw first, record the new terms afterwards.")
        day = withdraw(sha256_of(subject)) if subject.is_file() else withdraw_consent(subject)[1]
        console.print(f"{subject}: withdrawn on {day}; models trained from it are now refused", highlight=False, soft_wrap=True)
        return
    if record is None and licence is not None:
        raise ConsentError("--licence also needs the person: --consent licensed --person-name NAME --licence ...")
    manifest = (record_consent(subject, record) if record is not None else Subject.open(subject)).manifest
    kept = manifest.consent
    if export is not None:
        _export(kept, manifest.source_sha256, subject, export)
    text = "no consent on record; training from it is refused" if kept is None else kept.sentence()
    console.print(f"{subject}: {text}", markup=False, highlight=False, soft_wrap=True)
    if export is not None:
        console.print(str(export), markup=False, highlight=False, soft_wrap=True)


def _require_alone(verify: bool, export: Path | None, revoke: bool, terms_given: bool) -> None:
    """Raises ConsentError for options that exclude each other."""
    from dancenow.errors import ConsentError

    if verify and (export is not None or revoke or terms_given):
        raise ConsentError("--verify reads a statement and takes no other option.")
    if revoke:
        raise ConsentError("--export cannot be combined with --revoke; withdraw first, export the withdrawn record afterwards.")


def _export(kept: "Consent | None", source_sha256: str, subject: Path, out: Path) -> None:
    """Write the signed statement. Raises ConsentError if there is no record."""
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent_statement import write_statement

    if kept is None:
        raise ConsentError(f"{subject} has no consent on record to export; record it first, for example with --consent self.")
    write_statement(kept, source_sha256, out)
