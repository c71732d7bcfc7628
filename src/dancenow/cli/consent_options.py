"""Get the consent of the person in a video from command line options or from questions in the terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dancenow.provenance.consent import Consent

KindOption = Literal["self", "rendered", "licensed"] | None


def terms(kind: KindOption, person_name: str | None, licence: str | None, file: Path | None) -> "Consent | None":
    """Build the consent record from the options; None without options, or with only a license.

    Raises:
        UserError: options that cannot be combined, or as `consent` and `read_consent`.
    """
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import consent, read_consent

    if file is not None:
        if (kind, person_name, licence) != (None, None, None):
            raise ConsentError(f"--consent-file {file} cannot be combined with --consent, --person-name or --licence.")
        return read_consent(file)
    if kind is None:
        if person_name is not None:
            raise ConsentError(
                "--person-name also needs --consent self, --consent rendered, or --consent licensed --licence ..."
            )
        return None
    return consent(kind, person=person_name, licence=licence)


def can_ask() -> bool:
    """Return whether the command runs in an interactive terminal."""
    from dancenow.cli.console import stderr

    return sys.stdin.isatty() and stderr.is_terminal


def ask(video: Path) -> "Consent":
    """Ask who is in the video and on what terms.

    Raises:
        UserError: an answer is missing or invalid.
    """
    from rich.prompt import Prompt

    from dancenow.cli.console import stderr
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import consent

    def answer(question: str, **options: object) -> str:
        try:
            return str(Prompt.ask(question, console=stderr, **options) or "").strip()  # type: ignore[call-overload]
        except EOFError as error:
            raise ConsentError("no answer: the input ended; give --consent self, rendered or licensed.") from error

    stderr.print(f"Who is in {video}, and may a model of them be trained?", markup=False, highlight=False, soft_wrap=True)
    stderr.print(
        "  self: you  |  rendered: nobody real  |  licensed: another person, who agreed", highlight=False, soft_wrap=True
    )
    kind = answer("consent", choices=["self", "rendered", "licensed"])
    if kind != "licensed":
        return consent(kind)
    name = answer("name of the person")
    licence = answer("license, such as CC-BY-4.0 (empty if there is a signed document)", default="", show_default=False)
    document = answer("file of the signed document (empty if there is none)", default="", show_default=False)
    return consent(kind, person=name, licence=licence or None, document=Path(document) if document else None)
