"""`dancenow consent`: record, show or withdraw the consent of the person in a subject.

The work is in `dancenow.subject.subject.record_consent` and `withdraw_consent`.
"""

from pathlib import Path
from typing import Literal

import tyro

from dancenow.cli.options import Flag, Maybe


def consent(
    subject: tyro.conf.Positional[Path],
    consent: Maybe[Literal["self", "rendered", "licensed"]] = None,
    person_name: Maybe[str] = None,
    licence: Maybe[str] = None,
    consent_file: Maybe[Path] = None,
    revoke: Flag = False,
) -> None:
    """Show, record or withdraw the consent of the person in SUBJECT.

    Args:
        subject: Folder made by `dancenow prepare`.
            With --revoke also a video that was used with `dancenow run`.
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
    """
    from dancenow.cli.consent_options import terms
    from dancenow.cli.console import console
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import withdraw
    from dancenow.storage.atomic_io import sha256_of
    from dancenow.subject.subject import Subject, record_consent, withdraw_consent

    record = terms(consent, person_name, licence, consent_file)
    if revoke:
        if record is not None or licence is not None:
            raise ConsentError("--revoke cannot be combined with new terms; withdraw first, record the new terms afterwards.")
        day = withdraw(sha256_of(subject)) if subject.is_file() else withdraw_consent(subject)[1]
        console.print(f"{subject}: withdrawn on {day}; models trained from it are now refused", highlight=False, soft_wrap=True)
        return
    if record is None and licence is not None:
        raise ConsentError("--licence also needs the person: --consent licensed --person-name NAME --licence ...")
    kept = (record_consent(subject, record) if record is not None else Subject.open(subject)).manifest.consent
    if kept is None:
        text = "no consent on record; training from it is refused"
    else:
        parts = (f"{kept.kind}: {kept.person}", kept.scope, kept.date, kept.licence, kept.document)
        text = "; ".join(part for part in parts if part) + (f"; WITHDRAWN on {kept.withdrawn}" if kept.withdrawn else "")
    console.print(f"{subject}: {text}", markup=False, highlight=False, soft_wrap=True)
