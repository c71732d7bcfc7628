"""`dancenow consent`: who is in a subject and on what terms; records it, shows it, withdraws it.

The work is done by `dancenow.subject.subject.record_consent` and `withdraw_consent`.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def consent(
    subject: tyro.conf.Positional[Path],
    consent: Literal["self", "rendered", "licensed"] | None = None,
    person_name: str | None = None,
    licence: str | None = None,
    consent_file: Path | None = None,
    revoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Show, record or withdraw the consent of the person in SUBJECT.

    Args:
        subject: folder that `dancenow prepare` made; with --revoke also a video that was given to `dancenow run`.
        consent: self (you filmed yourself), rendered (nobody real) or licensed (somebody else, under --licence).
        person_name: who is in the video.
        licence: SPDX identifier, such as CC-BY-4.0.
        consent_file: everything in a JSON or TOML file: kind, person, scope, date, licence, document.
        revoke: withdraw it: the subject and all models trained from it are refused on this computer from now on.
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
            raise ConsentError("--revoke goes alone: withdraw first, and record new terms with another command.")
        day = withdraw(sha256_of(subject)) if subject.is_file() else withdraw_consent(subject)[1]
        console.print(f"{subject}: withdrawn on {day}; models trained from it are refused", highlight=False, soft_wrap=True)
        return
    if record is None and licence is not None:
        raise ConsentError("say whose terms these are, too: --consent licensed --person-name NAME --licence ...")
    kept = (record_consent(subject, record) if record is not None else Subject.open(subject)).manifest.consent
    if kept is None:
        said = "no consent on record; nothing is trained from it"
    else:
        parts = (f"{kept.kind}: {kept.person}", kept.scope, kept.date, kept.licence, kept.document)
        said = "; ".join(part for part in parts if part) + (f"; WITHDRAWN on {kept.withdrawn}" if kept.withdrawn else "")
    console.print(f"{subject}: {said}", markup=False, highlight=False, soft_wrap=True)
