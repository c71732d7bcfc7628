"""Who may use the page: names and passwords from a file or the environment, never from the command line."""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dancenow.errors import OptionError

ONLY_USER: Final = "me"
"""Owner of all jobs where there is no password, or a single one without a name."""
VARIABLE: Final = "DANCENOW_WEB_PASSWORD"
MIN_LETTERS: Final = 8
SESSION_S: Final = 7 * 24 * 3600.0
_PAUSE_S: Final = 1.0
"""After a wrong password the next is looked at this much later, whoever sends it."""


@dataclass
class Users:
    """The users and their sessions, in memory. hashes: name -> salted hash of the password; none: everybody is `ONLY_USER`."""

    hashes: Mapping[str, bytes]
    _salt: bytes = b""
    _sessions: dict[str, tuple[str, float]] = field(default_factory=dict)
    _not_before_s: float = 0.0

    @classmethod
    def of(cls, passwords: Mapping[str, str]) -> "Users":
        """Users with these passwords."""
        salt = secrets.token_bytes(16)
        return cls({name: _hash(password, salt) for name, password in passwords.items()}, salt)

    @property
    def need_password(self) -> bool:
        """Whether there are passwords."""
        return bool(self.hashes)

    def log_in(self, name: str, password: str) -> str | None:
        """A new session's token; None if the name or the password is wrong, or it comes too soon after a wrong one."""
        if time.monotonic() < self._not_before_s:
            return None
        given, expected = _hash(password, self._salt), self.hashes.get(name or ONLY_USER, b"")
        if not hmac.compare_digest(given, expected):
            self._not_before_s = time.monotonic() + _PAUSE_S
            return None
        token = secrets.token_urlsafe(32)
        self._sessions[_digest(token)] = (name or ONLY_USER, time.monotonic() + SESSION_S)
        return token

    def user_of(self, token: str) -> str | None:
        """The user of a session; None if there is no such session or it has ended."""
        if not self.need_password:
            return ONLY_USER
        name, until_s = self._sessions.get(_digest(token), ("", 0.0))
        return name if time.monotonic() < until_s else None

    def log_out(self, token: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(token), None)


def read_passwords(file: Path | None) -> dict[str, str]:
    """Name -> password: from the lines `name:password` of a file, else from the environment; empty if there are none.

    A single line without a name is the password of `ONLY_USER`.

    Raises:
        OptionError: the file cannot be read, a line makes no sense, or a password is shorter than eight letters.
    """
    if file is None:
        text, origin = os.environ.get(VARIABLE, ""), f"${VARIABLE}"
    else:
        origin = str(file)
        try:
            text = file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise OptionError(f"the password file {file} cannot be read; write one line NAME:PASSWORD per person.") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if file is not None and not lines:
        raise OptionError(f"the password file {file} is empty; write one line NAME:PASSWORD per person.")
    if len(lines) == 1 and ":" not in lines[0]:
        passwords = {ONLY_USER: lines[0]}
    else:
        passwords = {name: password for name, colon, password in (line.partition(":") for line in lines) if name and colon}
    if len(passwords) != len(lines):
        raise OptionError(f"{origin} has a line that is not NAME:PASSWORD, or a name twice; write one line per person.")
    if any(len(password) < MIN_LETTERS for password in passwords.values()):
        raise OptionError(f"a password in {origin} is shorter than {MIN_LETTERS} letters; choose a longer one.")
    return passwords


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
