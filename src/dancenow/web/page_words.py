"""Sentences of the program in the words of the page, where nobody types options."""

import re
from typing import Final

_PERSON: Final = re.compile(r"\s+with --person( \(--(source|target)-person of `run`\))?")


def without_options(sentence: str, where: str = "") -> str:
    """A sentence that says `choose another with --person` without the option. where: what stands in its place."""
    return _PERSON.sub(where, sentence)
