"""Text that the console or pipe cannot encode is written all the same, so that a finished result is not lost over its name.

A file name may hold any bytes. Those that are no text go out as the bytes they were, so that a pipe gets a name that works;
characters that the console's encoding lacks are escaped.
"""

import codecs
import sys
from io import TextIOWrapper
from typing import Final

_NAME: Final = "dancenow-any-text"


def accept_any_text() -> None:
    """Let standard output and error write any text, in whatever encoding they have."""
    codecs.register_error(_NAME, _encode)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _encode(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a name that are no text, or an escape such as `\\xe9`, for the first character that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace"), error.start + 1
