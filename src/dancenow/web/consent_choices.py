"""What the form asks about each dancer's consent, and the record that becomes of it: the same as on the command line."""

from dataclasses import dataclass
from pathlib import Path

from dancenow.errors import ConsentError
from dancenow.provenance.consent import Consent, consent


@dataclass(frozen=True)
class ConsentChoices:
    """As it is filled in. who: kind of the consent. document: an uploaded file. agreed: the box below is ticked."""

    who: str | None
    name: str
    licence: str
    document: str | None
    agreed: bool


def consent_of(choices: ConsentChoices, document: Path | None) -> Consent:
    """The consent that was given; document: the file that was found to be an upload.

    Raises:
        ConsentError: none was given, or something is missing from it.
    """
    if choices.who is None:
        raise ConsentError("say who is in the video of the person.")
    if not choices.agreed:
        raise ConsentError("tick the box: without the person's agreement nothing is trained.")
    if choices.who != "licensed":
        return consent(choices.who)
    if not choices.name.strip():
        raise ConsentError("write the name of the person who agreed.")
    if not choices.licence.strip() and document is None:
        raise ConsentError("give the license of the video, such as CC-BY-4.0, or the signed document.")
    return consent("licensed", person=choices.name.strip(), licence=choices.licence.strip() or None, document=document)
