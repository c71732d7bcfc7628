"""Who is in a video and on what terms: from the options of a command, or asked for at the terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dancenow.provenance.consent import Consent

KindOption = Literal["self", "rendered", "licensed"] | None


def terms(kind: KindOption, person_name: str | None, licence: str | None, file: Path | None) -> "Consent | None":
    """The record that the options make; None if there are none of them but perhaps a licence.

    Raises:
        UserError: options that do not go together, or as `consent` and `read_consent`.
    """
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import consent, read_consent

    if file is not None:
        if (kind, person_name, licence) != (None, None, None):
            raise ConsentError(f"{file} says everything; leave out --consent, --person-name and --licence, or the file.")
        return read_consent(file)
    if kind is None:
        if person_name is not None:
            raise ConsentError(
                "say on what terms, too: --consent self, --consent rendered, or --consent licensed --licence ..."
            )
        return None
    return consent(kind, person=person_name, licence=licence)


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    from dancenow.cli.console import stderr

    return sys.stdin.isatty() and stderr.is_terminal


def ask(video: Path) -> "Consent":
    """Ask who is in the video and on what terms.

    Raises:
        UserError: an answer that cannot be.
    """
    from rich.prompt import Prompt

    from dancenow.cli.console import stderr
    from dancenow.errors import ConsentError
    from dancenow.provenance.consent import consent

    def answer(question: str, **options: object) -> str:
        try:
            return str(Prompt.ask(question, console=stderr, **options) or "").strip()  # type: ignore[call-overload]
        except EOFError as error:
            raise ConsentError("the questions ended without an answer; give --consent self, rendered or licensed.") from error

    stderr.print(f"Who is in {video}, and may a model of them be made?", markup=False, highlight=False, soft_wrap=True)
    stderr.print(
        "  self: you  |  rendered: nobody real  |  licensed: somebody else, who agreed", highlight=False, soft_wrap=True
    )
    kind = answer("consent", choices=["self", "rendered", "licensed"])
    if kind != "licensed":
        return consent(kind)
    name = answer("their name")
    licence = answer("licence, such as CC-BY-4.0 (empty if there is a signed document)", default="", show_default=False)
    document = answer("signed document, a file (empty if there is none)", default="", show_default=False)
    return consent(kind, person=name, licence=licence or None, document=Path(document) if document else None)
